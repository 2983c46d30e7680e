//! Frozen layers go neither over the wire nor into the store a second time.

use std::collections::BTreeMap;

use selffer_tests::{
    fleet::Fleet,
    invariants::with_store,
    schedule::Victim,
    uploads::{published, store_bytes},
};

use super::fleet_with_images;

const LADDER: &str = "\
study: ladder
dataset: bars
network: caffenet-28-slim
recipe: {preset: quick-28, iterations: 10, batch: 16, test_every: 10}
split: random-0
treatment: [base, BnB, AnB]
n: [1, 3, 7]
direction: AtoB
";

/// Bytes of every published checkpoint's chunks, each chunk once, and for each checkpoint's
/// id its job and the bytes of its layer files in order.
fn stored(fleet: &Fleet) -> (u64, BTreeMap<String, (String, Vec<u64>)>) {
    let checkpoints = with_store(fleet, async |store, _| store.published_checkpoints().await.unwrap());
    let chunks = checkpoints.iter().flat_map(|checkpoint| checkpoint.manifest.chunks());
    let distinct: BTreeMap<_, _> = chunks.map(|chunk| (chunk.digest, chunk.bytes)).collect();
    let files = checkpoints.iter().map(|checkpoint| {
        let layers = checkpoint.manifest.objects.iter().filter(|object| object.name.starts_with('0'));
        let bytes = layers.map(|object| object.bytes).collect();
        (checkpoint.checkpoint_id.to_string(), (checkpoint.claim.job_id.to_string(), bytes))
    });
    (distinct.values().sum(), files.collect())
}

#[test]
fn the_frozen_layers_of_a_ladder_are_sent_and_stored_once() {
    let mut fleet = fleet_with_images();
    let without = store_bytes(&fleet);
    fleet.worker_arguments = vec!["--checkpoint-every".to_owned(), "0s".to_owned()];
    fleet.start_worker("one", 2);
    let grid = fleet.write("ladder.yaml", LADDER);
    let planned = fleet.jobctl_json(&["plan", &grid])["checkpoint_bytes"].as_u64().unwrap();

    let _ = fleet.jobctl_ok(&["submit", &grid, "--yes", "--follow"]);

    let grown = store_bytes(&fleet) - without;
    let uploads = published(&fleet.printed(Victim::Worker(0)));
    let (distinct, files) = stored(&fleet);
    assert_eq!(uploads.len(), 8);
    assert_eq!(grown, distinct, "the store holds the checkpoints' chunks, each once");
    assert_eq!(uploads.iter().map(|upload| upload.bytes_sent).sum::<u64>(), grown, "and each was sent once");
    // The rest of it are states, mean images and headers.
    assert!(grown > planned && grown < planned + planned / 10, "{grown} of {planned}");
    for (name, _) in fleet.states("ladder") {
        let shown = fleet.jobctl_json(&["show", &format!("ladder:{name}")]);
        let (job_id, layers) = &files[shown["final_checkpoint"].as_str().unwrap()];
        let upload = uploads.iter().find(|upload| upload.job_id == *job_id).unwrap();
        let frozen = shown["spec"]["treatment"]["layers_frozen"].as_u64().unwrap() as usize;
        let shared: u64 = layers[..frozen].iter().sum();
        assert!(upload.bytes_sent <= upload.bytes_total - shared, "{name}: {upload:?}, {shared} shared");
        assert_eq!(
            shown["proof"]["layers_hold"],
            if frozen > 0 { true.into() } else { serde_json::Value::Null }
        );
    }
}
