//! Proofs: frozen layers that moved and fine-tuned ones that did not are found.

use super::*;
use crate::{artifact::Object, grid, outcome::TestResult, pack::PackFacts};

/// A transfer of three layers, with this treatment.
fn spec(treatment: &str) -> JobSpec {
    let text = format!(
        "study: s\ndataset: fashion-mnist\nnetwork: caffenet-28-slim\nrecipe: {{preset: quick-28}}\n\
         split: random-0\ntreatment: {treatment}\nn: 3\ndirection: AtoB\n"
    );
    let grid = grid::parse("grid.yaml", &text, &grid::GridFiles::new()).unwrap();
    let study = grid::expand(&grid, &PackFacts::well_known("fashion-mnist").unwrap()).unwrap();
    study.cells.last().unwrap().spec.clone()
}

/// What a network of eight layers is, whose first `shared` are the source's.
struct Found {
    result: JobResult,
    manifest: Manifest,
}

fn found(spec: &JobSpec, shared: usize) -> Found {
    let weights = |index: usize, layer: &str| {
        Digest::of(format!("{layer} of {}", if index < shared { "source" } else { "target" }).as_bytes())
    };
    let layers: Vec<_> = spec.network.layers.iter().map(|layer| layer.name.clone()).enumerate().collect();
    let object = |(index, layer): &(usize, String)| Object {
        name: layer_file(*index, layer),
        bytes: 4,
        chunks: vec![Chunk { digest: weights(*index, layer), bytes: 4 }],
    };
    let treatment = spec.treatment;
    Found {
        manifest: Manifest { objects: layers.iter().map(object).collect() },
        result: JobResult {
            test: TestResult { images: 10, top1_correct: 9, top5_correct: 10, loss: 0.1 },
            tests: 1,
            top1_best10: None,
            correct_bits: Vec::new(),
            weights_digest: Digest::of(b"weights"),
            layer_digests: layers
                .iter()
                .map(|(index, layer)| (layer.clone(), weights(*index, layer)))
                .collect(),
            copied_layers_unchanged: (treatment.layers_copied > 0)
                .then_some(treatment.layers_frozen == treatment.layers_copied),
            stuck_at_chance: false,
            training_s: 1.0,
            testing_s: 0.1,
            waiting_s: 0.0,
            device_kind: "cpu x86-64-v4".to_owned(),
        },
    }
}

/// Checks a network whose first `shared` layers are the source's.
fn checked(treatment: &str, shared: usize) -> Result<(), ProofError> {
    let spec = spec(treatment);
    let source = found(&spec, 8);
    let Found { result, manifest } = found(&spec, shared);
    let source = Source { layer_digests: &source.result.layer_digests, manifest: Some(&source.manifest) };
    check(&spec, &result, &manifest, &source)
}

#[test]
fn a_frozen_layer_equals_its_source_and_a_fine_tuned_one_does_not() {
    assert_eq!(checked("AnB", 3), Ok(()));
    assert_eq!(checked("AnB+", 0), Ok(()));
    let (layer, from) = ("conv3".to_owned(), Evidence::Digests);
    assert_eq!(checked("AnB", 2), Err(ProofError::FrozenChanged { layer, from }));
    let (layer, from) = ("conv1".to_owned(), Evidence::Digests);
    assert_eq!(checked("AnB+", 1), Err(ProofError::FineTunedUnchanged { layer, from }));
}

#[test]
fn networks_that_copy_nothing_have_nothing_to_prove() {
    let spec = spec("base");
    let Found { result, manifest } = found(&spec, 0);
    assert_eq!(check(&spec, &result, &manifest, &Source::default()), Ok(()));
    let proofs = layers(&spec, &result, &manifest, &Source::default());
    assert!(proofs.iter().all(|proof| proof.role == LayerRole::Own && proof.holds().is_none()));
}

#[test]
fn digests_that_lie_are_caught_by_the_bytes_that_are_stored() {
    let spec = spec("AnB");
    let source = found(&spec, 8);
    let Found { result, mut manifest } = found(&spec, 3);
    manifest.objects[1].chunks[0].digest = Digest::of(b"something else");
    let source = Source { layer_digests: &source.result.layer_digests, manifest: Some(&source.manifest) };

    let error = check(&spec, &result, &manifest, &source).unwrap_err();

    let message = "layer conv2 was frozen and is not that of its source: by the bytes that are stored";
    assert_eq!(error.to_string(), message);
}

#[test]
fn weights_from_outside_are_compared_by_their_files() {
    let spec = spec("AnB");
    let imported = found(&spec, 8).manifest;
    let source = Source { layer_digests: &[], manifest: Some(&imported) };
    let Found { result, manifest } = found(&spec, 3);
    assert_eq!(check(&spec, &result, &manifest, &source), Ok(()));
    let Found { result, manifest } = found(&spec, 1);
    assert!(matches!(
        check(&spec, &result, &manifest, &source),
        Err(ProofError::FrozenChanged { from: Evidence::Chunks, .. })
    ));
}

#[test]
fn a_result_that_contradicts_itself_is_refused() {
    let spec = spec("AnB");
    let Found { mut result, manifest } = found(&spec, 3);
    result.copied_layers_unchanged = Some(false);
    let error = check(&spec, &result, &manifest, &Source::default()).unwrap_err();
    assert_eq!(error, ProofError::Verdict { given: Some(false), found: Some(true) });

    result.layer_digests.pop();
    let error = check(&spec, &result, &manifest, &Source::default()).unwrap_err();
    assert!(matches!(error, ProofError::Layers { .. }), "{error}");

    let Found { result, mut manifest } = found(&spec, 3);
    manifest.objects.remove(4);
    let error = check(&spec, &result, &manifest, &Source::default()).unwrap_err();
    assert_eq!(error.to_string(), "the final checkpoint has no 05-conv5.safetensors");
}
