//! A machine without enough memory, as the kernel's own limit of a group: fault 19 of the
//! reliability page. Needs root, as all that `make chaos` does with disks.

use std::{fs, path::PathBuf};

use selffer_tests::{
    fleet::{Fleet, PATIENCE},
    invariants::assert_invariants,
    schedule::Victim,
    wait,
};
use serde_json::Value;

use crate::{STUDY_PATIENCE, import_images, reference};

/// Enough for a daemon, and far too little for the trainer of [`GRID`].
const LITTLE_BYTES: u64 = 150 << 20;
const ENOUGH_BYTES: u64 = 8 << 30;
/// One network, whose batches need some hundred megabytes.
const GRID: &str = "\
study: large
dataset: bars
network: caffenet-28
recipe: {preset: quick-28, iterations: 2, batch: 4096, test_every: 2}
split: random-0
treatment: base
direction: AtoB
";

/// A control group with a bound on memory, of either version of the kernel's interface.
struct Group {
    folder: PathBuf,
    limit: &'static str,
}

impl Group {
    fn new() -> Self {
        let name = format!("selffer-test-{}", std::process::id());
        let (root, limit) = match PathBuf::from("/sys/fs/cgroup/memory") {
            old if old.is_dir() => (old, "memory.limit_in_bytes"),
            _ => (PathBuf::from("/sys/fs/cgroup"), "memory.max"),
        };
        let folder = root.join(name);
        fs::create_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        Self { folder, limit }
    }

    fn bound(&self, bytes: u64) {
        fs::write(self.folder.join(self.limit), bytes.to_string()).unwrap();
    }

    /// Takes a process in, and all that it starts from now on.
    fn take_in(&self, process: u32) {
        fs::write(self.folder.join("cgroup.procs"), process.to_string()).unwrap();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Nothing is left in it once the fleet is gone.
        wait::holds_within(PATIENCE, || fs::remove_dir(&self.folder).is_ok());
    }
}

fn attempts(fleet: &Fleet) -> Vec<Value> {
    fleet.person().show("large", reference::ONE_NETWORK)["attempts"].as_array().unwrap().clone()
}

#[test]
fn a_trainer_that_the_kernel_kills_for_want_of_memory_is_told_as_that_and_tried_again() {
    let group = Group::new();
    let mut fleet = Fleet::start_with(&reference::PATIENT);
    import_images(&fleet, 20, 8);
    let worker = fleet.start_worker("small", 1).id();
    group.take_in(worker);
    group.bound(LITTLE_BYTES);

    let _ = fleet.jobctl_ok(&["submit", &fleet.write("large.yaml", GRID), "--yes"]);
    wait::until("an attempt that ends badly", STUDY_PATIENCE, || {
        attempts(&fleet).iter().any(|attempt| attempt["outcome"] != Value::Null)
    });
    group.bound(ENOUGH_BYTES);
    wait::until("success", STUDY_PATIENCE, || {
        fleet.states("large").iter().all(|(_, state)| state == "succeeded")
    });

    let attempts = attempts(&fleet);
    assert_eq!(attempts[0]["outcome"], "failed: out_of_memory", "{attempts:?}");
    assert_eq!(
        fleet.find(Victim::Worker(0)).map(|pid| pid.as_raw() as u32),
        Some(worker),
        "the daemon stays"
    );
    assert_invariants(&mut fleet);
    drop(fleet);
    drop(group);
}
