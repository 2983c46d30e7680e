//! `workerd`: the worker daemon, the trainer that it starts as its child, and the replay of one job.

use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
};

use anyhow::Context;
use clap::Parser;
use tokio::runtime::Runtime;
use tracing_subscriber::EnvFilter;
use workerd::{
    bench,
    config::{Arguments, Command, Config, LogFormat},
    daemon::{self, Ending},
    memory,
    replay::{self, Interrupted, ReplayArguments},
    stop, trainer,
};

/// Exit status when what was asked for makes no sense.
const USAGE: u8 = 2;
/// Exit status when the coordinator was lost and that is to end the daemon: EX_TEMPFAIL of
/// sysexits(3).
const COORDINATOR_LOST: u8 = 75;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(Command::Replay(_) | Command::Bench(_)) = &arguments.command {
        // Where it cannot be had, training is slower, not wrong.
        let _ = memory::keep();
    }
    match arguments.command {
        Some(Command::Trainer) => return trainer::run(),
        Some(Command::Replay(replay)) => return run_replay(&replay),
        Some(Command::Bench(arguments)) => {
            return bench::run(&arguments)
                .map_or_else(|problem| complain(&problem, 1), |()| ExitCode::SUCCESS);
        }
        None => {}
    }
    let config = match Config::from_arguments(arguments.work) {
        Ok(config) => config,
        Err(problem) => return complain(&problem, USAGE),
    };
    log_as(config.log_format);
    match work(config) {
        Ok(Ending::Done) => ExitCode::SUCCESS,
        Ok(Ending::CoordinatorLost) => ExitCode::from(COORDINATOR_LOST),
        Err(problem) => complain(&problem, 1),
    }
}

fn work(config: Config) -> anyhow::Result<Ending> {
    let runtime = runtime()?;
    let ended = runtime.block_on(async {
        let stop = stop::on_signals().context("cannot listen for signals")?;
        daemon::run(config, stop).await
    });
    // A blocking read that hangs must not keep a stopped daemon alive.
    runtime.shutdown_background();
    ended
}

fn run_replay(arguments: &ReplayArguments) -> ExitCode {
    log_as(LogFormat::Text);
    let replayed = runtime().and_then(|runtime| {
        let replayed = replay::run(arguments, &runtime);
        runtime.shutdown_background();
        replayed
    });
    match replayed {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) if problem.is::<Interrupted>() => complain(&problem, Interrupted::STATUS),
        Err(problem) => complain(&problem, 1),
    }
}

fn runtime() -> anyhow::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        // Trainings compute on threads of their own; these only listen and send.
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")
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
