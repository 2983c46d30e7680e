//! The whole path of a job that trains one iteration of a small network: claim, fetch, a trainer
//! in a process of its own, upload, result.

use std::time::Instant;

use selffer_tests::fleet::Fleet;
use serde_json::json;

use crate::{Found, Trouble, drill};

const JOBS: usize = 100;

pub(crate) fn measure() -> Result<Found, Trouble> {
    let mut fleet = drill::fleet()?;
    let workers = std::thread::available_parallelism()?.get();
    for index in 0..workers {
        fleet.start_worker(&format!("worker-{index}"), 1);
    }
    // The first jobs fetch the pack and compute means; they are there when the others begin.
    let _ = run(&fleet, "warm", workers);
    let seconds = run(&fleet, "trivial", workers + JOBS / 2);
    let value = json!({"jobs": JOBS, "workers": workers, "jobs_per_s": JOBS as f64 / seconds});
    Ok(Found { value, reached: true })
}

/// Seconds from submitting a study of so many pairs to its end.
fn run(fleet: &Fleet, study: &str, pairs: usize) -> f64 {
    let grid = fleet.write(&format!("{study}.yaml"), &drill::bases(study, 0, pairs));
    let begun = Instant::now();
    let _ = fleet.jobctl_ok(&["submit", &grid, "--yes", "--follow"]);
    begun.elapsed().as_secs_f64()
}
