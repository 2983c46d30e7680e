//! What a ladder of frozen networks costs the wire and the store: BnB and AnB for n = 1..7.
//!
//! Trains `caffenet-28` on one worker, one network after the other, and compares what the
//! worker sent and how the store grew with what the checkpoints consist of and with what the
//! plan foresaw. Layers that are frozen are their source's bytes and go neither over the wire
//! nor into the store a second time. Prints one JSON object.

use std::error::Error;

use selffer_tests::{
    fleet::Fleet,
    images,
    schedule::Victim,
    uploads::{Upload, published, store_bytes},
};
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    let mut fleet = Fleet::start_with(&[]);
    let folder = fleet.path("bars-idx");
    images::write_idx(&folder, 100, 10)?;
    let folder = folder.to_str().ok_or("a temporary path that is no text")?;
    let _ = fleet.jobctl_ok(&["data", "import", "--format", "idx", folder, "--name", "bars"]);
    fleet.worker_arguments = vec!["--checkpoint-every".to_owned(), "300ms".to_owned()];
    fleet.start_worker("ladder", std::thread::available_parallelism()?.get());

    let steps = (1..=7).flat_map(|n| [("BnB", n), ("AnB", n)]);
    let bases = [("base", 0), ("baseA", 0)];
    let networks: Vec<Network> =
        bases.into_iter().chain(steps).map(|(what, n)| train(&fleet, what, n)).collect();

    let sum = |bytes: fn(&Network) -> u64| networks.iter().map(bytes).sum::<u64>();
    let cores = std::thread::available_parallelism()?;
    let about = &networks[0].about;
    let report = json!({
        "schema": "selffer.bench.ladder/v1",
        "what": "bytes sent and stored for BnB and AnB, n = 1..7, of caffenet-28 with 5 outputs",
        "machine": format!("{cores} cores, {}", about["device"].as_str().unwrap_or_default()),
        "date": about["date"],
        "program_version": about["program_version"],
        "finals": {
            "bytes": sum(|network| network.last().bytes_total),
            "sent": sum(|network| network.last().bytes_sent),
            "planned": sum(|network| network.planned),
        },
        "intermediates": {
            "checkpoints": sum(|network| network.intermediates().count() as u64),
            "bytes": sum(|network| network.intermediates().map(|upload| upload.bytes_total).sum()),
            "sent": sum(|network| network.intermediates().map(|upload| upload.bytes_sent).sum()),
        },
        "store_grew": sum(|network| network.store_grew),
        "networks": networks.iter().map(Network::told).collect::<Vec<_>>(),
    });
    std::io::Write::write_all(&mut std::io::stdout(), format!("{report:#}\n").as_bytes())?;
    Ok(())
}

/// One network of the ladder.
struct Network {
    name: String,
    uploads: Vec<Upload>,
    /// What the plan said of its final weights.
    planned: u64,
    store_grew: u64,
    about: Value,
}

impl Network {
    fn last(&self) -> &Upload {
        self.uploads.iter().rfind(|upload| upload.is_final).expect("a job that succeeded")
    }

    fn intermediates(&self) -> impl Iterator<Item = &Upload> {
        self.uploads.iter().filter(|upload| !upload.is_final)
    }

    fn told(&self) -> Value {
        json!({
            "name": self.name,
            "final": {"bytes": self.last().bytes_total, "sent": self.last().bytes_sent, "planned": self.planned},
            "intermediates": {
                "checkpoints": self.intermediates().count(),
                "sent": self.intermediates().map(|upload| upload.bytes_sent).sum::<u64>(),
            },
            "store_grew": self.store_grew,
        })
    }
}

/// Trains the one network that is new in this study; its source is there already.
fn train(fleet: &Fleet, what: &str, n: u8) -> Network {
    let (treatment, direction, name) = match what {
        "base" => ("base".to_owned(), "AtoB", "random-0/baseB".to_owned()),
        "baseA" => ("base".to_owned(), "BtoA", "random-0/baseA".to_owned()),
        "BnB" => (format!("BnB\nn: {n}"), "AtoB", format!("random-0/B{n}B")),
        _ => (format!("AnB\nn: {n}"), "AtoB", format!("random-0/A{n}B")),
    };
    let study = format!("ladder-{}-{n}", what.to_lowercase());
    let grid = format!(
        "study: {study}\ndataset: bars\nnetwork: caffenet-28\n\
         recipe: {{preset: quick-28, iterations: 24, batch: 32, test_every: 24}}\n\
         split: random-0\ntreatment: {treatment}\ndirection: {direction}\n"
    );
    let grid = fleet.write(&format!("{study}.yaml"), &grid);
    let planned = fleet.jobctl_json(&["plan", &grid])["checkpoint_bytes"].as_u64().unwrap_or(0);
    let (stored, told) = (store_bytes(fleet), published(&fleet.printed(Victim::Worker(0))).len());

    let _ = fleet.jobctl_ok(&["submit", &grid, "--yes", "--follow"]);

    let shown = fleet.jobctl_json(&["show", &format!("{study}:{name}")]);
    Network {
        name,
        uploads: published(&fleet.printed(Victim::Worker(0))).split_off(told),
        planned,
        store_grew: store_bytes(fleet) - stored,
        about: json!({
            "device": shown["result"]["device"],
            "program_version": shown["proof"]["trained_by"]["program_version"],
            "date": shown["events"][0]["at"].as_str().and_then(|at| at.get(..10)),
        }),
    }
}
