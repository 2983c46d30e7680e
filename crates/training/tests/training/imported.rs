//! Layers that were trained elsewhere: copied, frozen or fine-tuned, and proved.

use std::path::Path;

use selffer_core::{
    ids::Digest,
    job::FailureClass,
    spec::{Half, Imported, JobSpec, Origin, Treatment},
};
use selffer_data::weights::{Weights, WeightsWriter};
use selffer_training::{Checkpoint, TrainError, Training, train};

use crate::synthetic::{Recorder, base, finish, trained, training};

/// Weights in this folder that are the first layers of this network.
fn import(folder: &Path, network: &Checkpoint, layers: usize) -> Weights {
    let out = folder.join("weights");
    let mut writer = WeightsWriter::create(&out, 1).unwrap();
    for layer in &network.layers[..layers] {
        writer.write_layer(&layer.name, &layer.parameters).unwrap();
    }
    writer.finish().unwrap();
    Weights::open(&out).unwrap()
}

/// A network on half B that starts with the first so many layers of these weights.
fn imported(weights: &Weights, layers_copied: u8, layers_frozen: u8) -> JobSpec {
    JobSpec {
        imported: Some(Imported { weights: weights.digest() }),
        treatment: Treatment { origin: Origin::Imported, layers_copied, layers_frozen },
        ..base(Half::B)
    }
}

fn with<'a>(spec: &'a JobSpec, weights: Option<&'a Weights>) -> Training<'a> {
    Training { imported: weights, ..training(spec, None) }
}

#[test]
fn imported_frozen_layers_end_bit_equal_in_the_same_files() {
    let folder = tempfile::tempdir().unwrap();
    let (_, elsewhere) = trained(&base(Half::A), None);
    let weights = import(folder.path(), &elsewhere, 3);
    for (copied, frozen, unchanged) in [(3, 3, true), (2, 1, false), (1, 0, false)] {
        let spec = imported(&weights, copied, frozen);
        let (result, network) = finish(with(&spec, Some(&weights)), &mut Recorder::default());

        assert_eq!(result.copied_layers_unchanged, Some(unchanged), "{copied} copied, {frozen} frozen");
        let out = folder.path().join(format!("final-{copied}-{frozen}"));
        network.write_folder(&out).unwrap();
        for (index, layer) in weights.manifest().layers.iter().enumerate() {
            let is_frozen = index < usize::from(frozen);
            let file = format!("{:02}-{}.safetensors", index + 1, layer.name);
            let [theirs, ours] = [folder.path().join("weights").join(&file), out.join(&file)]
                .map(|path| std::fs::read(path).unwrap());
            assert_eq!(theirs == ours, is_frozen, "{file}, {copied} copied, {frozen} frozen");
            assert_eq!(Digest::of(&theirs), layer.digest);
            let proof = (layer.name.clone(), layer.values);
            assert_eq!(result.layer_digests[index] == proof, is_frozen, "{file}");
        }
    }
}

/// A stopped training goes on with the same bits, and still knows what it started from.
#[test]
fn an_imported_training_resumes_with_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let (_, elsewhere) = trained(&base(Half::A), None);
    let weights = import(folder.path(), &elsewhere, 2);
    let spec = imported(&weights, 2, 1);
    let mut recorder = Recorder { checkpoint_every: Some(10), ..Recorder::default() };
    let whole = finish(with(&spec, Some(&weights)), &mut recorder);
    let checkpoint = recorder.checkpoints.remove(&20).unwrap();

    let resumed = Training { resume: Some(checkpoint), ..with(&spec, Some(&weights)) };

    assert_eq!(finish(resumed, &mut Recorder::default()), whole);
}

#[test]
fn weights_that_are_missing_others_or_too_few_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (_, elsewhere) = trained(&base(Half::A), None);
    let weights = import(folder.path(), &elsewhere, 2);
    let refused = |spec: &JobSpec, weights: Option<&Weights>| {
        let error = train(with(spec, weights), &mut Recorder::default()).unwrap_err();
        assert_eq!(error.class(), FailureClass::Invalid, "{error}");
        error
    };
    let good = imported(&weights, 2, 2);
    let others = JobSpec { imported: Some(Imported { weights: Digest([1; 32]) }), ..good.clone() };
    let unsaid = JobSpec { imported: None, ..good.clone() };
    for error in [
        refused(&good, None),
        refused(&others, Some(&weights)),
        refused(&unsaid, None),
        refused(&base(Half::B), Some(&weights)),
    ] {
        assert!(matches!(error, TrainError::Imported { .. }), "{error}");
    }
    let few = refused(&imported(&weights, 3, 3), Some(&weights));
    assert!(matches!(&few, TrainError::CopiedShape { layer } if layer == "fc3"), "{few}");
}

#[test]
fn damaged_weights_are_no_fault_of_the_job() {
    let folder = tempfile::tempdir().unwrap();
    let (_, elsewhere) = trained(&base(Half::A), None);
    let weights = import(folder.path(), &elsewhere, 2);
    let file = folder.path().join("weights/02-conv2.safetensors");
    let mut bytes = std::fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&file, bytes).unwrap();

    let spec = imported(&weights, 2, 2);
    let error = train(with(&spec, Some(&weights)), &mut Recorder::default()).unwrap_err();

    assert!(matches!(error, TrainError::Weights(_)), "{error}");
    assert_eq!(error.class(), FailureClass::Infrastructure);
}
