//! What `show` says about a job, and that its JSON stays what it is.

use chrono::DateTime;
use selffer_core::{
    grid,
    identity::canonical_json,
    ids::Digest,
    job::StateKind,
    outcome::{JobResult, TestResult},
    pack::PackFacts,
    proof::{LayerProof, LayerRole},
    spec::Half,
};
use serde_json::Value;

use super::job::{document, job_text};
use crate::{
    client::{AttemptView, JobDetail, JobView},
    commands::watch::board_for_tests,
    output::{json, table::Look},
};

/// A transfer that has succeeded, and two of its layers.
pub(crate) fn detail() -> JobDetail {
    let text = "study: s\ndataset: fashion-mnist\nnetwork: caffenet-28-slim\n\
                recipe: {preset: quick-28}\nsplit: random-0\ntreatment: AnB\nn: 1\ndirection: AtoB\n";
    let pack =
        PackFacts { digest: Some(Digest::of(b"pack")), ..PackFacts::well_known("fashion-mnist").unwrap() };
    let study =
        grid::expand(&grid::parse("grid.yaml", text, &grid::GridFiles::new()).unwrap(), &pack).unwrap();
    let cell = study.cells.last().unwrap();
    let layers: Vec<LayerProof> = [("conv1", LayerRole::Frozen), ("conv2", LayerRole::Own)].map(layer).into();
    let job = JobView {
        key: cell.key,
        phase: None,
        iteration: 800,
        treatment: "AnB".to_owned(),
        layers_copied: 1,
        source: Some(Half::A),
        target: Half::B,
        result: Some(result(&layers)),
        eta_s: None,
        images_per_s: 0.0,
        ..board_for_tests::job("random-0/A1B", StateKind::Succeeded)
    };
    JobDetail {
        job,
        spec_json: canonical_json(&cell.spec),
        attempts: vec![AttemptView {
            attempt: 1,
            worker: "node/cpu0".to_owned(),
            program_version: "0.1.0".to_owned(),
            device_kind: "cpu x86-64-v4".to_owned(),
            threads: 2,
            started_at: DateTime::UNIX_EPOCH,
            ended_at: Some(DateTime::UNIX_EPOCH),
            outcome: Some("succeeded".to_owned()),
            message: String::new(),
        }],
        metrics: Vec::new(),
        events: Vec::new(),
        studies: vec!["s:random-0/A1B".to_owned()],
        final_checkpoint_id: Some("5f1c9a02-0000-4000-8000-000000000000".to_owned()),
        intermediates: Vec::new(),
        source_checkpoint_id: Some("5f1c9a02-0000-4000-8000-000000000001".to_owned()),
        source_name: Some("random-0/baseA".to_owned()),
        layers,
        dataset: "fashion-mnist".to_owned(),
        network: "caffenet-28-slim".to_owned(),
        source_seed: Some(0),
        dependants: Vec::new(),
        dependants_count: 0,
    }
}

fn layer((name, role): (&str, LayerRole)) -> LayerProof {
    let is_copied = role != LayerRole::Own;
    LayerProof {
        layer: name.to_owned(),
        role,
        digest: Digest::of(name.as_bytes()),
        source_digest: is_copied.then(|| Digest::of(name.as_bytes())),
        same_bytes: is_copied.then_some(true),
    }
}

fn result(layers: &[LayerProof]) -> JobResult {
    JobResult {
        test: TestResult { images: 5_000, top1_correct: 4_321, top5_correct: 5_000, loss: 0.375 },
        tests: 4,
        top1_best10: None,
        correct_bits: Vec::new(),
        weights_digest: Digest::of(b"weights"),
        layer_digests: layers.iter().map(|layer| (layer.layer.clone(), layer.digest)).collect(),
        copied_layers_unchanged: Some(true),
        stuck_at_chance: false,
        training_s: 12.5,
        testing_s: 0.25,
        waiting_s: 0.025,
        device_kind: "cpu x86-64-v4".to_owned(),
    }
}

#[test]
fn a_job_is_told_as_agreed() {
    let mut document = serde_json::to_value(document(&detail()).unwrap()).unwrap();
    // Of its own schema, and long.
    document["spec"]["network"] = Value::Null;
    insta::assert_snapshot!(json::render(&document).unwrap());
}

#[test]
fn a_job_reads_well_as_text() {
    let detail = detail();
    let document = document(&detail).unwrap();
    insta::assert_snapshot!(job_text(&detail, &document.proof, Look { color: false, width: None }));
}

#[test]
fn a_frozen_layer_that_moved_is_told() {
    let mut detail = detail();
    detail.layers[0].source_digest = Some(Digest::of(b"another"));
    let document = document(&detail).unwrap();
    let text = job_text(&detail, &document.proof, Look { color: false, width: None });
    assert!(text.contains("NOT its source, though frozen"), "{text}");
    let proof = serde_json::to_value(&document.proof).unwrap();
    assert_eq!((&proof["layers_hold"], &proof["layers"][0]["holds"]), (&false.into(), &false.into()));
}
