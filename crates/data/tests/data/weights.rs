//! Weights from other programs: taken, mapped, refused.

use std::{collections::BTreeMap, fs, path::Path};

use safetensors::{Dtype, tensor::TensorView};
use selffer_core::{
    network::Network,
    weights::{WeightsManifest, layer_facts},
};
use selffer_data::weights::{Weights, WeightsSource, import_weights, parse_mapping};

use crate::tiny::{chain, files_in};

/// Name, type, shape and bytes of a tensor to be written.
pub(crate) type Raw = (String, Dtype, Vec<usize>, Vec<u8>);

fn network() -> Network {
    Network::preset("caffenet-28-slim").unwrap()
}

/// Some finite f32 values, different for each tensor.
fn values(salt: usize, shape: &[usize]) -> Vec<f32> {
    (0..shape.iter().product::<usize>()).map(|index| (index * 7 + salt) as f32 * 0.001 - 0.3).collect()
}

fn f32_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Weights and biases of the first so many layers, on grey images with ten outputs.
pub(crate) fn tensors(layers: usize) -> Vec<Raw> {
    let facts = layer_facts(&network(), 1, 10).unwrap().into_iter().take(layers).enumerate();
    let tensors = facts.flat_map(|(index, facts)| {
        [("weight", facts.weight_shape), ("bias", facts.bias_shape)].map(|(part, shape)| {
            let shape: Vec<_> = shape.into_iter().map(|length| length as usize).collect();
            let bytes = f32_bytes(&values(index, &shape));
            (format!("{}.{part}", facts.name), Dtype::F32, shape, bytes)
        })
    });
    tensors.collect()
}

pub(crate) fn file_bytes(tensors: &[Raw]) -> Vec<u8> {
    let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
        (name.as_str(), TensorView::new(*dtype, shape.clone(), bytes).unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

/// Imports a file of these bytes into `folder/out`.
pub(crate) fn import(folder: &Path, bytes: &[u8], mapping: &[&str]) -> Result<WeightsManifest, String> {
    let file = folder.join("in.safetensors");
    fs::write(&file, bytes).unwrap();
    let prefixes = parse_mapping(mapping.iter().copied()).unwrap();
    let network = network();
    let source =
        WeightsSource { file: &file, network: &network, channels: 1, outputs: None, prefixes: &prefixes };
    import_weights(&source, &folder.join("out"))
        .map_err(|error| chain(&error).replace(&format!("{}/", folder.display()), ""))
}

/// What is said of a file of these tensors; and nothing is left of the try.
fn refused_with(tensors: &[Raw], mapping: &[&str]) -> String {
    refused_bytes(&file_bytes(tensors), mapping)
}

fn refused_bytes(bytes: &[u8], mapping: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let message = import(folder.path(), bytes, mapping).unwrap_err();
    assert_eq!(files_in(folder.path()), ["in.safetensors"]);
    message
}

fn refused(change: impl FnOnce(&mut Vec<Raw>)) -> String {
    let mut tensors = tensors(3);
    change(&mut tensors);
    refused_with(&tensors, &[])
}

#[test]
fn the_first_layers_are_taken_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = import(folder.path(), &file_bytes(&tensors(3)), &[]).unwrap();

    let weights = Weights::open(&folder.path().join("out")).unwrap();
    weights.verify().unwrap();
    assert_eq!((weights.manifest(), weights.digest()), (&manifest, manifest.digest()));
    let names: Vec<_> = manifest.layers.iter().map(|layer| layer.name.as_str()).collect();
    assert_eq!(names, ["conv1", "conv2", "conv3"]);
    assert_eq!(weights.layer(0).unwrap().unwrap().weight.values, values(0, &[16, 1, 5, 5]));
    assert!(weights.layer(3).unwrap().is_none());
    let files = ["01-conv1.safetensors", "02-conv2.safetensors", "03-conv3.safetensors", "weights.json"];
    assert_eq!(files_in(&folder.path().join("out")), files);
}

#[test]
fn a_whole_network_brings_its_own_outputs() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = import(folder.path(), &file_bytes(&tensors(8)), &[]).unwrap();
    assert_eq!(manifest.layers[7].weight_shape, [10, 128]);
}

