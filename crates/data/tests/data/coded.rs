//! Packs whose shards hold JPEGs.

use std::{
    fs,
    path::{Path, PathBuf},
};

use jpeg_encoder::{ColorType, Encoder};
use selffer_core::{
    ids::Digest,
    pack::{ChannelOrder, Encoding, PackManifest, Preparation, Resize, Shard},
    spec::ImageShape,
};
use selffer_data::{ImageBuffer, Pack};

use crate::tiny;

const SIDE: u16 = 8;

/// An image of one colour, as a JPEG; what it holds is red, green, blue whatever the pack's order.
fn jpeg(index: usize, side: u16, colour: ColorType) -> Vec<u8> {
    let samples = if colour == ColorType::Luma { 1 } else { 3 };
    let pixel = &[200, 20 * index as u8, 40][..samples];
    let mut coded = Vec::new();
    let pixels = pixel.repeat(usize::from(side) * usize::from(side));
    Encoder::new(&mut coded, 95).encode(&pixels, side, side, colour).unwrap();
    coded
}

/// A shard's bytes; `ends` says where JPEGs end.
fn shard(labels: &[u32], ends: &[u64], jpegs: &[u8]) -> Vec<u8> {
    let (count, bytes) = (labels.len(), jpegs.len());
    let mut header = serde_json::json!({
        "labels": {"dtype": "U32", "shape": [count], "data_offsets": [0, 4 * count]},
        "ends": {"dtype": "U64", "shape": [count], "data_offsets": [4 * count, 12 * count]},
        "jpegs": {"dtype": "U8", "shape": [bytes], "data_offsets": [12 * count, 12 * count + bytes]},
    })
    .to_string();
    while !header.len().is_multiple_of(8) {
        header.push(' ');
    }
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    file.extend(labels.iter().flat_map(|label| label.to_le_bytes()));
    file.extend(ends.iter().flat_map(|end| end.to_le_bytes()));
    file.extend(jpegs);
    file
}

/// The tiny set's pack with its shards replaced by these JPEGs of its classes.
fn pack_of(
    order: ChannelOrder,
    change: impl FnOnce(&mut Vec<u64>, &mut Vec<Vec<u8>>),
) -> (tempfile::TempDir, PathBuf) {
    let (folder, pack) = tiny::imported();
    let mut manifest: PackManifest =
        serde_json::from_slice(&fs::read(pack.join("manifest.json")).unwrap()).unwrap();
    let channels = order.count();
    let side = u32::from(SIDE);
    manifest.image = ImageShape { height: side, width: side, channels };
    manifest.preparation = Some(Preparation { resize: Resize::Squash, side, channels: order });
    manifest.encoding = Encoding::Jpeg { quality: 95 };
    let colour = if channels == 1 { ColorType::Luma } else { ColorType::Rgb };
    let mut jpegs: Vec<_> = (0..12).map(|index| jpeg(index, SIDE, colour)).collect();
    let mut ends = Vec::new();
    change(&mut ends, &mut jpegs);
    let train: Vec<_> = tiny::TRAIN_LABELS.iter().map(|&label| u32::from(label)).collect();
    let validation: Vec<_> = tiny::VALIDATION_LABELS.iter().map(|&label| u32::from(label)).collect();
    let whole = ends_of(&jpegs);
    let ends = if ends.is_empty() { whole } else { ends };
    manifest.train.shards[0] =
        write(&pack, "train-00000.safetensors", &shard(&train, &ends, &jpegs.concat()), 12);
    let few = &jpegs[..4];
    manifest.validation.shards[0] =
        write(&pack, "validation-00000.safetensors", &shard(&validation, &ends_of(few), &few.concat()), 4);
    fs::write(pack.join("manifest.json"), serde_json::to_vec(&manifest).unwrap()).unwrap();
    (folder, pack)
}

fn ends_of(jpegs: &[Vec<u8>]) -> Vec<u64> {
    let sums = jpegs.iter().scan(0, |end, jpeg| {
        *end += jpeg.len() as u64;
        Some(*end)
    });
    sums.collect()
}

