//! A study on a fleet that nobody disturbs: what every disturbed one must come to as well.
//!
//! It is run once for all tests that compare with it. Training is bit-exact on one kind of
//! device, so weights and learning curves are compared for equality.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use selffer_tests::{fleet::Fleet, person::Outcome};

use super::import_images;

/// Outcomes by network.
pub(crate) type Outcomes = BTreeMap<String, Outcome>;

/// Session times of a fleet under fire: a lost worker costs seconds.
pub(crate) const TIMES: [&str; 4] =
    ["--heartbeat-interval=500ms", "--session-ttl=2s", "--lost-after=4s", "--confirm-within=2s"];
/// Session times of a fleet in which no slowness costs a worker its lease.
pub(crate) const PATIENT: [&str; 4] =
    ["--heartbeat-interval=500ms", "--session-ttl=20s", "--lost-after=60s", "--confirm-within=30s"];
/// Networks of [`grid`]: two bases, and three treatments at two depths in two directions.
pub(crate) const JOBS: usize = 14;

/// The study under this name; some 25 seconds for two idle processors.
pub(crate) fn grid(study: &str) -> String {
    grid_of(study, "[base, BnB, AnB, AnB+]")
}

/// The networks of [`grid`] that are treated like this.
pub(crate) fn grid_of(study: &str, treatment: &str) -> String {
    format!("study: {study}\n{RECIPE}treatment: {treatment}\nn: [2, 5]\ndirection: [AtoB, BtoA]\n")
}

/// [`ONE_NETWORK`] of [`grid`] alone.
pub(crate) fn one_job(study: &str) -> String {
    format!("study: {study}\n{RECIPE}treatment: base\ndirection: AtoB\n")
}

/// A base network.
pub(crate) const ONE_NETWORK: &str = "random-0/baseB";

const RECIPE: &str = "\
dataset: bars
network: caffenet-28-slim
recipe: {preset: quick-28, iterations: 120, batch: 64, test_every: 60}
split: random-0
";

/// What workers of a fleet under fire are told.
pub(crate) fn worker_arguments() -> Vec<String> {
    vec!["--checkpoint-every=500ms".to_owned()]
}

/// What every network of [`grid`] comes to.
pub(crate) fn outcomes() -> Outcomes {
    static KNOWN: Mutex<Option<Outcomes>> = Mutex::new(None);
    // Whoever comes second waits for the first.
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    known.get_or_insert_with(train).clone()
}

fn train() -> Outcomes {
    let mut fleet = Fleet::start();
    import_images(&fleet, 20, 8);
    fleet.start_worker("one", 1);
    fleet.start_worker("two", 1);
    let grid = fleet.write("undisturbed.yaml", &grid("undisturbed"));
    let _ = fleet.jobctl_ok(&["submit", &grid, "--yes", "--follow"]);
    let outcomes = fleet.person().outcomes("undisturbed");
    assert_eq!(outcomes.len(), JOBS);
    assert!(outcomes.values().all(|outcome| outcome.weights.len() == 64), "{outcomes:?}");
    outcomes
}

/// Each of these networks came to the same as undisturbed: the same weights, and no point of
/// its learning curve another. Points that nobody had acknowledged may be missing.
pub(crate) fn assert_same(undisturbed: &Outcomes, disturbed: &Outcomes) {
    assert!(!disturbed.is_empty());
    for (network, outcome) in disturbed {
        let expected = &undisturbed[network];
        assert_eq!(outcome.weights, expected.weights, "weights of {network}");
        let points = expected.curve.as_array().unwrap();
        for point in outcome.curve.as_array().unwrap() {
            assert!(points.contains(point), "{network} was not to have the point {point}");
        }
    }
}
