//! What the queue costs: handing out jobs and taking their results, each answer after its durable
//! commit, beside graphile-worker on the same PostgreSQL.
//!
//! - cycles: 16 workers that train nothing claim and complete jobs over gRPC, in turn with
//!   graphile-worker's 16; and the whole of what a worker does for a job (claim, confirm, begin
//!   and publish a checkpoint whose bytes are there, complete)
//! - backlog: how long one claim takes with 1,000, 100,000 and 1,000,000 ready jobs, and what
//!   submitting 100,000 costs
//! - heartbeats of 10,000 sessions, each with a running job: the share of one core
//! - trivial: real workers, whose trainers train one iteration
//! - restart: a coordinator that is killed and started again under load
//! - silence: a worker that is killed, with the times that a coordinator has unless told otherwise
//!
//! `bench-queue GRAPHILE [PART ...]`, where GRAPHILE is the folder of `graphile.mjs` and of what it
//! needs; `bench/queue/run` makes it. Prints one JSON object, and ends with an error where a part is
//! below its aim.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a program of its own, whose clock and ids are real"
)]

mod backlog;
mod beats;
mod cycles;
mod drill;
mod graphile;
mod restart;
mod silence;
mod trivial;
mod usage;

use std::{collections::BTreeMap, error::Error, io::Write as _, path::PathBuf};

use serde_json::{Value, json};

/// What a part found, and whether it reaches its aim.
struct Found {
    value: Value,
    reached: bool,
}

/// Anything that ends the measurement.
type Trouble = Box<dyn Error + Send + Sync>;

const PARTS: [&str; 6] = ["cycles", "backlog", "heartbeats", "trivial", "restart", "silence"];

#[tokio::main]
async fn main() -> Result<(), Trouble> {
    let mut arguments = std::env::args().skip(1);
    let graphile = PathBuf::from(arguments.next().ok_or("usage: bench-queue GRAPHILE [PART ...]")?);
    let named: Vec<String> = arguments.collect();
    let parts = if named.is_empty() { PARTS.map(str::to_owned).to_vec() } else { named };
    let mut found = BTreeMap::new();
    for part in &parts {
        eprintln!("bench-queue: {part}");
        let one = match part.as_str() {
            "cycles" => cycles::measure(&graphile).await?,
            "backlog" => backlog::measure().await?,
            "heartbeats" => beats::measure().await?,
            "trivial" => tokio::task::block_in_place(trivial::measure)?,
            "restart" => restart::measure().await?,
            "silence" => tokio::task::block_in_place(silence::measure)?,
            other => return Err(format!("unknown part {other:?}; known are {}", PARTS.join(", ")).into()),
        };
        found.insert(part.clone(), one);
    }
    let cores = std::thread::available_parallelism()?;
    let short: Vec<&str> =
        found.iter().filter(|(_, one)| !one.reached).map(|(part, _)| part.as_str()).collect();
    let values: BTreeMap<&String, &Value> = found.iter().map(|(part, one)| (part, &one.value)).collect();
    let report = json!({
        "schema": "selffer.bench.queue/v1",
        "date": chrono::Utc::now().date_naive(),
        "machine": format!("{cores} cores, which the programs, PostgreSQL and the measuring client share"),
        "parts": values,
        "below_their_aims": short,
    });
    writeln!(std::io::stdout(), "{report:#}")?;
    if short.is_empty() { Ok(()) } else { Err(format!("below the aim: {}", short.join(", ")).into()) }
}

/// The value in the middle, of as many as one likes.
fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// The smallest value that this part of all does not exceed.
fn quantile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let index = (part * sorted.len() as f64).ceil() as usize;
    sorted[index.clamp(1, sorted.len()) - 1]
}