fn write(pack: &Path, file: &str, bytes: &[u8], images: u64) -> Shard {
    fs::write(pack.join(file), bytes).unwrap();
    Shard { file: file.to_owned(), images, bytes: bytes.len() as u64, digest: Digest::of(bytes) }
}

/// Opens a pack and reads its second image: the message without the folder.
fn refusal(change: impl FnOnce(&mut Vec<u64>, &mut Vec<Vec<u8>>)) -> String {
    let (_folder, pack) = pack_of(ChannelOrder::Rgb, change);
    let mut buffer = ImageBuffer::default();
    let error = Pack::open(&pack)
        .and_then(|pack| pack.train().image(1, &mut buffer).map(<[u8]>::to_vec))
        .unwrap_err();
    tiny::chain(&error).replace(&format!("{}/", pack.display()), "")
}

#[test]
fn images_are_decoded_in_the_order_of_the_pack() {
    for (order, expected) in [
        (ChannelOrder::Rgb, &[200, 60, 40][..]),
        (ChannelOrder::Bgr, &[40, 60, 200]),
        (ChannelOrder::Grey, &[200]),
    ] {
        let (_folder, pack) = pack_of(order, |_, _| {});
        let pack = Pack::open(&pack).unwrap();
        pack.verify().unwrap();
        let mut buffer = ImageBuffer::default();
        for images in [pack.train(), pack.validation()] {
            let image = images.image(3, &mut buffer).unwrap();
            assert_eq!(image.len(), images.image_bytes());
            for (found, expected) in image.iter().zip(expected.iter().cycle()) {
                assert!(found.abs_diff(*expected) <= 3, "{order:?}: {found}, expected {expected}");
            }
        }
    }
}

#[test]
fn ends_that_do_not_increase_or_leave_the_jpegs_are_refused() {
    let changed = |index: usize, change: fn(&mut u64)| {
        refusal(move |ends, jpegs| {
            *ends = ends_of(jpegs);
            change(&mut ends[index]);
        })
    };
    for (index, change) in [
        (1, (|end| *end = 3) as fn(&mut u64)),
        (0, |end| *end = 0),
        (2, |end| *end = u64::MAX),
        (11, |end| *end -= 1),
    ] {
        let message = changed(index, change);
        let expected = format!(": image {index} ends at byte ");
        assert!(
            message.starts_with("train-00000.safetensors, byte ") && message.contains(&expected),
            "{message}"
        );
    }
}

#[test]
fn a_jpeg_of_another_shape_is_refused_when_it_is_read() {
    let larger = refusal(|_, jpegs| jpegs[1] = jpeg(1, 16, ColorType::Rgb));
    let expected = "train-00000.safetensors: image 1 cannot be decoded: image of 16x16 pixels and 3 channels, \
                    expected 8x8 and 3";
    assert_eq!(larger, expected);
    let grey = refusal(|_, jpegs| jpegs[1] = jpeg(1, SIDE, ColorType::Luma));
    assert!(grey.ends_with("image of 8x8 pixels and 1 channels, expected 8x8 and 3"), "{grey}");
}

#[test]
fn a_jpeg_that_is_none_is_refused_when_it_is_read() {
    let message = refusal(|_, jpegs| jpegs[1].truncate(40));
    let expected = "train-00000.safetensors: image 1 cannot be decoded: the picture ends at byte ";
    assert!(message.starts_with(expected), "{message}");
}

#[test]
fn a_shard_of_pixels_is_not_taken_for_jpegs() {
    let (_folder, pack) = tiny::imported();
    let path = pack.join("manifest.json");
    let mut manifest: PackManifest = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    manifest.encoding = Encoding::Jpeg { quality: 90 };
    fs::write(&path, serde_json::to_vec(&manifest).unwrap()).unwrap();
    let message = Pack::open(&pack).unwrap_err().to_string();
    let expected = "byte 8: expected ends U64 [12], jpegs U8 of one dimension, labels U32 [12], \
                    found images U8 [12, 3, 2, 1], labels U32 [12]";
    assert!(message.ends_with(expected), "{message}");
}
