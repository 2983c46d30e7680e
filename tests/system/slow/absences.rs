//! A coordinator that is away for longer than its workers' leases last: what was trained stays
//! where it is, and arrives once there is somebody to take it. (Its trainings outlast leases.)

use std::path::PathBuf;

use nix::sys::signal::Signal;
use selffer_tests::{
    fleet::{Fleet, PATIENCE},
    invariants::assert_invariants,
    schedule::Victim,
    wait,
};
use serde_json::Value;

use crate::{STUDY_PATIENCE, import_images};

/// Leases that are lost soon. A coordinator that starts gives nobody up for a time-to-live.
const BRIEF: [&str; 4] =
    ["--heartbeat-interval=500ms", "--session-ttl=2s", "--lost-after=3s", "--confirm-within=20s"];
/// Sessions that expire soon, and leases that last.
const LASTING: [&str; 4] =
    ["--heartbeat-interval=500ms", "--session-ttl=2s", "--lost-after=300s", "--confirm-within=20s"];
/// The one network, and the points of its learning curve: a loss in 20 iterations, and two tests.
const GRID: &str = "\
study: one
dataset: bars
network: caffenet-28-slim
recipe: {preset: quick-28, iterations: 600, batch: 64, test_every: 300}
split: random-0
treatment: base
direction: AtoB
";
const NETWORK: &str = "one:random-0/baseB";
const POINTS: u64 = 32;
/// End of a daemon that was to end when its coordinator is lost.
const COORDINATOR_LOST: i32 = 75;

