//! A seeded simulation of whole fleets over the real decisions. Promises are checked after every
//! event; a failure names its promise and its seed. Broken on purpose, in one way at a time, it
//! must fail with the promise that is then broken: a check that cannot fail is none.
//!
//! One seed alone: `cargo run --release -p selffer-core --example simulate -- --from SEED --seeds 1`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod fleet;
mod model;
mod random;

use std::thread;

use fleet::World;
use model::Without;

/// Of each broken variant, so many seeds are tried until one sees its promise broken.
const TRIES: u64 = 200;
const SEEDS: u64 = 600;

fn run(seeds: impl Iterator<Item = u64>) {
    for seed in seeds {
        if let Err(broken) = World::run(seed, Without::Nothing) {
            panic!("seed {seed}: {broken}\nalone: --example simulate -- --from {seed} --seeds 1");
        }
    }
}

#[test]
fn no_promise_breaks_and_every_network_is_trained_whatever_the_faults() {
    thread::scope(|scope| {
        scope.spawn(|| run((0..SEEDS).step_by(2)));
        run((1..SEEDS).step_by(2));
    });
}

#[test]
fn what_is_left_out_on_purpose_breaks_the_promise_that_it_keeps() {
    for (without, promise) in Without::BROKEN {
        let is_told = |seed| World::run(seed, without).is_err_and(|told| told.starts_with(promise));
        assert!((0..TRIES).any(is_told), "{without:?} is to break {promise:?}; none of {TRIES} seeds saw it");
    }
}
