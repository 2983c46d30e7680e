//! Daemons that are killed, with and without their trainers: the next one on the same scratch
//! folder goes on with the same attempt.

use std::fs;

use nix::sys::signal::Signal;
use selffer_tests::{
    fleet::{Fleet, PATIENCE},
    invariants::{assert_invariants, with_store},
    schedule::Victim,
    wait,
};
use serde_json::Value;

use super::{
    STUDY_PATIENCE, import_images,
    reference::{self, PATIENT},
};

/// A fleet whose one worker trains one network.
fn fleet_that_trains(times: &[&str]) -> Fleet {
    let mut fleet = Fleet::start_with(times);
    import_images(&fleet, 20, 8);
    fleet.worker_arguments = vec!["--checkpoint-every=200ms".to_owned()];
    let _ = fleet.jobctl_ok(&["submit", &fleet.write("one.yaml", &reference::one_job("one")), "--yes"]);
    fleet.start_worker("one", 1);
    fleet
}

fn job(fleet: &Fleet) -> Value {
    let jobs = fleet.person().jobs_if_answered("one").unwrap_or_default();
    jobs.into_iter().next().unwrap_or_default()
}

fn wait_for_iteration(fleet: &Fleet, iteration: u64) {
    wait::until("a training in its middle", PATIENCE, || {
        job(fleet)["iteration"].as_u64().is_some_and(|reached| reached >= iteration)
    });
}

/// It has succeeded in this many attempts, and is the network of an undisturbed fleet.
fn assert_succeeds_in(attempts: usize, fleet: &mut Fleet) {
    wait::until("success", STUDY_PATIENCE, || job(fleet)["state"] == "succeeded");
    let shown = fleet.person().show("one", reference::ONE_NETWORK);
    assert_eq!(shown["attempts"].as_array().map(Vec::len), Some(attempts), "{}", shown["attempts"]);
    wait::until("an empty folder", PATIENCE, || fleet.attempts("one").is_empty());
    assert_invariants(fleet);
    reference::assert_same(&reference::outcomes(), &fleet.person().outcomes("one"));
}

fn log(fleet: &Fleet) -> String {
    fleet.jobctl_ok(&["logs", &format!("one:{}", reference::ONE_NETWORK)])
}

/// The iteration that the log says the attempt went on from.
fn gone_on_from(fleet: &Fleet) -> u32 {
    let log = log(fleet);
    let mut told =
        log.lines().filter_map(|line| line.split("left this attempt; going on from iteration ").nth(1));
    told.next().and_then(|iteration| iteration.parse().ok()).unwrap_or_else(|| panic!("{log}"))
}

/// Fault 1: the trainer notices, leaves a checkpoint and ends.
#[test]
fn a_daemon_that_is_killed_takes_its_attempt_up_again_where_its_trainer_stopped() {
    let mut fleet = fleet_that_trains(&PATIENT);
    wait_for_iteration(&fleet, 30);

    assert_eq!(fleet.kill(&[Victim::Worker(0)]), [Victim::Worker(0)]);
    fleet.start_again(Victim::Worker(0));

    assert_succeeds_in(1, &mut fleet);
    assert!(gone_on_from(&fleet) >= 30, "{}", log(&fleet));
}

#[test]
fn a_daemon_that_is_killed_with_its_trainer_goes_on_from_the_newest_local_checkpoint() {
    let mut fleet = fleet_that_trains(&PATIENT);
    wait_for_iteration(&fleet, 30);

    let both = [Victim::Trainer(0), Victim::Worker(0)];
    assert_eq!(fleet.kill(&both), both);
    fleet.start_again(Victim::Worker(0));
    wait_for_iteration(&fleet, 60);
    // The next one is killed as well, and then before it could say a word.
    assert_eq!(fleet.kill(&both), both);
    fleet.start_again(Victim::Worker(0));
    fleet.kill(&[Victim::Worker(0)]);
    fleet.start_again(Victim::Worker(0));

    assert_succeeds_in(1, &mut fleet);
    assert!(gone_on_from(&fleet) > 0, "{}", log(&fleet));
}