/// A fleet whose one worker trains one network, and is told this.
fn fleet_that_trains(times: &[&str], arguments: &[&str]) -> Fleet {
    let mut fleet = Fleet::start_with(times);
    import_images(&fleet, 20, 8);
    fleet.worker_arguments = vec!["--checkpoint-every=200ms".to_owned()];
    fleet.worker_arguments.extend(arguments.iter().map(ToString::to_string));
    let _ = fleet.jobctl_ok(&["submit", &fleet.write("one.yaml", GRID), "--yes"]);
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

fn log(fleet: &Fleet) -> String {
    fleet.jobctl_ok(&["logs", NETWORK])
}

fn kill_coordinator(fleet: &mut Fleet) {
    assert_eq!(fleet.kill(&[Victim::Coordinator]), [Victim::Coordinator]);
}

fn wait_until_said(fleet: &Fleet, words: &str) {
    wait::until(words, PATIENCE, || fleet.printed(Victim::Worker(0)).contains(words));
}

/// Whatever lies in the one attempt's folder under this name.
fn kept(fleet: &Fleet, name: &str) -> Option<PathBuf> {
    let attempts = fleet.attempts("one").into_iter();
    attempts.map(|attempt| attempt.join(name)).find(|path| path.exists())
}

/// It has succeeded at its first attempt, and no point of its learning curve is missing.
fn assert_succeeds_at_once(fleet: &mut Fleet) {
    wait::until("success", STUDY_PATIENCE, || job(fleet)["state"] == "succeeded");
    let shown = fleet.jobctl_json(&["show", NETWORK]);
    assert_eq!(shown["attempts"].as_array().map(Vec::len), Some(1), "{}", shown["attempts"]);
    let points = shown["metrics"].as_array().unwrap().iter();
    let sequences: Vec<u64> = points.map(|point| point["sequence"].as_u64().unwrap()).collect();
    assert_eq!(sequences, (0..POINTS).collect::<Vec<_>>());
    wait::until("an empty folder", PATIENCE, || fleet.attempts("one").is_empty());
    assert_invariants(fleet);
}

/// Each line that the trainer writes once a training is there once: nothing lost, nothing doubled.
fn assert_whole(log: &str) {
    for words in ["iteration 20: training loss", "iteration 300: test top-1", "iteration 600: test top-1"] {
        assert_eq!(log.matches(words).count(), 1, "{words:?} in\n{log}");
    }
}

/// Faults 4 and 33: shorter than the leases last, nobody notices anything.
#[test]
fn an_absence_that_is_shorter_than_the_leases_costs_no_attempt_and_no_point() {
    let mut fleet = fleet_that_trains(&LASTING, &[]);

    kill_coordinator(&mut fleet);
    wait_until_said(&fleet, "nothing is published until one does");
    fleet.start_coordinator();

    assert_succeeds_at_once(&mut fleet);
    assert!(!fleet.printed(Victim::Worker(0)).contains("parked"), "{}", fleet.printed(Victim::Worker(0)));
    assert_whole(&log(&fleet));
}

#[test]
fn an_absence_of_any_length_parks_the_training_and_costs_no_attempt_no_point_and_no_word() {
    let mut fleet = fleet_that_trains(&BRIEF, &[]);

    kill_coordinator(&mut fleet);
    wait_until_said(&fleet, "attempt parked until the coordinator is back");
    assert_eq!(fleet.trainer(0), None, "fault 15: another worker may have the job by now");
    fleet.start_coordinator();

    assert_succeeds_at_once(&mut fleet);
    assert!(log(&fleet).contains("going on from iteration"), "{}", log(&fleet));
    assert_whole(&log(&fleet));
}

#[test]
fn points_and_words_of_an_absence_survive_the_daemon_that_heard_them() {
    let mut fleet = fleet_that_trains(&LASTING, &[]);

    kill_coordinator(&mut fleet);
    wait::until("a test that nobody was told of", PATIENCE, || {
        let metrics = kept(&fleet, "metrics.jsonl").and_then(|path| std::fs::read_to_string(path).ok());
        metrics.is_some_and(|metrics| metrics.contains("\"test\""))
    });
    let both = [Victim::Trainer(0), Victim::Worker(0)];
    assert_eq!(fleet.kill(&both), both);
    fleet.start_again(Victim::Worker(0));
    fleet.start_coordinator();

    assert_succeeds_at_once(&mut fleet);
    let log = log(&fleet);
    assert_eq!(log.matches("iteration 20: training loss").count(), 1, "{log}");
    // What was trained after the last checkpoint is trained, and told, again.
    assert!(log.matches("iteration 300: test top-1").count() >= 1, "{log}");
}

#[test]
fn a_daemon_that_is_stopped_during_an_absence_leaves_all_to_the_next_one() {
    let mut fleet = fleet_that_trains(&LASTING, &[]);

    kill_coordinator(&mut fleet);
    wait_until_said(&fleet, "nothing is published until one does");
    let stopped = &mut fleet.workers[0];
    stopped.signal(Signal::SIGTERM);
    assert_eq!(stopped.wait(PATIENCE), Some(0), "{}", stopped.printed());
    assert_eq!(fleet.attempts("one").len(), 1);
    fleet.start_again(Victim::Worker(0));
    fleet.start_coordinator();

    assert_succeeds_at_once(&mut fleet);
    assert_whole(&log(&fleet));
}

#[test]
fn a_daemon_that_is_to_stop_without_a_coordinator_ends_with_its_own_code_and_a_checkpoint() {
    let mut fleet = fleet_that_trains(&BRIEF, &["--on-coordinator-lost=stop"]);

    kill_coordinator(&mut fleet);

    let ended = &mut fleet.workers[0];
    assert_eq!(ended.wait(PATIENCE), Some(COORDINATOR_LOST), "{}", ended.printed());
    let attempts = fleet.attempts("one");
    let files = attempts.iter().flat_map(|attempt| attempt.read_dir().unwrap().flatten());
    let is_checkpoint = |name: &str| name.starts_with("checkpoint-") && !name.ends_with(".part");
    assert!(files.map(|file| file.file_name()).any(|name| is_checkpoint(&name.to_string_lossy())));
    fleet.start_coordinator();
    fleet.start_again(Victim::Worker(0));
    assert_succeeds_at_once(&mut fleet);
    assert_whole(&log(&fleet));
}

#[test]
fn a_daemon_that_is_to_finish_trains_to_the_end_and_leaves_its_result_to_the_next_one() {
    let mut fleet = fleet_that_trains(&BRIEF, &["--on-coordinator-lost=finish"]);

    kill_coordinator(&mut fleet);

    let ended = &mut fleet.workers[0];
    assert_eq!(ended.wait(STUDY_PATIENCE), Some(COORDINATOR_LOST), "{}", ended.printed());
    assert!(kept(&fleet, "outcome.json").is_some(), "{:?}", fleet.attempts("one"));
    fleet.start_coordinator();
    fleet.start_again(Victim::Worker(0));
    assert_succeeds_at_once(&mut fleet);
    assert!(log(&fleet).contains("had trained this network to its end"), "{}", log(&fleet));
}

#[test]
fn a_daemon_that_is_to_finish_ends_when_its_coordinator_has_taken_the_result_after_all() {
    let mut fleet = fleet_that_trains(&BRIEF, &["--on-coordinator-lost=finish"]);
    let _ = fleet.jobctl_ok(&["submit", &fleet.write("two.yaml", &more_seeds()), "--yes"]);

    kill_coordinator(&mut fleet);
    wait_until_said(&fleet, "the coordinator is lost");
    fleet.start_coordinator();

    let ended = &mut fleet.workers[0];
    assert_eq!(ended.wait(STUDY_PATIENCE), Some(0), "{}", ended.printed());
    assert_succeeds_at_once(&mut fleet);
    let untouched = fleet.person().jobs_if_answered("two").unwrap_or_default();
    assert!(untouched.iter().all(|job| job["attempt"] == 0), "it was to claim nothing more: {untouched:?}");
}

/// Networks that nobody has begun.
fn more_seeds() -> String {
    GRID.replace("study: one", "study: two") + "seed: [7, 8]\n"
}
