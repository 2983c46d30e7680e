//! Yesterday's database is restored while real workers go on: fault 46 of the reliability page.

use std::process::Command;

use selffer_tests::{
    fleet::{Fleet, PATIENCE},
    invariants::assert_invariants,
    schedule::Victim,
    wait,
};
use serde_json::Value;

use crate::{STUDY_PATIENCE, import_images, reference};

fn job(fleet: &Fleet) -> Value {
    fleet.jobctl_json(&["list", "jobs", "restored"])["jobs"][0].clone()
}

/// Copies files with their owners.
fn copy(from: &std::path::Path, to: &std::path::Path) {
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}

#[test]
fn a_worker_goes_on_with_its_job_after_the_database_was_restored_from_before_it_had_one() {
    let times = ["--heartbeat-interval=250ms", "--session-ttl=2s", "--lost-after=6s", "--confirm-within=10s"];
    let mut fleet = Fleet::start_with(&times);
    import_images(&fleet, 20, 8);
    let grid = fleet.write("restored.yaml", &reference::one_job("restored"));
    let _ = fleet.jobctl_ok(&["submit", &grid, "--yes"]);
    fleet.stop_in_order();
    let backup = fleet.path("backup");
    copy(&fleet.cluster(), &backup);
    fleet.start_coordinator();
    fleet.worker_arguments = reference::worker_arguments();
    fleet.start_worker("one", 1);
    wait::until("a job that trains", PATIENCE, || job(&fleet)["phase"] == "training");

    assert_eq!(fleet.kill(&[Victim::Coordinator, Victim::Database]).len(), 2);
    wait::until("the end of the database", PATIENCE, || fleet.postmaster().is_none());
    std::fs::remove_dir_all(fleet.cluster()).unwrap();
    copy(&backup, &fleet.cluster());
    fleet.start_coordinator();

    // The freeze may be over by the time that somebody looks; the job's history keeps it.
    wait::until("the work taken up again", PATIENCE, || job(&fleet)["attempt"] == 1);
    wait::until("success", STUDY_PATIENCE, || job(&fleet)["state"] == "succeeded");
    let shown = fleet.person().show("restored", reference::ONE_NETWORK);
    let attempts = shown["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 1, "trained once: {attempts:?}");
    let events = shown["events"].as_array().unwrap();
    assert!(events.iter().any(|event| event["what"] == "database rolled back"), "{events:?}");
    assert_invariants(&mut fleet);
    reference::assert_same(&reference::outcomes(), &fleet.person().outcomes("restored"));
    fleet.stop_in_order();
}
