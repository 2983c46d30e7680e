//! Trainers that hang, and what they started: noticed by the daemon that is well.

use std::{
    os::unix::process::CommandExt,
    process::{Child, Command},
    time::Duration,
};

use nix::sys::signal::{self, Signal};
use selffer_tests::{
    fleet::{Fleet, PATIENCE},
    invariants::assert_invariants,
    machine,
    schedule::Victim,
    wait,
};
use serde_json::Value;

use super::{STUDY_PATIENCE, import_images, reference};

/// A fleet whose one worker trains one network, and ends what hangs for five seconds.
fn fleet_that_trains() -> Fleet {
    let mut fleet = Fleet::start_with(&reference::PATIENT);
    import_images(&fleet, 20, 8);
    // Anything but training may take 24 times as long.
    fleet.worker_arguments = vec!["--checkpoint-every=500ms".to_owned(), "--stall-grace=5s".to_owned()];
    let _ = fleet.jobctl_ok(&["submit", &fleet.write("one.yaml", &reference::one_job("one")), "--yes"]);
    fleet.start_worker("one", 1);
    wait::until("a training in its middle", PATIENCE, || {
        job(&fleet)["iteration"].as_u64().is_some_and(|reached| reached >= 20)
    });
    fleet
}

fn job(fleet: &Fleet) -> Value {
    let jobs = fleet.person().jobs_if_answered("one").unwrap_or_default();
    jobs.into_iter().next().unwrap_or_default()
}

fn attempts(fleet: &Fleet) -> Vec<Value> {
    fleet.person().show("one", reference::ONE_NETWORK)["attempts"].as_array().cloned().unwrap()
}

/// A process that lives in the trainer's group, as one that the trainer had started.
fn grandchild(fleet: &mut Fleet) -> Child {
    let trainer = fleet.trainer(0).unwrap();
    Command::new("sleep").arg("600").process_group(trainer.as_raw()).spawn().unwrap()
}

fn wait_until_killed(mut grandchild: Child) {
    wait::until("the end of what the trainer started", PATIENCE, || grandchild.try_wait().unwrap().is_some());
}

fn assert_succeeds(fleet: &mut Fleet) {
    wait::until("success", STUDY_PATIENCE, || job(fleet)["state"] == "succeeded");
    assert_invariants(fleet);
    reference::assert_same(&reference::outcomes(), &fleet.person().outcomes("one"));
}

/// Fault 16: heartbeats flow, and nothing else does.
#[test]
fn a_trainer_that_hangs_is_ended_as_stalled_with_evidence_and_the_next_attempt_goes_on() {
    let mut fleet = fleet_that_trains();
    let daemon = fleet.find(Victim::Worker(0));
    let trainer = fleet.trainer(0).unwrap();

    signal::kill(trainer, Signal::SIGSTOP).unwrap();

    wait::until("a stalled attempt", PATIENCE, || attempts(&fleet)[0]["outcome"] == "failed: stalled");
    let message = attempts(&fleet)[0]["message"].as_str().unwrap_or_default().to_owned();
    assert!(message.contains("no progress in ") && message.contains("of training"), "{message}");
    assert_eq!(machine::process(trainer), None, "its trainer was to be killed");
    let told = fleet.jobctl_ok(&["logs", &format!("one:{}", reference::ONE_NETWORK), "--attempt", "1"]);
    assert!(told.contains("State: T (stopped)"), "{told}");
    assert!(told.contains("thread ") && told.contains("state T"), "{told}");
    assert!(told.contains("iteration 20: training loss"), "{told}");
    assert_succeeds(&mut fleet);
    assert_eq!(fleet.find(Victim::Worker(0)), daemon, "the daemon was to stay up");
    let log = fleet.jobctl_ok(&["logs", &format!("one:{}", reference::ONE_NETWORK)]);
    assert!(log.contains("going on from iteration "), "{log}");
}

/// Fault 9: whoever was paused as a whole has not been hanging.
#[test]
fn a_machine_that_was_paused_for_longer_than_the_grace_accuses_nobody() {
    let mut fleet = fleet_that_trains();
    let (daemon, trainer) = (fleet.find(Victim::Worker(0)).unwrap(), fleet.trainer(0).unwrap());

    for paused in [daemon, trainer] {
        signal::kill(paused, Signal::SIGSTOP).unwrap();
    }
    wait::moment(Duration::from_secs(8));
    for paused in [trainer, daemon] {
        signal::kill(paused, Signal::SIGCONT).unwrap();
    }

    assert_succeeds(&mut fleet);
    assert_eq!(attempts(&fleet).len(), 1);
}

/// Fault 18, its half without a GPU.
#[test]
fn what_a_trainer_started_ends_with_it_whether_it_ends_well_or_is_killed() {
    let mut fleet = fleet_that_trains();
    let first = grandchild(&mut fleet);

    assert_eq!(fleet.kill(&[Victim::Trainer(0)]), [Victim::Trainer(0)]);

    wait_until_killed(first);
    wait::until("the next attempt", PATIENCE, || {
        job(&fleet)["attempt"] == 2 && job(&fleet)["phase"] == "training" && fleet.trainer(0).is_some()
    });
    let second = grandchild(&mut fleet);
    assert_succeeds(&mut fleet);
    wait_until_killed(second);
}