#[test]
fn other_names_are_mapped_by_their_prefixes() {
    let mut renamed = tensors(2);
    for (tensor, name) in renamed.iter_mut().zip(["f.0.weight", "f.0.bias", "f.3.weight", "f.3.bias"]) {
        tensor.0 = name.to_owned();
    }
    let folder = tempfile::tempdir().unwrap();
    let mapped = import(folder.path(), &file_bytes(&renamed), &["f.0=conv1", "f.3=conv2"]).unwrap();
    let plain = tempfile::tempdir().unwrap();
    assert_eq!(mapped, import(plain.path(), &file_bytes(&tensors(2)), &[]).unwrap());

    let expected = "in.safetensors does not hold the first layers of caffenet-28-slim:
  it has no layer of the network; its tensors are f.0.bias, f.0.weight, f.3.bias, f.3.weight; \
         if it is conv1's, say --map f.0=conv1";
    assert_eq!(refused_with(&renamed, &[]), expected);
    let expected = "in.safetensors does not hold the first layers of caffenet-28-slim:
  f.1 is mapped to conv1, but there is neither f.1.weight nor f.1.bias; did you mean f.0?
  conv8 is mapped, but the network has no such layer; did you mean conv1?
  it has no layer of the network; its tensors are f.0.bias, f.0.weight, f.3.bias, f.3.weight; \
         if it is conv1's, say --map f.0=conv1";
    assert_eq!(refused_with(&renamed, &["f.1=conv1", "f.3=conv8"]), expected);
}

type Widen = fn(u16) -> f32;

/// Half precision becomes f32 without a loss: every value of 16 bits is one of 32.
#[test]
fn halves_become_f32_exactly() {
    let all: Vec<u16> = (0..=u16::MAX).collect();
    let cases: [(Dtype, Widen); 2] = [
        (Dtype::F16, |bits| half::f16::from_bits(bits).to_f32()),
        (Dtype::BF16, |bits| half::bf16::from_bits(bits).to_f32()),
    ];
    for (dtype, to_f32) in cases {
        let finite: Vec<_> = all.iter().copied().filter(|bits| to_f32(*bits).is_finite()).take(400).collect();
        let mut tensors = tensors(1);
        tensors[0].1 = dtype;
        tensors[0].3 = finite.iter().flat_map(|bits| bits.to_le_bytes()).collect();
        let folder = tempfile::tempdir().unwrap();
        import(folder.path(), &file_bytes(&tensors), &[]).unwrap();
        let layer = Weights::open(&folder.path().join("out")).unwrap().layer(0).unwrap().unwrap();
        let expected: Vec<_> = finite.iter().map(|bits| to_f32(*bits).to_bits()).collect();
        assert_eq!(
            layer.weight.values.iter().map(|v| v.to_bits()).collect::<Vec<_>>(),
            expected,
            "{dtype:?}"
        );
    }
}

#[test]
fn everything_wrong_with_the_tensors_is_told_at_once() {
    let message = refused(|tensors| {
        tensors.remove(3); // conv2.bias
        tensors[0].2 = vec![16, 1, 25];
        let doubles: Vec<u8> = (0..48).flat_map(|_| 1.0_f64.to_le_bytes()).collect();
        let conv3_bias = tensors.last_mut().unwrap();
        (conv3_bias.1, conv3_bias.3) = (Dtype::F64, doubles);
        tensors.push(("head.weight".into(), Dtype::F32, vec![2], vec![0; 8]));
        tensors.push(("steps".into(), Dtype::I64, vec![1], vec![0; 8]));
    });
    let expected = "in.safetensors does not hold the first layers of caffenet-28-slim:
  conv1.weight is [16, 1, 25], but the network's is [16, 1, 5, 5]
  conv2.bias is missing; a layer without a bias needs one of zeros
  conv3.bias is F64, expected F32 (F16 and BF16 are taken too); f32 cannot hold it exactly: \
         round it yourself, in PyTorch with .float()
  head.weight is no layer's; leave it out of the file, or say whose it is with --map
  steps is no layer's; leave it out of the file, or say whose it is with --map";
    assert_eq!(message, expected);
}

#[test]
fn a_layer_between_others_cannot_be_missing() {
    let message = refused(|tensors| {
        for tensor in &mut tensors[2..4] {
            tensor.0 = tensor.0.replace("conv2", "convolution2");
        }
    });
    let expected = "in.safetensors does not hold the first layers of caffenet-28-slim:
  conv2.weight is missing
  conv2.bias is missing
  convolution2.bias is no layer's; if it is conv2's, say --map convolution2=conv2
  convolution2.weight is no layer's; if it is conv2's, say --map convolution2=conv2";
    assert_eq!(message, expected);
}

