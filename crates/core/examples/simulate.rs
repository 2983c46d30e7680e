//! Runs many seeds of the simulation on all cores: `simulate --seeds 10000 --from 0`.
//! With `--without NAME` one rule is left out on purpose; `--list` names them.

#![allow(clippy::print_stdout, reason = "it reports to a person")]

#[path = "../tests/simulation/fleet/mod.rs"]
mod fleet;
#[path = "../tests/simulation/model/mod.rs"]
mod model;
#[path = "../tests/simulation/random.rs"]
mod random;

use std::{env, process::ExitCode, thread};

use fleet::World;
use model::Without;

fn number(arguments: &[String], name: &str, default: u64) -> Result<u64, String> {
    let Some(place) = arguments.iter().position(|argument| argument == name) else { return Ok(default) };
    let given = arguments.get(place + 1).and_then(|given| given.parse().ok());
    given.ok_or_else(|| format!("{name} needs a number"))
}

fn without(arguments: &[String]) -> Result<Without, String> {
    let Some(place) = arguments.iter().position(|argument| argument == "--without") else {
        return Ok(Without::Nothing);
    };
    let name = arguments.get(place + 1).map_or("", String::as_str);
    let found = Without::BROKEN.into_iter().find(|(without, _)| format!("{without:?}") == name);
    found.map(|(without, _)| without).ok_or_else(|| format!("no variant is called {name:?}; see --list"))
}

/// Every `step`th seed; how many events there were, and what broke in which seeds.
fn run(seeds: impl Iterator<Item = u64>, without: Without) -> (u64, Vec<String>) {
    let (mut events, mut broken) = (0, Vec::new());
    for seed in seeds {
        match World::run(seed, without) {
            Ok(count) => events += count,
            Err(what) => broken.push(format!("seed {seed}: {what}")),
        }
    }
    (events, broken)
}

fn simulate(arguments: &[String]) -> Result<bool, String> {
    let (from, seeds) = (number(arguments, "--from", 0)?, number(arguments, "--seeds", 1_000)?);
    let without = without(arguments)?;
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    let parts: Vec<(u64, Vec<String>)> = thread::scope(|scope| {
        let part = |core| move || run((from + core..from + seeds).step_by(cores as usize), without);
        let threads: Vec<_> = (0..cores).map(|core| scope.spawn(part(core))).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    let events: u64 = parts.iter().map(|(events, _)| events).sum();
    let broken: Vec<&String> = parts.iter().flat_map(|(_, broken)| broken).collect();
    broken.iter().for_each(|what| println!("{what}"));
    println!("{seeds} seeds from {from} on {cores} cores: {events} events, {} broken", broken.len());
    Ok(broken.is_empty() && parts.len() as u64 == cores)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        Without::BROKEN.iter().for_each(|(without, promise)| println!("{without:?}: {promise}"));
        return ExitCode::SUCCESS;
    }
    match simulate(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            println!("{message}");
            ExitCode::FAILURE
        }
    }
}
