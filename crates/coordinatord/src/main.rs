//! `coordinatord`: the server. Studies in, jobs out, results kept.
//!
//! Starts what it needs (data folder, private PostgreSQL), says where it is, serves until
//! SIGTERM or SIGINT, and stops in good order. Whatever keeps it from starting is told in
//! one sentence.

mod ambient;
mod auth;
mod belonging;
mod check;
mod chunk_health;
mod chunk_place;
mod chunk_room;
mod collector;
mod completer;
mod config;
mod coordinator;
mod dashboard;
mod data_folder;
mod database;
mod dispatcher;
mod gathering;
mod grpc;
mod heartbeat_pace;
mod neighbours;
mod outage;
mod pack_rooms;
mod reserve;
mod sentence;
mod serve;
mod sweeper;

use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
};

use anyhow::{Context, Result};
use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::{
    config::{Command, Config, LogFormat},
    sentence::sentence,
};

fn main() -> ExitCode {
    let config = Config::parse();
    start_log(config.log_format);
    match run(config) {
        Ok(code) => code,
        Err(error) => {
            // Nothing is left to tell if this cannot be written.
            let _ = writeln!(io::stderr(), "coordinatord: {}", sentence(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn run(config: Config) -> Result<ExitCode> {
    config.check()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the threads that serve")?;
    match config.command {
        Some(Command::Check) => runtime.block_on(check::run(&config)),
        None => runtime.block_on(serve::run(config)).map(|()| ExitCode::SUCCESS),
    }
}

fn start_log(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_writer(io::stderr);
    match format {
        LogFormat::Text => log.with_ansi(io::stderr().is_terminal()).init(),
        LogFormat::Json => log.json().init(),
    }
}
