//! Workers whose disk is full (fault 22): a real one, mounted small for the test.

use std::{
    fs,
    path::{Path, PathBuf},
};

use selffer_tests::{
    fleet::{Fleet, PATIENCE},
    invariants::assert_invariants,
    small_disk::SmallDisk,
    wait,
};
use serde_json::Value;

use crate::{STUDY_PATIENCE, import_images, reference};

fn job(fleet: &Fleet) -> Value {
    let jobs = fleet.person().jobs_if_answered("one").unwrap_or_default();
    jobs.into_iter().next().unwrap_or_default()
}

fn log(fleet: &Fleet) -> String {
    fleet.jobctl_ok(&["logs", &format!("one:{}", reference::ONE_NETWORK)])
}

fn checkpoints(attempt: &Path) -> Vec<PathBuf> {
    let entries = attempt.read_dir().into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.join("state.json").is_file() && path.extension().is_none()).collect()
}

/// A worker on a small disk that has written a checkpoint, and the disk.
fn fleet_on_a_small_disk() -> (Fleet, SmallDisk) {
    let mut fleet = Fleet::start_with(&reference::PATIENT);
    import_images(&fleet, 20, 8);
    let disk = SmallDisk::mount(&fleet.scratch_folder("one"), "size=48m");
    fleet.worker_arguments = vec!["--checkpoint-every=200ms".to_owned(), "--cache-gib=1".to_owned()];
    let _ = fleet.jobctl_ok(&["submit", &fleet.write("one.yaml", &reference::one_job("one")), "--yes"]);
    fleet.start_worker("one", 1);
    wait::until("a checkpoint", PATIENCE, || {
        fleet.attempts("one").iter().any(|attempt| !checkpoints(attempt).is_empty())
    });
    (fleet, disk)
}

#[test]
fn a_training_goes_on_without_local_checkpoints_while_the_disk_is_full_and_keeps_the_old_one() {
    let (mut fleet, disk) = fleet_on_a_small_disk();

    let filler = disk.fill();
    wait::until("a checkpoint that has no room", PATIENCE, || {
        log(&fleet).contains("no checkpoint: ") && log(&fleet).contains("No space left on device")
    });
    let attempt = fleet.attempts("one").remove(0);
    assert!(!checkpoints(&attempt).is_empty(), "the old one was to be kept");
    fs::remove_file(filler).unwrap();

    wait::until("success", STUDY_PATIENCE, || job(&fleet)["state"] == "succeeded");
    assert_eq!(job(&fleet)["attempt"], 1, "{}", job(&fleet));
    assert_invariants(&mut fleet);
    reference::assert_same(&reference::outcomes(), &fleet.person().outcomes("one"));
    fleet.workers.clear();
}

#[test]
fn a_network_that_cannot_be_kept_costs_an_attempt_of_the_infrastructure_and_no_work() {
    let (mut fleet, disk) = fleet_on_a_small_disk();

    let filler = disk.fill();
    let attempts = |fleet: &Fleet| fleet.person().show("one", reference::ONE_NETWORK)["attempts"].clone();
    wait::until("the end of the attempt", STUDY_PATIENCE, || !attempts(&fleet)[0]["outcome"].is_null());
    assert_eq!(attempts(&fleet)[0]["outcome"], "failed: infrastructure", "{}", attempts(&fleet));
    let message = attempts(&fleet)[0]["message"].as_str().unwrap_or_default().to_owned();
    assert!(message.contains("No space left on device"), "{message}");
    fs::remove_file(filler).unwrap();

    wait::until("success", STUDY_PATIENCE, || job(&fleet)["state"] == "succeeded");
    assert!(log(&fleet).contains("going on from iteration "), "{}", log(&fleet));
    assert_invariants(&mut fleet);
    reference::assert_same(&reference::outcomes(), &fleet.person().outcomes("one"));
    fleet.workers.clear();
}

#[test]
fn a_worker_that_finds_no_room_at_all_says_so_and_fails_no_job_for_good() {
    let mut fleet = Fleet::start_with(&reference::PATIENT);
    import_images(&fleet, 20, 8);
    let disk = SmallDisk::mount(&fleet.scratch_folder("one"), "size=48m");
    fleet.start_worker("one", 1);
    wait::until("a worker", PATIENCE, || {
        fleet.printed(selffer_tests::schedule::Victim::Worker(0)).contains("ready")
    });
    let filler = disk.fill();
    let _ = fleet.jobctl_ok(&["submit", &fleet.write("one.yaml", &reference::one_job("one")), "--yes"]);
    wait::until("a failed attempt or a reason to wait", PATIENCE, || {
        let shown = fleet.person().show("one", reference::ONE_NETWORK);
        let failed = shown["attempts"][0]["outcome"] == "failed: infrastructure";
        failed || shown["job"]["reason"].as_str().is_some_and(|reason| reason.contains("fits no worker"))
    });
    fs::remove_file(filler).unwrap();
    wait::until("success", STUDY_PATIENCE, || job(&fleet)["state"] == "succeeded");
    assert_invariants(&mut fleet);
    fleet.workers.clear();
}
