//! Training on packs whose images rest as JPEGs.

use std::{fs, path::Path};

use selffer_core::{
    job::FailureClass,
    network::Network,
    pack::Encoding,
    recipe::Recipe,
    spec::{Half, ImageShape, JobSpec},
};
use selffer_data::{Pack, shards::PackForm};
use selffer_training::{TrainError, Training, train};

use crate::{
    coloured,
    synthetic::{Recorder, finish},
};

const SHAPE: ImageShape = ImageShape { height: 28, width: 28, channels: 3 };

fn write_pack(out: &Path) {
    coloured::write(out, PackForm { encoding: Encoding::Jpeg { quality: 90 }, ..SHAPE.into() });
}

fn spec(pack: &Pack) -> JobSpec {
    let recipe = Recipe { iterations: 4, batch: 8, test_every: 2, ..Recipe::quick_28() };
    coloured::base(pack, Network::preset("caffenet-28-slim").unwrap(), recipe, Half::A)
}

#[test]
fn a_training_on_jpegs_ends_with_the_same_bits_for_any_number_of_loaders() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("pack");
    write_pack(&out);
    let pack = Pack::open(&out).unwrap();
    let spec = spec(&pack);
    let digest = |loaders| {
        let training = Training { loaders, ..coloured::training(&spec, &pack, None) };
        finish(training, &mut Recorder::default()).0.weights_digest
    };
    assert_eq!(digest(3), digest(1));
}

#[test]
fn an_image_that_cannot_be_decoded_ends_the_training_as_the_fault_of_the_machine() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("pack");
    write_pack(&out);
    let shard = out.join("train-00000.safetensors");
    let mut bytes = fs::read(&shard).unwrap();
    // The second half of the JPEGs; headers and labels stay as they are.
    let from = bytes.len() / 2;
    bytes[from..].fill(0);
    fs::write(&shard, bytes).unwrap();
    let pack = Pack::open(&out).unwrap();
    let spec = spec(&pack);

    let error = train(coloured::training(&spec, &pack, None), &mut Recorder::default()).unwrap_err();

    assert!(matches!(error, TrainError::Images(_)), "{error}");
    assert_eq!(error.class(), FailureClass::Infrastructure);
    assert!(error.to_string().contains("train-00000.safetensors"), "{error}");
}
