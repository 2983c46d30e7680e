//! Workers that are paused so long that they count as dead, and then come back.
//!
//! A paused machine is SIGSTOP here: of the daemon alone, whose trainer then ends its work
//! meanwhile, or of both.

use std::time::Duration;

use nix::sys::signal::{self, Signal};
use selffer_tests::{
    fleet::{Fleet, PATIENCE},
    invariants::assert_invariants,
    schedule::Victim,
    wait,
};
use serde_json::Value;

use super::{STUDY_PATIENCE, import_images, reference};

const WORKERS: [&str; 2] = ["one", "two"];

/// One network, on a fleet with two workers and these times.
fn fleet(session_ttl: &str, lost_after: &str) -> Fleet {
    let times = ["--heartbeat-interval=250ms", "--confirm-within=10s", session_ttl, lost_after];
    let mut fleet = Fleet::start_with(&times);
    import_images(&fleet, 20, 8);
    fleet.worker_arguments = reference::worker_arguments();
    for worker in WORKERS {
        fleet.start_worker(worker, 1);
    }
    let _ = fleet.jobctl_ok(&["submit", &fleet.write("paused.yaml", &reference::one_job("paused")), "--yes"]);
    fleet
}

fn job(fleet: &Fleet) -> Value {
    fleet.jobctl_json(&["list", "jobs", "paused"])["jobs"][0].clone()
}

/// Waits until the job trains, and pauses these processes of its worker; returns the worker.
fn pause(fleet: &mut Fleet, paused: impl Fn(usize) -> Vec<Victim>) -> usize {
    let mut owner = None;
    wait::until("a job that trains", PATIENCE, || {
        let job = job(fleet);
        owner = WORKERS.iter().position(|worker| job["worker"] == format!("{worker}/cpu0"));
        job["phase"] == "training"
    });
    let owner = owner.unwrap();
    send(fleet, &paused(owner), Signal::SIGSTOP);
    owner
}

fn send(fleet: &mut Fleet, victims: &[Victim], signal: Signal) {
    for victim in victims {
        let id = fleet.find(*victim).unwrap_or_else(|| panic!("{victim:?} does not live"));
        signal::kill(id, signal).unwrap();
    }
}

/// The trainer of this worker has ended its work.
fn wait_for_final(fleet: &Fleet, worker: usize) {
    wait::until("a trained network", STUDY_PATIENCE, || {
        fleet.attempts(WORKERS[worker]).iter().any(|attempt| attempt.join("final").is_dir())
    });
}

fn wait_for_success(fleet: &Fleet) {
    wait::until("success", STUDY_PATIENCE, || job(fleet)["state"] == "succeeded");
}

fn attempts(fleet: &Fleet) -> Vec<(String, String)> {
    let shown = fleet.person().show("paused", reference::ONE_NETWORK);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let attempts = shown["attempts"].as_array().cloned().unwrap();
    attempts.iter().map(|attempt| (text(&attempt["worker"]), text(&attempt["outcome"]))).collect()
}

fn assert_as_undisturbed(fleet: &mut Fleet) {
    assert_invariants(fleet);
    reference::assert_same(&reference::outcomes(), &fleet.person().outcomes("paused"));
}

/// Fault 7 of the reliability page: nobody has claimed the job meanwhile.
#[test]
fn a_result_that_comes_late_is_taken_while_nobody_else_has_the_job() {
    let mut fleet = fleet("--session-ttl=1s", "--lost-after=300s");
    let owner = pause(&mut fleet, |owner| vec![Victim::Worker(owner)]);

    wait::until("a suspect job", PATIENCE, || job(&fleet)["state"] == "suspect");
    wait_for_final(&fleet, owner);
    send(&mut fleet, &[Victim::Worker(owner)], Signal::SIGCONT);

    wait_for_success(&fleet);
    assert_eq!(attempts(&fleet), [(format!("{}/cpu0", WORKERS[owner]), "succeeded".to_owned())]);
    assert_as_undisturbed(&mut fleet);
}

/// The daemon comes back while the other worker has its job: everything it still says is
/// refused, and the other's result is the only one.
fn check_zombie(paused: impl Fn(usize) -> Vec<Victim>, wait_meanwhile: impl Fn(&Fleet, usize)) {
    let mut fleet = fleet("--session-ttl=3s", "--lost-after=5s");
    let owner = pause(&mut fleet, &paused);
    let other = 1 - owner;

    wait_meanwhile(&fleet, owner);
    wait::until("the other worker at work on it", PATIENCE, || {
        let job = job(&fleet);
        job["worker"] == format!("{}/cpu0", WORKERS[other]) && job["phase"] == "training"
    });
    send(&mut fleet, &paused(owner), Signal::SIGCONT);
    wait::until("an idle zombie", Duration::from_secs(30), || fleet.trainer(owner).is_none());

    wait_for_success(&fleet);
    let name = |worker: usize| format!("{}/cpu0", WORKERS[worker]);
    let expected = [(name(owner), "worker_lost".to_owned()), (name(other), "succeeded".to_owned())];
    assert_eq!(attempts(&fleet), expected);
    assert!(fleet.is_running(Victim::Worker(owner)), "{}", fleet.printed(Victim::Worker(owner)));
    assert_as_undisturbed(&mut fleet);
}

/// Fault 5: the machine was paused, so both daemon and trainer go on where they were.
#[test]
fn a_paused_worker_that_comes_back_ends_the_trainer_of_a_job_that_another_has() {
    check_zombie(|owner| vec![Victim::Trainer(owner), Victim::Worker(owner)], |_, _| {});
}

/// Fault 6: its trainer has ended meanwhile, so it comes with a result.
#[test]
fn the_late_result_of_a_job_that_another_has_is_refused() {
    check_zombie(|owner| vec![Victim::Worker(owner)], wait_for_final);
}
