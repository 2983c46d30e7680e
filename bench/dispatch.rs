//! How long a network waits for an idle worker after its source network has succeeded.
//!
//! Starts the three real programs, and submits one study after another, each a base network
//! and one transfer from it, while a second worker idles. The time is that between the
//! dependant's events `source succeeded` (in the transaction that commits the source's
//! result) and `confirmed` (its worker has it and runs), both by the database's clock.
//! Prints one JSON object; the aim is a median under 1 s.

use std::error::Error;

use chrono::{DateTime, Utc};
use selffer_tests::{fleet::Fleet, images};
use serde_json::{Value, json};

const SAMPLES: usize = 20;

fn main() -> Result<(), Box<dyn Error>> {
    let mut fleet = Fleet::start_with(&[]);
    let folder = fleet.path("bars-idx");
    images::write_idx(&folder, 20, 4)?;
    let folder = folder.to_str().ok_or("a temporary path that is no text")?;
    let _ = fleet.jobctl_ok(&["data", "import", "--format", "idx", folder, "--name", "bars"]);
    fleet.start_worker("one", 1);
    fleet.start_worker("two", 1);

    let mut waits_ms: Vec<i64> = (0..SAMPLES).map(|sample| wait_of_one_transfer(&fleet, sample)).collect();
    waits_ms.sort_unstable();
    let cores = std::thread::available_parallelism()?;
    let report = json!({
        "schema": "selffer.bench.dispatch/v1",
        "what": "source succeeded to dependant running on an idle worker",
        "machine": format!("{cores} cores, CPU workers of one thread"),
        "samples": SAMPLES,
        "ms": {"min": waits_ms[0], "median": waits_ms[SAMPLES / 2], "max": waits_ms[SAMPLES - 1]},
    });
    std::io::Write::write_all(&mut std::io::stdout(), format!("{report}\n").as_bytes())?;
    Ok(())
}

fn wait_of_one_transfer(fleet: &Fleet, sample: usize) -> i64 {
    let study = format!("dispatch-{sample}");
    let grid = format!(
        "study: {study}\ndataset: bars\nnetwork: caffenet-28-slim\n\
         recipe: {{preset: quick-28, iterations: 5, batch: 8, test_every: 5}}\n\
         split: random-{sample}\ntreatment: AnB\nn: 1\ndirection: AtoB\n"
    );
    let grid = fleet.write(&format!("{study}.yaml"), &grid);
    let _ = fleet.jobctl_ok(&["submit", &grid, "--yes", "--follow"]);
    let shown = fleet.jobctl_json(&["show", &format!("{study}:random-{sample}/A1B")]);
    event_ms(&shown, "confirmed") - event_ms(&shown, "source succeeded")
}

fn event_ms(shown: &Value, what: &str) -> i64 {
    let events = shown["events"].as_array().cloned().unwrap_or_default();
    let event = events.iter().find(|event| event["what"] == what).expect("the study has ended");
    let at = event["at"].as_str().expect("events have times");
    at.parse::<DateTime<Utc>>().expect("times are ISO 8601").timestamp_millis()
}