#[test]
fn a_network_that_was_trained_to_its_end_is_handed_in_by_the_next_daemon() {
    let mut fleet = fleet_that_trains(&PATIENT);
    wait_for_iteration(&fleet, 1);
    // Nobody is there to take the result, nor when the next daemon starts.
    fleet.kill(&[Victim::Coordinator]);
    wait::until("a result", PATIENCE, || {
        fleet.attempts("one").iter().any(|attempt| attempt.join("outcome.json").is_file())
    });
    assert_eq!(fleet.kill(&[Victim::Worker(0)]), [Victim::Worker(0)]);
    fleet.start_again(Victim::Worker(0));
    wait::until("a daemon that waits", PATIENCE, || {
        fleet.printed(Victim::Worker(0)).contains("waiting for the coordinator")
    });

    fleet.start_coordinator();

    assert_succeeds_in(1, &mut fleet);
    assert!(log(&fleet).contains("had trained this network to its end"), "{}", log(&fleet));
}

#[test]
fn a_damaged_local_checkpoint_costs_work_and_not_the_attempt() {
    let mut fleet = fleet_that_trains(&PATIENT);
    wait::until("a published checkpoint", PATIENCE, || {
        with_store(&fleet, async |store, _| !store.published_checkpoints().await.unwrap().is_empty())
    });
    let both = [Victim::Trainer(0), Victim::Worker(0)];
    assert_eq!(fleet.kill(&both), both);
    let attempts = fleet.attempts("one");
    let files = attempts.iter().flat_map(|attempt| attempt.read_dir().unwrap().flatten());
    let checkpoints = files.map(|file| file.path()).filter(|path| path.join("state.json").is_file());
    let damaged =
        checkpoints.map(|checkpoint| fs::write(checkpoint.join("state.json"), "{").unwrap()).count();
    assert!(damaged > 0, "{attempts:?}");

    fleet.start_again(Victim::Worker(0));

    assert_succeeds_in(1, &mut fleet);
    let log = log(&fleet);
    assert!(log.contains("cannot be used: it is damaged"), "{log}");
    // What this attempt itself had published before.
    let mut told = log.lines().filter_map(|line| line.strip_prefix("going on from iteration "));
    let iteration: Option<u32> = told.next().and_then(|iteration| iteration.parse().ok());
    assert!(iteration.is_some_and(|iteration| iteration > 0), "{log}");
}

#[test]
fn an_attempt_that_another_worker_has_meanwhile_is_removed() {
    let mut fleet = fleet_that_trains(&reference::TIMES);
    wait_for_iteration(&fleet, 30);
    let both = [Victim::Trainer(0), Victim::Worker(0)];
    assert_eq!(fleet.kill(&both), both);
    assert_eq!(fleet.attempts("one").len(), 1);
    fleet.start_worker("two", 1);
    wait::until("another attempt", PATIENCE, || job(&fleet)["attempt"] == 2);

    fleet.start_again(Victim::Worker(0));

    wait::until("an empty folder", PATIENCE, || fleet.attempts("one").is_empty());
    assert_succeeds_in(2, &mut fleet);
    assert!(fleet.printed(Victim::Worker(0)).contains("its lease is gone"));
}

/// Told to stop, a worker leaves nothing to take up: its checkpoint is published instead.
#[test]
fn a_worker_that_is_stopped_gives_its_checkpoint_to_whoever_comes_next() {
    let mut fleet = fleet_that_trains(&PATIENT);
    wait_for_iteration(&fleet, 30);
    let mut stopped = fleet.workers.remove(0);
    stopped.signal(Signal::SIGTERM);
    assert_eq!(stopped.wait(PATIENCE), Some(0), "{}", stopped.printed());
    assert!(fleet.attempts("one").is_empty());

    fleet.start_worker("two", 2);

    wait::until("success", STUDY_PATIENCE, || job(&fleet)["state"] == "succeeded");
    let log = log(&fleet);
    let mut told = log.lines().filter_map(|line| line.strip_prefix("going on from iteration "));
    let iteration: Option<u32> = told.next().and_then(|iteration| iteration.parse().ok());
    assert!(iteration.is_some_and(|iteration| iteration >= 30), "{log}");
    reference::assert_same(&reference::outcomes(), &fleet.person().outcomes("one"));
}