#[test]
fn a_last_layer_is_held_against_the_outputs_that_are_told_and_may_be_transposed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("in.safetensors");
    let (network, prefixes) = (network(), BTreeMap::new());
    let refused = |outputs, tensors: &[Raw]| {
        fs::write(&file, file_bytes(tensors)).unwrap();
        let outputs = Some(outputs);
        let source =
            WeightsSource { file: &file, network: &network, channels: 1, outputs, prefixes: &prefixes };
        import_weights(&source, &folder.path().join("out")).unwrap_err().to_string()
    };
    let mut tensors = tensors(8);
    let others = refused(5, &tensors);
    assert!(others.contains("fc8.weight is [10, 128], but the network's is [5, 128]\n"), "{others}");
    tensors[14].2.reverse();
    let transposed = refused(10, &tensors);
    let expected = "fc8.weight is [128, 10], but the network's is [10, 128]; it is transposed: \
                    weights of linear layers are [outputs, inputs]";
    assert!(transposed.ends_with(expected), "{transposed}");
}

#[test]
fn values_that_are_not_finite_are_found_with_their_tensor() {
    for (value, index) in [(f32::NAN, 17), (f32::INFINITY, 0), (f32::NEG_INFINITY, 3)] {
        let message = refused(|tensors| {
            tensors[2].3[4 * index..4 * index + 4].copy_from_slice(&value.to_le_bytes());
        });
        let expected =
            format!("in.safetensors, tensor conv2.weight: value {index} is infinite or not a number");
        assert_eq!(message, expected);
    }
}

#[test]
fn files_that_are_no_safetensors_are_refused_unread() {
    let zip = refused_bytes(b"PK\x03\x04\x00\x00\x00\x00archive/data.pkl", &[]);
    let expected = "in.safetensors is a zip archive, as torch.save writes it around a pickle; \
                    only safetensors files are read";
    assert_eq!(zip, expected);
    let pickle = refused_bytes(b"\x80\x02cposix\nsystem\n", &[]);
    assert!(pickle.starts_with("in.safetensors is a pickle, which can run programs"), "{pickle}");
    for bytes in [b"".as_slice(), b"abc", &u64::MAX.to_le_bytes(), &(9_u64 << 20).to_le_bytes()] {
        let message = refused_bytes(bytes, &[]);
        assert!(message.starts_with("in.safetensors, byte 0: header of "), "{message}");
    }
    let mut long = (9_u64 << 20).to_le_bytes().to_vec();
    long.resize(10 << 20, b' ');
    let expected = "in.safetensors, byte 0: header of 9437184 bytes, but at most 8388608 are possible";
    assert_eq!(refused_bytes(&long, &[]), expected);
}

/// The first bytes of a header of 640 bytes, 0x80 and 0x02, once were taken for a pickle's.
#[test]
fn a_header_whose_length_looks_like_a_pickle_is_read() {
    let bytes = file_bytes(&tensors(1));
    let header_bytes = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut padded = 640_u64.to_le_bytes().to_vec();
    padded.extend(&bytes[8..8 + header_bytes]);
    padded.resize(8 + 640, b' ');
    padded.extend(&bytes[8 + header_bytes..]);
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(import(folder.path(), &padded, &[]).unwrap().layers.len(), 1);
}

#[test]
fn headers_that_lie_are_refused() {
    let file = |header: &str, data: usize| {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.resize(bytes.len() + data, 0);
        bytes
    };
    let tensor = |shape: &str, end: &str| {
        format!(r#"{{"conv1.bias":{{"dtype":"F32","shape":{shape},"data_offsets":[0,{end}]}}}}"#)
    };
    for header in [
        "not JSON".to_owned(),
        tensor("[2]", "4"),
        tensor("[4294967296,4294967296,4294967296]", "8"),
        tensor("[18446744073709551615]", "8"),
        tensor("[2]", "-8"),
    ] {
        let message = refused_bytes(&file(&header, 8), &[]);
        assert!(message.starts_with("in.safetensors, byte 8: not a safetensors header"), "{message}");
    }
    let short = refused_bytes(&file(&tensor("[1000000000000]", "4000000000000"), 8), &[]);
    assert!(short.contains("but its header describes 4000000000"), "{short}");
}

#[test]
fn nothing_is_written_over() {
    let folder = tempfile::tempdir().unwrap();
    import(folder.path(), &file_bytes(&tensors(1)), &[]).unwrap();
    let again = import(folder.path(), &file_bytes(&tensors(2)), &[]).unwrap_err();
    assert_eq!(again, "out exists already");
    assert_eq!(Weights::open(&folder.path().join("out")).unwrap().manifest().layers.len(), 1);
}

#[test]
fn a_network_that_does_not_fit_its_images_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("in.safetensors");
    fs::write(&file, file_bytes(&tensors(1))).unwrap();
    let mut network = network();
    network.side = 4;
    let source = WeightsSource {
        file: &file,
        network: &network,
        channels: 1,
        outputs: None,
        prefixes: &BTreeMap::new(),
    };
    let error = import_weights(&source, &folder.path().join("out")).unwrap_err();
    assert!(chain(&error).starts_with("the network does not fit images of 1 channels: "), "{error}");
}
