//! Studies that share networks: each trained once, and one study's end is not another's.

use std::{collections::BTreeMap, thread};

use selffer_tests::{
    fleet::{Fleet, PATIENCE},
    wait,
};
use serde_json::Value;

use super::{STUDY_PATIENCE, fleet_with_images};

/// A study of these depths whose jobs take some seconds each, so that it can be met in the middle.
fn grid(study: &str, depths: &str) -> String {
    format!(
        "study: {study}\ndataset: bars\nnetwork: caffenet-28-slim\n\
         recipe: {{preset: quick-28, iterations: 80, batch: 32, test_every: 40}}\n\
         split: random-0\ntreatment: [base, AnB, BnB+]\nn: {depths}\ndirection: [AtoB]\n"
    )
}

fn jobs(fleet: &Fleet, study: &str) -> Vec<Value> {
    let list = fleet.jobctl_json(&["list", "jobs", study]);
    list["jobs"].as_array().cloned().unwrap_or_default()
}

/// How often each network of a study was started, by its key.
fn attempts(fleet: &Fleet, study: &str) -> BTreeMap<String, u64> {
    let of = |job: &Value| (job["key"].as_str().unwrap().to_owned(), job["attempt"].as_u64().unwrap());
    jobs(fleet, study).iter().map(of).collect()
}

fn wait_for_a_training_job(fleet: &Fleet, study: &str) {
    wait::until("a job that trains", PATIENCE, || {
        jobs(fleet, study).iter().any(|job| job["phase"] == "training")
    });
}

/// Submits both at the same time.
fn submit_at_once(fleet: &Fleet, studies: [(&str, &str); 2]) {
    let grids = studies.map(|(study, depths)| fleet.write(&format!("{study}.yaml"), &grid(study, depths)));
    thread::scope(|scope| {
        for grid in &grids {
            scope.spawn(move || fleet.jobctl_ok(&["submit", grid, "--yes"]));
        }
    });
}

#[test]
fn overlapping_studies_submitted_at_the_same_time_train_each_shared_network_once() {
    let mut fleet = fleet_with_images();
    fleet.start_worker("one", 1);
    fleet.start_worker("two", 1);

    submit_at_once(&fleet, [("shallow", "[1, 3]"), ("deep", "[3, 5]")]);

    for study in ["shallow", "deep"] {
        let ended = fleet.jobctl(&["wait", study]);
        assert_eq!(ended.code, 0, "{study}: {}{}", ended.out, ended.err);
    }
    let (shallow, deep) = (attempts(&fleet, "shallow"), attempts(&fleet, "deep"));
    let shared: Vec<_> = shallow.keys().filter(|key| deep.contains_key(*key)).collect();
    assert_eq!((shallow.len(), deep.len(), shared.len()), (6, 6, 4), "two bases and n = 3");
    assert!(shallow.values().chain(deep.values()).all(|attempts| *attempts == 1), "{shallow:?} {deep:?}");
}

#[test]
fn cancelling_one_of_two_overlapping_studies_leaves_the_other_whole() {
    let mut fleet = fleet_with_images();
    submit_at_once(&fleet, [("kept", "[1, 3]"), ("dropped", "[3, 5]")]);
    fleet.start_worker("one", 1);
    wait_for_a_training_job(&fleet, "kept");

    let refused = fleet.jobctl(&["cancel", "dropped"]);
    let act = fleet.jobctl_json(&["cancel", "dropped", "--yes", "--reason", "no need"]);

    assert_eq!(refused.code, 2, "nobody to ask: {}", refused.err);
    assert_eq!((&act["schema"], &act["interest"]), (&"selffer.act/v1".into(), &"cancelled".into()));
    assert_eq!(act["others"][0]["study"], "kept");
    assert_eq!(fleet.jobctl(&["wait", "dropped"]).code, 103);
    let kept = fleet.jobctl(&["wait", "kept"]);
    assert_eq!(kept.code, 0, "{}{}", kept.out, kept.err);
    let kept = attempts(&fleet, "kept");
    assert!(kept.values().all(|attempts| *attempts == 1), "{kept:?}");
    for job in jobs(&fleet, "dropped") {
        let shared = kept.contains_key(job["key"].as_str().unwrap());
        let expected = if shared { "succeeded" } else { "cancelled" };
        assert_eq!(job["state"], expected, "{job}");
    }
}

#[test]
fn a_cancelled_job_ends_after_a_checkpoint_and_goes_on_when_it_is_wanted_again() {
    let mut fleet = fleet_with_images();
    let grid = fleet.write("slow.yaml", &grid("slow", "[2]").replace("iterations: 80", "iterations: 300"));
    let _ = fleet.jobctl_ok(&["submit", &grid, "--yes"]);
    fleet.start_worker("one", 1);
    wait_for_a_training_job(&fleet, "slow");

    let _ = fleet.jobctl_ok(&["cancel", "slow", "--yes"]);

    wait::until("the end of the cancelled job", PATIENCE, || {
        jobs(&fleet, "slow").iter().all(|job| job["state"] == "cancelled")
    });
    assert_eq!(fleet.jobctl(&["wait", "slow"]).code, 103);
    let again = fleet.jobctl_json(&["submit", &grid, "--yes"]);
    assert_eq!((&again["existed"], &again["reopened"]), (&true.into(), &4.into()));
    wait::until("the end of the study", STUDY_PATIENCE, || {
        fleet.states("slow").iter().all(|(_, state)| state == "succeeded")
    });
}

#[test]
fn a_paused_study_starts_nothing_until_it_is_resumed() {
    let mut fleet = fleet_with_images();
    let grid = fleet.write("later.yaml", &grid("later", "[2]"));
    let _ = fleet.jobctl_ok(&["submit", &grid, "--yes", "--priority", "3"]);
    let _ = fleet.jobctl_ok(&["pause", "later", "--reason", "the machine is needed"]);
    fleet.start_worker("one", 1);
    wait::until("an idle worker", PATIENCE, || {
        let list = fleet.jobctl_json(&["list", "workers"]);
        list["workers"].as_array().is_some_and(|workers| !workers.is_empty())
    });

    let paused = jobs(&fleet, "later");
    assert!(paused.iter().any(|job| job["reason"] == "paused"), "{paused:?}");
    assert!(paused.iter().all(|job| job["attempt"] == 0), "{paused:?}");
    let studies = fleet.jobctl_json(&["list", "studies"]);
    assert_eq!(studies["studies"][0]["interest"], "paused");
    assert_eq!(fleet.jobctl(&["wait", "later", "--timeout", "1s"]).code, 101);

    let _ = fleet.jobctl_ok(&["resume", "later"]);
    assert_eq!(fleet.jobctl(&["wait", "later"]).code, 0);
}
