//! Workers that end by themselves, and that are told to end: in good order, in time.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use selffer_tests::{
    fleet::{Fleet, PATIENCE},
    invariants::assert_invariants,
    wait,
};
use serde_json::Value;

use super::{STUDY_PATIENCE, import_images, reference};

/// What machines that are taken away often give.
const NOTICE: Duration = Duration::from_secs(30);
/// End at once, as a shell reports SIGINT.
const INSISTED: i32 = 130;

fn fleet(arguments: &[&str]) -> Fleet {
    let mut fleet = Fleet::start_with(&reference::PATIENT);
    import_images(&fleet, 20, 8);
    fleet.worker_arguments = arguments.iter().map(ToString::to_string).collect();
    let _ = fleet.jobctl_ok(&["submit", &fleet.write("one.yaml", &reference::one_job("one")), "--yes"]);
    fleet
}

fn job(fleet: &Fleet) -> Value {
    let jobs = fleet.person().jobs_if_answered("one").unwrap_or_default();
    jobs.into_iter().next().unwrap_or_default()
}

fn wait_for_a_training(fleet: &Fleet) {
    wait::until("a training in its middle", PATIENCE, || {
        job(fleet)["iteration"].as_u64().is_some_and(|reached| reached >= 20)
    });
}

fn outcomes_of_attempts(fleet: &Fleet) -> Vec<String> {
    let shown = fleet.person().show("one", reference::ONE_NETWORK);
    let attempts = shown["attempts"].as_array().cloned().unwrap();
    attempts.iter().map(|attempt| attempt["outcome"].as_str().unwrap_or_default().to_owned()).collect()
}

fn assert_succeeds(fleet: &mut Fleet) {
    wait::until("success", STUDY_PATIENCE, || job(fleet)["state"] == "succeeded");
    assert_invariants(fleet);
    reference::assert_same(&reference::outcomes(), &fleet.person().outcomes("one"));
}

#[test]
fn a_worker_without_work_ends_in_good_order_when_it_has_been_idle_for_long() {
    let mut fleet = fleet(&["--idle-exit=1s"]);
    let worker = fleet.start_worker("one", 1);

    assert_eq!(worker.wait(STUDY_PATIENCE), Some(0), "{}", worker.printed());

    assert_succeeds(&mut fleet);
    let workers = fleet.jobctl_json(&["list", "workers"]);
    assert!(
        workers["workers"].as_array().unwrap().iter().all(|worker| worker["alive"] == false),
        "{workers}"
    );
}

#[test]
fn a_worker_whose_time_is_over_gives_its_job_back_with_a_checkpoint_before_that() {
    let mut fleet = fleet(&["--until=8s", "--checkpoint-every=1s"]);
    // So many of them that it cannot have done them all.
    let many = reference::one_job("many") + "seed: 1..40\n";
    let _ = fleet.jobctl_ok(&["submit", &fleet.write("many.yaml", &many), "--yes"]);
    let started = Instant::now();
    let worker = fleet.start_worker("one", 1);

    assert_eq!(worker.wait(PATIENCE), Some(0), "{}", worker.printed());

    let lived = started.elapsed();
    assert!(lived >= Duration::from_secs(4), "it ended after {lived:?}");
    let states = fleet.states("many");
    let taken = |state: &str| ["leased", "running", "suspect", "failed", "held"].contains(&state);
    assert!(!states.iter().any(|(_, state)| taken(state)), "{states:?}");
    assert_invariants(&mut fleet);
}

#[test]
fn a_time_that_makes_no_sense_is_told_in_one_sentence() {
    let fleet = fleet(&[]);
    for (argument, words) in [
        ("--until=noon", "neither a duration as 90min, nor a UTC time"),
        ("--until=2001-01-01T00:00:00Z", "--until names a time that is over"),
        ("--idle-exit=soon", "--idle-exit"),
        ("--on-coordinator-lost=panic", "[possible values: keep, finish, stop]"),
    ] {
        let output = fleet.person().command("workerd").args(["--cpu", argument]).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(words), "{told}");
    }
}

/// Fault 21.
#[test]
fn a_worker_that_is_taken_away_publishes_a_checkpoint_within_its_notice_and_costs_no_retry() {
    let mut fleet = fleet(&["--checkpoint-every=0"]);
    fleet.start_worker("one", 1);
    wait_for_a_training(&fleet);
    let reached = job(&fleet)["iteration"].as_u64().unwrap();

    let mut taken = fleet.workers.remove(0);
    let told = Instant::now();
    taken.signal(Signal::SIGTERM);

    assert_eq!(taken.wait(PATIENCE), Some(0), "{}", taken.printed());
    assert!(told.elapsed() < NOTICE, "it took {:?}", told.elapsed());
    assert_eq!(job(&fleet)["state"], "ready", "at once: {}", job(&fleet));
    fleet.start_worker("two", 1);
    assert_succeeds(&mut fleet);
    assert_eq!(outcomes_of_attempts(&fleet), ["given_back", "succeeded"]);
    let log = fleet.jobctl_ok(&["logs", &format!("one:{}", reference::ONE_NETWORK)]);
    let from = log.split("going on from iteration ").nth(1).and_then(|rest| rest.lines().next());
    let from: u64 = from.and_then(|from| from.parse().ok()).unwrap_or_else(|| panic!("started over:\n{log}"));
    assert!(from >= reached, "it had reached {reached}, the next attempt went on from {from}");
}

#[test]
fn a_worker_that_is_told_twice_ends_at_once_and_loses_only_time() {
    let mut fleet = fleet(&["--checkpoint-every=200ms"]);
    fleet.start_worker("one", 1);
    wait_for_a_training(&fleet);
    let mut told = fleet.workers.remove(0);
    // A trainer that cannot stop would hold up the first.
    let trainer = selffer_tests::machine::children(told.pid())[0].id;
    nix::sys::signal::kill(trainer, Signal::SIGSTOP).unwrap();

    told.signal(Signal::SIGTERM);
    wait::until("the first to be heard", PATIENCE, || told.printed().contains("stopping: "));
    let second = Instant::now();
    told.signal(Signal::SIGTERM);

    assert_eq!(told.wait(PATIENCE), Some(INSISTED), "{}", told.printed());
    assert!(second.elapsed() < Duration::from_secs(5), "it took {:?}", second.elapsed());
    nix::sys::signal::kill(trainer, Signal::SIGCONT).unwrap();
    fleet.start_worker("one", 1);
    assert_succeeds(&mut fleet);
    assert_eq!(outcomes_of_attempts(&fleet), ["succeeded"], "the next daemon takes the attempt up");
}
