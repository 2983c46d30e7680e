//! What is found wrong with a checkpoint, and what is said about one that is right.

use std::collections::BTreeMap;

use selffer_core::{
    artifact::{Chunk, Manifest, Object},
    ids::{Digest, JobKey},
    outcome::{JobResult, MetricPoint, MetricValue, TestResult},
    replay::{LayerDistance, REPLAY_SCHEMA, Recorded, Replay, compare},
};

use super::{
    told::{Replayed, document, text},
    whole::{State, StateFile, Whole, check_result, check_state},
};
use crate::{
    client::{CheckpointView, JobDetail},
    commands::show::detail_for_tests,
    output::json,
};

const KEY: JobKey = JobKey([7; 32]);
const KIND: &str = "cpu x86-64-v4";

/// A job that has succeeded; its key is a literal, since the true one changes with the trainer.
fn recorded() -> JobDetail {
    let mut detail = detail_for_tests();
    detail.job.key = KEY;
    detail
}

fn layers() -> Vec<(String, Digest)> {
    ["conv1", "conv2"].map(|layer| (layer.to_owned(), Digest::of(layer.as_bytes()))).into()
}

/// What a checkpoint says about itself, and its files.
fn state() -> (State, BTreeMap<String, Digest>) {
    let files: BTreeMap<_, _> = ["01-conv1.safetensors", "mean.safetensors", "state.json"]
        .map(|name| (name.to_owned(), Digest::of(name.as_bytes())))
        .into();
    let listed = files.iter().filter(|(name, _)| *name != "state.json");
    let state = State {
        schema: "selffer.checkpoint/v1".to_owned(),
        key: KEY,
        iteration: 800,
        device_kind: KIND.to_owned(),
        layers: layers().into_iter().map(|(layer, _)| layer).collect(),
        files: listed.map(|(name, digest)| StateFile { name: name.clone(), digest: *digest }).collect(),
    };
    (state, files)
}

fn whole() -> Whole {
    let chunk = |bytes| Chunk { digest: Digest::of(b"chunk"), bytes };
    let object = |name: &str| Object { name: name.to_owned(), bytes: 3_000, chunks: vec![chunk(3_000)] };
    Whole {
        checkpoint: CheckpointView {
            id: "5f1c9a02-0000-4000-8000-000000000000".to_owned(),
            is_final: true,
            iteration: 800,
            manifest: Manifest { objects: ["state.json", "01-conv1.safetensors"].map(object).into() },
        },
        device: KIND.to_owned(),
        layers: layers(),
        weights: Digest::of(b"weights"),
    }
}

fn curve(loss: f64, top1_correct: u64) -> Vec<MetricPoint> {
    let test = TestResult { images: 5_000, top1_correct, top5_correct: 5_000, loss: 0.375 };
    vec![
        MetricPoint { sequence: 0, iteration: 400, value: MetricValue::TrainingLoss(loss) },
        MetricPoint { sequence: 1, iteration: 800, value: MetricValue::Test(test) },
    ]
}

/// A replay of the job on this kind of device that came to this.
fn replayed(detail: &JobDetail, device: &str, points: Vec<MetricPoint>, result: JobResult) -> Replayed {
    let moved = |layer: &str| LayerDistance { layer: layer.to_owned(), relative: 2e-5 };
    let replay = Replay {
        schema: REPLAY_SCHEMA.to_owned(),
        key: detail.job.key,
        program_version: "0.1.0".to_owned(),
        device: device.to_owned(),
        threads: 2,
        iterations: 800,
        points,
        result: Some(result),
        weights: Some(["conv1", "conv2"].map(moved).into()),
    };
    let recorded = Recorded { device: KIND, points: &curve(1.25, 4_321), result: detail.job.result.as_ref() };
    Replayed { recorded_device: KIND.to_owned(), comparison: compare(&recorded, &replay), replay }
}

