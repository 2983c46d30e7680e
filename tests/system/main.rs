//! The three programs together, as people run them: real PostgreSQL, real gRPC, real
//! training on a small image set.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod chaos;
mod chunk_store;
mod damage;
mod deaths;
mod determinism;
mod endings;
mod faults;
mod imports;
mod ladder;
mod logs;
mod mistakes;
mod placement;
mod reclaim;
mod reference;
mod sharing;
mod slow;
mod stalls;
mod study;
mod verify;
mod zombies;

use std::time::Duration;

use selffer_tests::{fleet::Fleet, images};

/// How long a small study may take on a loaded machine.
const STUDY_PATIENCE: Duration = Duration::from_secs(300);

/// A study of every treatment at one depth, small enough for seconds.
const SMALL_GRID: &str = "\
study: small
dataset: bars
network: caffenet-28-slim
recipe: {preset: quick-28, iterations: 20, batch: 16, test_every: 10}
split: random-0
treatment: [base, BnB, BnB+, AnB, AnB+, RnB]
n: 3
direction: [AtoB, BtoA]
";

/// Jobs of [`SMALL_GRID`]: two bases, and five treatments in two directions.
const SMALL_JOBS: usize = 12;

/// A fleet that has the image set `bars`.
fn fleet_with_images() -> Fleet {
    let fleet = Fleet::start();
    import_images(&fleet, 20, 8);
    fleet
}

fn import_images(fleet: &Fleet, train_per_class: usize, validation_per_class: usize) {
    let folder = fleet.path("bars-idx");
    images::write_idx(&folder, train_per_class, validation_per_class).unwrap();
    let folder = folder.to_str().unwrap();
    let _ = fleet.jobctl_ok(&["data", "import", "--format", "idx", folder, "--name", "bars"]);
}
