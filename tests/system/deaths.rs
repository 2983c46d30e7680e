//! Single deaths at the worst moments, and what they may cost: nothing but time.

use std::time::Duration;

use selffer_tests::{
    fleet::{Fleet, PATIENCE},
    invariants::{assert_invariants, with_store},
    schedule::{Random, Victim},
    wait,
};
use serde_json::Value;

use super::{STUDY_PATIENCE, import_images, reference};

/// Networks that take a moment each: what is tried is their ends.
const BRIEF_GRID: &str = "\
study: brief
dataset: bars
network: caffenet-28-slim
recipe: {preset: quick-28, iterations: 6, batch: 8, test_every: 3}
split: random-0
treatment: base
direction: AtoB
seed: 1..12
";
const BRIEF_JOBS: usize = 12;
fn fleet_with_brief_jobs() -> Fleet {
    let fleet = Fleet::start_with(&reference::PATIENT);
    import_images(&fleet, 8, 4);
    let _ = fleet.jobctl_ok(&["submit", &fleet.write("brief.yaml", BRIEF_GRID), "--yes"]);
    fleet
}

/// All have succeeded, each at its first attempt.
fn assert_all_succeed_at_once(fleet: &mut Fleet) {
    let mut jobs = Vec::new();
    wait::until("the end of the study", STUDY_PATIENCE, || {
        jobs = fleet.person().jobs_if_answered("brief").unwrap_or_default();
        jobs.len() == BRIEF_JOBS && jobs.iter().all(|job| job["state"] == "succeeded")
    });
    assert!(jobs.iter().all(|job| job["attempt"] == 1), "{jobs:?}");
    assert_invariants(fleet);
}

/// Fault 27: whatever was acknowledged is there, whatever was not is said again.
#[test]
fn a_coordinator_that_dies_while_an_attempt_completes_loses_nothing() {
    let mut fleet = fleet_with_brief_jobs();
    fleet.start_worker("one", 1);
    let mut random = Random::new(27);

    for _ in 1..BRIEF_JOBS {
        let mut trained = None;
        wait::closely(PATIENCE, || {
            let mut folders = fleet.attempts("one").into_iter().map(|attempt| attempt.join("final"));
            trained = folders.find(|folder| folder.is_dir());
            trained.is_some()
        });
        wait::moment(Duration::from_millis(random.below(60)));
        assert_eq!(fleet.kill(&[Victim::Coordinator]), [Victim::Coordinator]);
        fleet.start_coordinator();
        wait::until("the end of this attempt", PATIENCE, || {
            trained.as_ref().is_none_or(|folder| !folder.is_dir())
        });
    }

    assert_all_succeed_at_once(&mut fleet);
}

/// Fault 32: the coordinator itself stays up, and nobody counts as lost meanwhile.
#[test]
fn a_database_that_dies_under_load_costs_no_attempt() {
    let mut fleet = fleet_with_brief_jobs();
    fleet.start_worker("one", 1);
    fleet.start_worker("two", 1);
    let mut random = Random::new(32);
    let coordinator = fleet.find(Victim::Coordinator);

    for deaths in 0..5 {
        wait::until("a study that goes on", PATIENCE, || {
            let jobs = fleet.person().jobs_if_answered("brief").unwrap_or_default();
            jobs.iter().filter(|job| job["state"] == "succeeded").count() >= deaths
        });
        wait::until("a database", PATIENCE, || fleet.find(Victim::Database).is_some());
        wait::moment(Duration::from_millis(random.below(300)));
        assert_eq!(fleet.kill(&[Victim::Database]), [Victim::Database]);
    }

    assert_all_succeed_at_once(&mut fleet);
    assert_eq!(fleet.find(Victim::Coordinator), coordinator, "the coordinator was to stay up");
}

/// Fault 2: the daemon stays up, and the next attempt goes on from the last checkpoint.
#[test]
fn a_trainer_that_is_killed_costs_no_more_than_what_came_after_its_checkpoint() {
    let mut fleet = Fleet::start_with(&reference::PATIENT);
    import_images(&fleet, 20, 8);
    fleet.worker_arguments = reference::worker_arguments();
    let _ = fleet.jobctl_ok(&["submit", &fleet.write("one.yaml", &reference::one_job("one")), "--yes"]);
    fleet.start_worker("one", 1);
    let daemon = fleet.find(Victim::Worker(0));
    let job = |fleet: &Fleet| fleet.jobctl_json(&["list", "jobs", "one"])["jobs"][0].clone();
    let mut saved = 0;
    wait::until("a published checkpoint", PATIENCE, || {
        let published = with_store(&fleet, async |store, _| store.published_checkpoints().await.unwrap());
        saved = published.first().map_or(0, |newest| newest.iteration);
        saved > 0
    });

    assert_eq!(fleet.kill(&[Victim::Trainer(0)]), [Victim::Trainer(0)]);

    wait::until("success", STUDY_PATIENCE, || job(&fleet)["state"] == "succeeded");
    assert_eq!(fleet.find(Victim::Worker(0)), daemon, "the daemon was to stay up");
    let shown = fleet.person().show("one", reference::ONE_NETWORK);
    let attempts: Vec<&Value> = shown["attempts"].as_array().unwrap().iter().collect();
    assert_eq!(attempts.len(), 2, "{attempts:?}");
    assert_eq!(attempts[0]["outcome"], "failed: infrastructure", "{attempts:?}");
    let log = fleet.jobctl_ok(&["logs", &format!("one:{}", reference::ONE_NETWORK)]);
    let from = log.split("going on from iteration ").nth(1).and_then(|rest| rest.lines().next());
    let from: u32 = from.and_then(|from| from.parse().ok()).unwrap_or_else(|| panic!("started over:\n{log}"));
    assert!(from >= saved, "checkpoint {saved} was published, the next attempt went on from {from}");
    assert_invariants(&mut fleet);
    reference::assert_same(&reference::outcomes(), &fleet.person().outcomes("one"));
}