#[test]
fn a_checkpoint_that_says_what_it_is_passes_and_every_lie_is_named() {
    let (right, files) = state();
    let check = |state: &State, files: &BTreeMap<String, Digest>| {
        check_state(state, files, (KEY, 800), &layers()).err().unwrap_or_default()
    };
    assert_eq!(check(&right, &files), "");

    let other_key = State { key: JobKey([8; 32]), ..right.clone() };
    assert!(check(&other_key, &files).starts_with("it is of job 0808"));
    let earlier = State { iteration: 400, ..right.clone() };
    assert_eq!(check(&earlier, &files), "it is of iteration 400, the coordinator says 800");
    let newer = State { schema: "selffer.checkpoint/v2".to_owned(), ..right.clone() };
    assert!(check(&newer, &files).contains("this jobctl knows"));
    let reordered = State { layers: vec!["conv2".to_owned(), "conv1".to_owned()], ..right.clone() };
    assert!(check(&reordered, &files).contains("not the network's"));

    let mut changed = files.clone();
    changed.insert("mean.safetensors".to_owned(), Digest::of(b"other"));
    assert!(check(&right, &changed).starts_with("mean.safetensors has the digest "));
    let mut fewer = files.clone();
    fewer.remove("mean.safetensors");
    assert_eq!(check(&right, &fewer), "it lists mean.safetensors, which is not there");
    let mut more = files;
    more.insert("more".to_owned(), Digest::of(b"more"));
    assert_eq!(check(&right, &more), "it does not list more");
}

#[test]
fn weights_that_are_not_the_results_are_named_by_their_layer() {
    let result = recorded().job.result.unwrap();
    let check = |whole: &Whole| check_result(whole, &result, 800).err().unwrap_or_default();
    assert_eq!(check(&whole()), "");

    let mut moved = whole();
    moved.layers[1].1 = Digest::of(b"other");
    assert!(check(&moved).starts_with("layer conv2 has the digest "), "{}", check(&moved));
    let swapped = Whole { weights: Digest::of(b"other"), ..whole() };
    assert!(check(&swapped).starts_with("the weights have the digest "));
    let elsewhere = Whole { device: "gpu".to_owned(), ..whole() };
    assert_eq!(check(&elsewhere), "it was made on gpu, the result says cpu x86-64-v4");
    let mut early = whole();
    early.checkpoint.iteration = 400;
    assert_eq!(check(&early), "it is of iteration 400, and the recipe has 800");
}

#[test]
fn a_bit_exact_replay_is_told_as_agreed() {
    let detail = recorded();
    let result = detail.job.result.clone().unwrap();
    let replayed = replayed(&detail, KIND, curve(1.25, 4_321), result);

    assert_eq!(replayed.broken(), None);
    insta::assert_snapshot!(text(&detail, Some(&whole()), Some(&replayed)));
    let document = document(&detail, Some(&whole()), Some(&replayed));
    insta::assert_snapshot!(json::render(&document).unwrap());
}

#[test]
fn a_replay_on_another_kind_of_device_says_within_what() {
    let detail = recorded();
    let mut result = detail.job.result.clone().unwrap();
    result.weights_digest = Digest::of(b"others");
    let replayed = replayed(&detail, "cpu aarch64-neon", curve(1.250_125, 4_326), result);

    assert_eq!(replayed.broken(), None);
    insta::assert_snapshot!(text(&detail, Some(&whole()), Some(&replayed)));
}

#[test]
fn a_replay_that_differs_where_it_must_not_says_where_with_both_values() {
    let detail = recorded();
    let result = detail.job.result.clone().unwrap();
    let replayed = replayed(&detail, KIND, curve(1.250_125, 4_321), result);

    let told = replayed.broken().unwrap();
    assert_eq!(told, "at iteration 400 the training loss is recorded as 1.25 and replayed as 1.250125");
    assert!(text(&detail, None, Some(&replayed)).contains("NOT as recorded, over 800 iterations"));
    let document = serde_json::to_value(document(&detail, None, Some(&replayed))).unwrap();
    assert_eq!(document["replay"]["difference"]["recorded"], "1.25");
    assert_eq!(
        (&document["replay"]["bit_exact"], &document["replay"]["holds"]),
        (&false.into(), &false.into())
    );
}
