//! Folders of imported weights that are not what their manifest says.

use std::{fs, path::Path};

use selffer_core::{
    ids::Digest,
    weights::{MANIFEST_FILE, WeightsManifest},
};
use selffer_data::weights::{HostParameters, HostTensor, Weights, parameters_to_bytes};

use crate::{
    tiny::chain,
    weights::{file_bytes, import, tensors},
};

/// Changes the imported folder and opens it: the message without the folder.
fn damaged(damage: impl FnOnce(&Path)) -> String {
    let folder = tempfile::tempdir().unwrap();
    import(folder.path(), &file_bytes(&tensors(2)), &[]).unwrap();
    let out = folder.path().join("out");
    damage(&out);
    let error = Weights::open(&out).and_then(|weights| weights.verify()).unwrap_err();
    chain(&error).replace(&format!("{}/", out.display()), "")
}

/// Replaces the second layer by this file, with length and digest of it in the manifest.
fn replaced(bytes: &[u8]) -> String {
    damaged(|out| {
        fs::write(out.join("02-conv2.safetensors"), bytes).unwrap();
        let path = out.join(MANIFEST_FILE);
        let mut manifest: WeightsManifest = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        manifest.layers[1].bytes = bytes.len() as u64;
        manifest.layers[1].digest = Digest::of(bytes);
        fs::write(&path, serde_json::to_vec(&manifest).unwrap()).unwrap();
    })
}

fn conv2(first: f32) -> HostParameters {
    let mut weight = HostTensor::zeros(&[32, 8, 5, 5]);
    weight.values[0] = first;
    HostParameters { weight, bias: HostTensor::zeros(&[32]) }
}

#[test]
fn a_folder_that_is_not_what_its_manifest_says_is_refused() {
    let layer = "01-conv1.safetensors";
    let flipped = damaged(|out| {
        let mut bytes = fs::read(out.join(layer)).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(out.join(layer), bytes).unwrap();
    });
    assert!(flipped.starts_with("01-conv1.safetensors has digest "), "{flipped}");
    let longer = damaged(|out| {
        let mut bytes = fs::read(out.join(layer)).unwrap();
        bytes.push(0);
        fs::write(out.join(layer), bytes).unwrap();
    });
    assert!(longer.starts_with("01-conv1.safetensors has "), "{longer}");
    let missing = damaged(|out| fs::remove_file(out.join(layer)).unwrap());
    assert!(missing.starts_with("cannot read 01-conv1.safetensors: "), "{missing}");
    let no_manifest = damaged(|out| fs::write(out.join(MANIFEST_FILE), "{}").unwrap());
    assert!(no_manifest.starts_with("weights.json is not a manifest of weights: "), "{no_manifest}");
    let path = damaged(|out| {
        let text = fs::read_to_string(out.join(MANIFEST_FILE)).unwrap();
        fs::write(out.join(MANIFEST_FILE), text.replace("conv1", "../conv1")).unwrap();
    });
    assert_eq!(path, "weights.json: layer \"../conv1\" is not a name, or is listed twice");
}

#[test]
fn a_layer_that_was_swapped_with_its_digest_is_refused_too() {
    let garbage = replaced(&[7; 30_000]);
    assert!(garbage.starts_with("02-conv2.safetensors is not the file of a layer: "), "{garbage}");
    let not_finite = replaced(&parameters_to_bytes(&conv2(f32::NAN)));
    assert_eq!(not_finite, "02-conv2.safetensors, weight: value 0 is infinite or not a number");
    let others = replaced(&parameters_to_bytes(&conv2(0.5)));
    assert!(others.starts_with("02-conv2.safetensors has digest "), "{others}");
    let mut shape = conv2(0.5);
    shape.weight.shape = vec![32, 8, 25, 1];
    let shape = replaced(&parameters_to_bytes(&shape));
    assert_eq!(shape, "02-conv2.safetensors is not the file of a layer with weights [32, 8, 5, 5]");
}
