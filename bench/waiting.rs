//! How long a trainer waits for its images: a `caffenet-32` job of a real fleet on this machine.
//!
//! Loaders make batches ahead of the trainer; what is told is the part of its time in which none
//! was ready. Prints one JSON object and ends with an error from 1 % on.

use std::error::Error;

use selffer_tests::{fleet::Fleet, images};
use serde_json::json;

/// The part of the time that a trainer may wait.
const WANTED: f64 = 0.01;

fn main() -> Result<(), Box<dyn Error>> {
    let mut fleet = Fleet::start_with(&[]);
    let folder = fleet.path("bars-idx");
    images::write_idx_of_side(&folder, 32, 1_000, 200)?;
    let folder = folder.to_str().ok_or("a temporary path that is no text")?;
    let _ = fleet.jobctl_ok(&["data", "import", "--format", "idx", folder, "--name", "bars"]);
    let cores = std::thread::available_parallelism()?.get();
    fleet.start_worker("waiting", cores);
    let grid = fleet.write(
        "waiting.yaml",
        "study: waiting\ndataset: bars\nnetwork: caffenet-32\n\
         recipe: {preset: quick-32, iterations: 600, test_every: 200}\n\
         split: random-0\ntreatment: base\ndirection: AtoB\n",
    );

    let _ = fleet.jobctl_ok(&["submit", &grid, "--yes", "--follow"]);

    let shown = fleet.jobctl_json(&["show", "waiting:random-0/baseB"]);
    let seconds = |key: &str| shown["result"][key].as_f64().ok_or(format!("no {key}"));
    let (training_s, waiting_s) = (seconds("training_s")?, seconds("waiting_s")?);
    let part = waiting_s / training_s;
    let report = json!({
        "schema": "selffer.bench.waiting/v1",
        "what": "a trainer's wait for its images, caffenet-32, batches of 64",
        "machine": format!("{cores} cores, {}", shown["result"]["device"].as_str().unwrap_or_default()),
        "date": shown["events"][0]["at"].as_str().and_then(|at| at.get(..10)),
        "program_version": shown["proof"]["trained_by"]["program_version"],
        "training_s": training_s,
        "waiting_s": waiting_s,
        "waiting_part": part,
        "wanted": WANTED,
    });
    std::io::Write::write_all(&mut std::io::stdout(), format!("{report:#}\n").as_bytes())?;
    if part < WANTED { Ok(()) } else { Err(format!("the trainer waited {part:.3} of its time").into()) }
}
