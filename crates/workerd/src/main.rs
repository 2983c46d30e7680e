//! `workerd`: the worker daemon, and the trainer that it starts as its child.

use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
};

use anyhow::Context;
use clap::Parser;
use tracing_subscriber::EnvFilter;
use workerd::{
    config::{Arguments, Command, Config, LogFormat},
    daemon, stop, trainer,
};

/// Exit status when what was asked for makes no sense.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(Command::Trainer) = arguments.command {
        return trainer::run();
    }
    let config = match Config::from_arguments(arguments.work) {
        Ok(config) => config,
        Err(problem) => return complain(&problem, USAGE),
    };
    log_as(config.log_format);
    match work(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => complain(&problem, 1),
    }
}

fn work(config: Config) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        // The trainers compute; the daemon only listens and sends.
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let ended = runtime.block_on(async {
        let stop = stop::on_signals().context("cannot listen for signals")?;
        daemon::run(config, stop).await
    });
    // A blocking read that hangs must not keep a stopped daemon alive.
    runtime.shutdown_background();
    ended
}

fn log_as(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    match format {
        LogFormat::Text => lines.with_target(false).init(),
        LogFormat::Json => lines.json().init(),
    }
}

fn complain(problem: &anyhow::Error, status: u8) -> ExitCode {
    let _ = writeln!(io::stderr(), "workerd: {problem:#}");
    ExitCode::from(status)
}
