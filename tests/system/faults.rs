//! Programs that die or are stopped in the middle: the study still ends.

use nix::sys::signal::Signal;
use selffer_tests::{
    fleet::{Fleet, PATIENCE},
    wait,
};

use super::{STUDY_PATIENCE, fleet_with_images};

/// As the small grid, but each job takes some seconds, so that it can be hit in the middle.
const SLOWER_GRID: &str = "\
study: slower
dataset: bars
network: caffenet-28-slim
recipe: {preset: quick-28, iterations: 150, batch: 64, test_every: 75}
split: random-0
treatment: [base, AnB]
n: [2, 5]
direction: [AtoB, BtoA]
";
const SLOWER_JOBS: usize = 6;

fn submit(fleet: &Fleet) {
    let grid = fleet.write("slower.yaml", SLOWER_GRID);
    let _ = fleet.jobctl_ok(&["submit", &grid, "--yes"]);
}

fn wait_for_a_training_job(fleet: &Fleet) {
    wait::until("a job that trains", PATIENCE, || {
        let list = fleet.jobctl_json(&["list", "jobs", "slower"]);
        list["jobs"].as_array().is_some_and(|jobs| jobs.iter().any(|job| job["phase"] == "training"))
    });
}

fn assert_all_succeed(fleet: &Fleet) {
    let mut states = Vec::new();
    wait::until("the end of the study", STUDY_PATIENCE, || {
        states = fleet.states("slower");
        states.len() == SLOWER_JOBS && states.iter().all(|(_, state)| state == "succeeded")
    });
}

#[test]
fn a_worker_that_is_killed_loses_its_job_to_another_one() {
    let mut fleet = fleet_with_images();
    submit(&fleet);
    fleet.start_worker("one", 1);
    wait_for_a_training_job(&fleet);

    let mut killed = fleet.workers.remove(0);
    killed.signal(Signal::SIGKILL);
    killed.wait(PATIENCE);
    fleet.start_worker("two", 2);

    assert_all_succeed(&fleet);
}

#[test]
fn a_coordinator_that_is_killed_goes_on_from_its_rows_when_started_again() {
    let mut fleet = fleet_with_images();
    submit(&fleet);
    fleet.start_worker("one", 1);
    wait_for_a_training_job(&fleet);

    let mut killed = fleet.coordinator.take().unwrap();
    killed.signal(Signal::SIGKILL);
    killed.wait(PATIENCE);
    fleet.start_coordinator();

    assert_all_succeed(&fleet);
}

#[test]
fn a_worker_told_to_stop_gives_its_job_back_and_ends_in_good_order() {
    let mut fleet = fleet_with_images();
    submit(&fleet);
    fleet.start_worker("one", 1);
    wait_for_a_training_job(&fleet);

    let mut stopped = fleet.workers.remove(0);
    stopped.signal(Signal::SIGTERM);

    assert_eq!(stopped.wait(PATIENCE), Some(0), "{}", stopped.printed());
    let states = fleet.states("slower");
    assert!(
        states.iter().all(|(_, state)| ["ready", "waiting", "succeeded"].contains(&state.as_str())),
        "{states:?}"
    );
    fleet.start_worker("two", 2);
    assert_all_succeed(&fleet);
}

#[test]
fn every_program_ends_on_a_signal_and_leaves_no_process_behind() {
    let mut fleet = fleet_with_images();
    fleet.start_worker("one", 1);
    wait::until("a worker", PATIENCE, || {
        let list = fleet.jobctl_json(&["list", "workers"]);
        list["workers"].as_array().is_some_and(|workers| !workers.is_empty())
    });
    let mut coordinator = fleet.coordinator.take().unwrap();
    let mut worker_process = fleet.workers.remove(0);

    worker_process.signal(Signal::SIGINT);
    coordinator.signal(Signal::SIGTERM);

    assert_eq!(worker_process.wait(PATIENCE), Some(0), "{}", worker_process.printed());
    assert_eq!(coordinator.wait(PATIENCE), Some(0), "{}", coordinator.printed());
    // Data folder, scratch folders and logs all lie below it.
    let folder = fleet.path("");
    let named_ours = |line: &str| line.contains(folder.to_str().unwrap());
    let processes = process_lines();
    let left: Vec<_> = processes.iter().filter(|line| named_ours(line)).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// The command line of every process of this machine.
fn process_lines() -> Vec<String> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()))
        .filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .collect()
}
