//! How long a worker's silence goes unnoticed, with the times that a coordinator has unless told
//! otherwise: until its job is suspect, and until another worker trains it.

use std::time::{Duration, Instant};

use selffer_tests::{fleet::Fleet, images, schedule::Victim, wait};
use serde_json::{Value, json};

use crate::{Found, Trouble};

/// What is promised.
const SUSPECT_WITHIN_S: f64 = 60.0;
const AGAIN_WITHIN_S: f64 = 195.0;
const PATIENCE: Duration = Duration::from_secs(400);
const STUDY: &str = "silence";

pub(crate) fn measure() -> Result<Found, Trouble> {
    let mut fleet = Fleet::start_with(&[]);
    let folder = fleet.path("bars-idx");
    images::write_idx(&folder, 200, 40)?;
    let folder = folder.to_str().ok_or("a temporary path that is no text")?;
    let _ = fleet.jobctl_ok(&["data", "import", "--format", "idx", folder, "--name", "bars"]);
    fleet.start_worker("one", 1);
    let grid = format!(
        "study: {STUDY}\ndataset: bars\nnetwork: caffenet-28\n\
         recipe: {{preset: quick-28, iterations: 100000, batch: 64, test_every: 50000}}\n\
         split: random-0\ntreatment: base\ndirection: AtoB\n"
    );
    let _ = fleet.jobctl_ok(&["submit", &fleet.write("silence.yaml", &grid), "--yes"]);
    wait::until("a job that trains", PATIENCE, || job(&fleet)["phase"] == "training");
    fleet.start_worker("two", 1);

    let killed = Instant::now();
    let victims = fleet.kill(&[Victim::Worker(0), Victim::Trainer(0)]);
    if victims.len() != 2 {
        return Err(format!("only {victims:?} were killed").into());
    }
    wait::until("suspicion", PATIENCE, || job(&fleet)["state"] == "suspect");
    let suspect_s = killed.elapsed().as_secs_f64();
    wait::until("another worker at work on it", PATIENCE, || {
        let job = job(&fleet);
        job["worker"] == "two/cpu0" && job["phase"] == "training"
    });
    let again_s = killed.elapsed().as_secs_f64();
    Ok(Found {
        value: json!({
            "suspect_after_s": suspect_s,
            "trained_again_after_s": again_s,
            "wanted_s": {"suspect": SUSPECT_WITHIN_S, "trained_again": AGAIN_WITHIN_S},
        }),
        reached: suspect_s <= SUSPECT_WITHIN_S && again_s <= AGAIN_WITHIN_S,
    })
}

fn job(fleet: &Fleet) -> Value {
    fleet.jobctl_json(&["list", "jobs", STUDY])["jobs"][0].clone()
}
