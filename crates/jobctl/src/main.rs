//! `jobctl`: the command line of Selffer.
//!
//! `args` is what a person types, `commands` what is done, `client` the coordinator,
//! `output` what is printed, `exit` how it ends. Results go to stdout, all else to stderr.

mod ambient;
mod args;
mod client;
mod commands;
mod exit;
mod output;

use std::{env, ffi::OsString, io::Write, process::ExitCode};

use clap::{Parser, error::ErrorKind};

use args::Arguments;
use exit::Exit;
use output::{Format, Screen};

fn main() -> ExitCode {
    let words: Vec<OsString> = env::args_os().collect();
    let arguments = match Arguments::try_parse_from(&words) {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error, args::ask_for_json(&words)).into(),
    };
    let screen = Screen::detect(arguments.common.output);
    match run(&arguments, &screen) {
        Ok(exit) => exit.into(),
        Err(error) => failed(&error, screen.format == Format::Json).into(),
    }
}

fn run(arguments: &Arguments, screen: &Screen) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(commands::run(arguments, screen))
}

/// Tells a failure; a reader that went away gets silence.
fn failed(error: &anyhow::Error, as_json: bool) -> Exit {
    let Some(exit) = exit::exit_of(error) else { return Exit::Ok };
    say(&exit::tell(error, as_json));
    exit
}

/// Help and version go to stdout with 0, mistakes to stderr with 2.
fn usage(error: &clap::Error, as_json: bool) -> Exit {
    if !error.use_stderr() {
        // Nobody is left to tell when this fails.
        let _ = error.print();
        return Exit::Ok;
    }
    if !as_json || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = error.print();
        return Exit::Usage;
    }
    let text = error.to_string();
    let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
    say(&exit::error_json(Exit::Usage.word(), message, Some("jobctl --help")));
    Exit::Usage
}

fn say(text: &str) {
    // Nobody is left to tell when stderr is closed.
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}
