//! Workers that are cut off from their coordinator: for a moment, for so long that they count
//! as lost, or one way only. Faults 4 to 8, 10 and 11 of the reliability page, with shorter
//! times.

use std::time::Duration;

use selffer_tests::{
    fleet::{Fleet, PATIENCE},
    invariants::assert_invariants,
    proxy::{Fault, Proxy},
    wait,
};
use serde_json::Value;

use crate::{STUDY_PATIENCE, import_images, reference};

/// A fleet with one network to train, and a worker behind a proxy.
fn fleet(session_ttl: &str, lost_after: &str) -> (Fleet, Proxy) {
    let times = ["--heartbeat-interval=250ms", "--confirm-within=10s", session_ttl, lost_after];
    let mut fleet = Fleet::start_with(&times);
    import_images(&fleet, 20, 8);
    fleet.worker_arguments = reference::worker_arguments();
    let proxy = fleet.proxy();
    fleet.start_worker_through(&proxy, "far", 1);
    submit(&fleet, "cut");
    (fleet, proxy)
}

fn submit(fleet: &Fleet, study: &str) {
    let grid = fleet.write(&format!("{study}.yaml"), &reference::one_job(study));
    let _ = fleet.jobctl_ok(&["submit", &grid, "--yes"]);
}

fn job(fleet: &Fleet) -> Value {
    fleet.jobctl_json(&["list", "jobs", "cut"])["jobs"][0].clone()
}

fn wait_for(fleet: &Fleet, what: &str, holds: impl Fn(&Value) -> bool) {
    wait::until(what, STUDY_PATIENCE, || holds(&job(fleet)));
}

fn is_training(job: &Value) -> bool {
    job["phase"] == "training"
}

/// Workers and outcomes of its attempts.
fn attempts(fleet: &Fleet) -> Vec<(String, String)> {
    let shown = fleet.person().show("cut", reference::ONE_NETWORK);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let attempts = shown["attempts"].as_array().cloned().unwrap();
    attempts.iter().map(|attempt| (text(&attempt["worker"]), text(&attempt["outcome"]))).collect()
}

fn attempt(worker: &str, outcome: &str) -> (String, String) {
    (format!("{worker}/cpu0"), outcome.to_owned())
}

/// The network is trained as if nothing had happened, and every promise holds.
fn assert_undisturbed(fleet: &mut Fleet) {
    wait_for(fleet, "success", |job| job["state"] == "succeeded");
    assert_invariants(fleet);
    let outcomes = fleet.person().outcomes("cut");
    reference::assert_same(&reference::outcomes(), &outcomes);
}

/// Its learning curve has every point, acknowledged while it was cut off or not.
fn assert_whole_curve(fleet: &Fleet) {
    let (disturbed, undisturbed) = (fleet.person().outcomes("cut"), reference::outcomes());
    let network = reference::ONE_NETWORK;
    assert_eq!(disturbed[network].curve, undisturbed[network].curve);
}

/// Fault 4.
#[test]
fn a_short_partition_changes_nothing_and_no_point_of_the_curve_is_lost() {
    let (mut fleet, proxy) = fleet("--session-ttl=20s", "--lost-after=60s");
    wait_for(&fleet, "a job that trains", is_training);

    proxy.set(Fault::Partition);
    // It trains on: to its end, so that nothing of what came meanwhile was told.
    wait::until("a trained network", STUDY_PATIENCE, || {
        fleet.attempts("far").iter().any(|attempt| attempt.join("final").is_dir())
    });
    assert_ne!(job(&fleet)["state"], "succeeded");
    proxy.set(Fault::None);

    assert_undisturbed(&mut fleet);
    assert_eq!(attempts(&fleet), [attempt("far", "succeeded")]);
    assert_whole_curve(&fleet);
}

/// Faults 5 and 6: whatever the first worker still does, the other's result is the only one.
#[test]
fn a_worker_that_was_cut_off_until_another_has_its_job_changes_nothing_when_it_returns() {
    let (mut fleet, proxy) = fleet("--session-ttl=2s", "--lost-after=3s");
    wait_for(&fleet, "a job that trains", is_training);

    proxy.set(Fault::Partition);
    fleet.start_worker("near", 1);
    wait_for(&fleet, "the other worker at work on it", |job| {
        job["worker"] == "near/cpu0" && is_training(job)
    });
    proxy.set(Fault::None);

    wait::until("an idle zombie", Duration::from_secs(30), || fleet.trainer(0).is_none());
    assert_undisturbed(&mut fleet);
    assert_eq!(attempts(&fleet), [attempt("far", "worker_lost"), attempt("near", "succeeded")]);
}

/// Fault 7.
#[test]
fn a_result_from_beyond_a_partition_is_taken_while_nobody_else_has_the_job() {
    let (mut fleet, proxy) = fleet("--session-ttl=1s", "--lost-after=300s");
    wait_for(&fleet, "a job that trains", is_training);

    proxy.set(Fault::Partition);
    wait_for(&fleet, "a suspect job", |job| job["state"] == "suspect");
    wait::until("a trained network", STUDY_PATIENCE, || {
        fleet.attempts("far").iter().any(|attempt| attempt.join("final").is_dir())
    });
    proxy.set(Fault::None);

    assert_undisturbed(&mut fleet);
    assert_eq!(attempts(&fleet), [attempt("far", "succeeded")]);
}

/// Fault 8: what arrives counts, also while no answer does.
#[test]
fn requests_whose_answers_are_lost_renew_the_lease() {
    let (mut fleet, proxy) = fleet("--session-ttl=15s", "--lost-after=60s");
    wait_for(&fleet, "a job that trains", is_training);
    let silent = |fleet: &Fleet| {
        let list = fleet.jobctl_json(&["list", "workers"]);
        list["workers"][0]["silent_s"].as_f64().unwrap_or(f64::MAX)
    };

    proxy.set(Fault::AnswersLost);
    let connections = proxy.connections();
    // Answers were missed and connections given up, each after 30 s, and its heartbeats still count.
    wait::until("new connections", 2 * PATIENCE, || proxy.connections() > connections + 1);
    assert!(silent(&fleet) < 15.0, "silent for {} s", silent(&fleet));
    assert_eq!(job(&fleet)["attempt"], 1);
    proxy.set(Fault::None);

    assert_undisturbed(&mut fleet);
    assert_eq!(attempts(&fleet), [attempt("far", "succeeded")]);
}

/// Faults 10 and 11: calls that were done and not answered, from claiming to completing.
#[test]
fn answers_that_are_lost_at_every_step_of_a_job_cost_nothing() {
    let (mut fleet, proxy) = fleet("--session-ttl=20s", "--lost-after=60s");
    type Moment = fn(&Value) -> bool;
    let moments: [(&str, Moment); 3] = [
        ("a claimed job", |job| job["attempt"] == 1),
        ("a job that trains", is_training),
        ("a job at its end", |job| job["phase"] == "uploading" || job["state"] == "succeeded"),
    ];
    for (what, moment) in moments {
        wait::closely(STUDY_PATIENCE, || moment(&job(&fleet)));
        proxy.set(Fault::AnswersLost);
        let connections = proxy.connections();
        wait::holds_within(Duration::from_secs(3), || proxy.connections() > connections);
        proxy.set(Fault::Refuse);
        wait::moment(Duration::from_millis(300));
        proxy.set(Fault::None);
        assert!(moment(&job(&fleet)) || what != "a claimed job", "{what}");
    }

    assert_undisturbed(&mut fleet);
    assert_eq!(attempts(&fleet), [attempt("far", "succeeded")]);
    assert_whole_curve(&fleet);
}
