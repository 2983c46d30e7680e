//! How long one claim takes while many jobs are ready, and what submitting many costs.

use std::time::Instant;

use serde_json::{Value, json};

use crate::{
    Found, Trouble,
    drill::{self, Drill},
    quantile, usage,
};

/// Ready jobs at each measurement; studies of at most [`STUDY_JOBS`] make them up.
const READY: [usize; 3] = [1_000, 100_000, 1_000_000];
const STUDY_JOBS: usize = 100_000;
/// Claims of one measurement, one after the other.
const CLAIMS: usize = 300;
/// How much longer a claim's 99th percentile may be with the most ready jobs than with the fewest.
const WANTED: f64 = 2.0;

pub(crate) async fn measure() -> Result<Found, Trouble> {
    let fleet = drill::fleet()?;
    let connection = drill::connection(&fleet)?;
    let drill = Drill::open(&connection, "drill".to_owned()).await?;
    let (mut ready, mut split) = (0, 0);
    let (mut latencies, mut submission) = (Vec::new(), Value::Null);
    for wanted in READY {
        while ready < wanted {
            let jobs = (wanted - ready).min(STUDY_JOBS);
            let study = format!("backlog-{split}");
            let grid = fleet.write(&format!("{study}.yaml"), &drill::bases(&study, split, jobs / 2));
            let before_mib = usage::memory_mib(&fleet)?;
            let begun = Instant::now();
            let _ = fleet.jobctl_ok(&["submit", &grid, "--yes"]);
            if jobs == STUDY_JOBS && submission.is_null() {
                submission = json!({
                    "jobs": jobs,
                    "seconds": begun.elapsed().as_secs_f64(),
                    "coordinator_mib": usage::memory_mib(&fleet)?,
                    "coordinator_mib_before": before_mib,
                });
            }
            (ready, split) = (ready + jobs, split + 1);
        }
        latencies.push(latency(&drill, wanted).await?);
        ready -= CLAIMS;
    }
    let p99 = |at: usize| latencies[at]["p99_ms"].as_f64().unwrap_or(f64::NAN);
    let growth = p99(READY.len() - 1) / p99(0);
    Ok(Found {
        value: json!({
            "claims": latencies,
            "p99_at_most_over_p99_at_fewest": growth,
            "wanted": WANTED,
            "submission": submission,
        }),
        reached: growth <= WANTED,
    })
}

async fn latency(drill: &Drill, ready: usize) -> Result<Value, Trouble> {
    let mut taken_ms = Vec::with_capacity(CLAIMS);
    for _ in 0..CLAIMS {
        let begun = Instant::now();
        let _held = drill.claim().await?;
        taken_ms.push(begun.elapsed().as_secs_f64() * 1_000.0);
    }
    Ok(json!({
        "ready": ready,
        "p50_ms": quantile(&taken_ms, 0.5),
        "p99_ms": quantile(&taken_ms, 0.99),
    }))
}
