//! Packs that are not what their manifest says.

use std::{fs, path::Path};

use selffer_core::pack::PackManifest;
use selffer_data::Pack;

use crate::tiny;

const SHARD: &str = "train-00000.safetensors";

/// Changes the pack and opens it: the message without the folder.
fn refusal(damage: impl FnOnce(&Path)) -> String {
    let (_folder, pack) = tiny::imported();
    damage(&pack);
    let error = Pack::open(&pack).and_then(|pack| pack.verify()).unwrap_err();
    tiny::chain(&error).replace(&format!("{}/", pack.display()), "")
}

/// Changes the manifest and opens the pack: the message.
fn manifest_refusal(change: impl FnOnce(&mut PackManifest)) -> String {
    refusal(|pack| {
        let path = pack.join("manifest.json");
        let mut manifest = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        change(&mut manifest);
        fs::write(&path, serde_json::to_vec(&manifest).unwrap()).unwrap();
    })
}

/// Changes a shard's bytes, not its length, and opens the pack: the message.
fn shard_refusal(change: impl FnOnce(&mut Vec<u8>)) -> String {
    refusal(|pack| {
        let mut bytes = fs::read(pack.join(SHARD)).unwrap();
        change(&mut bytes);
        fs::write(pack.join(SHARD), bytes).unwrap();
    })
}

fn header_bytes(shard: &[u8]) -> usize {
    u64::from_le_bytes(shard[..8].try_into().unwrap()) as usize
}

#[test]
fn a_changed_pixel_is_found_by_its_digest() {
    let message = shard_refusal(|bytes| *bytes.last_mut().unwrap() ^= 1);
    assert!(message.starts_with("train-00000.safetensors has digest "), "{message}");
}

#[test]
fn a_missing_shard_is_named() {
    let message = refusal(|pack| fs::remove_file(pack.join(SHARD)).unwrap());
    assert!(message.starts_with("cannot read train-00000.safetensors: "), "{message}");
}

#[test]
fn a_truncated_or_grown_shard_is_refused_before_it_is_mapped() {
    let shorter = shard_refusal(|bytes| bytes.truncate(bytes.len() - 1));
    let longer = shard_refusal(|bytes| bytes.push(0));
    let empty = shard_refusal(Vec::clear);
    for message in [shorter, longer, empty] {
        assert!(message.contains("train-00000.safetensors ends at byte "), "{message}");
    }
}

#[test]
fn a_header_longer_than_the_file_is_refused() {
    let message = shard_refusal(|bytes| bytes[..8].fill(0xff));
    let expected = "train-00000.safetensors, byte 0: header of 18446744073709551615 bytes, but at most ";
    assert!(message.starts_with(expected), "{message}");
}

#[test]
fn a_header_that_is_no_json_is_refused() {
    let message = shard_refusal(|bytes| bytes[8] = b'[');
    assert!(
        message.starts_with("train-00000.safetensors, byte 8: not the header of this file: "),
        "{message}"
    );
}

#[test]
fn offsets_that_leave_the_file_or_overlap_are_refused() {
    for (from, to) in [("[0,48]", "[0,47]"), ("[48,120]", "[48,920]"), ("[48,120]", "[40,120]")] {
        let message = shard_refusal(|bytes| {
            let end = 8 + header_bytes(bytes);
            let header = String::from_utf8(bytes[8..end].to_vec()).unwrap();
            assert!(header.contains(from), "{header}");
            bytes[8..end].copy_from_slice(header.replace(from, to).as_bytes());
        });
        assert!(message.contains("byte 8: "), "{from} to {to}: {message}");
    }
}

#[test]
fn tensors_that_the_manifest_does_not_promise_are_refused() {
    let message = shard_refusal(|bytes| {
        let end = 8 + header_bytes(bytes);
        let header = String::from_utf8(bytes[8..end].to_vec()).unwrap();
        bytes[8..end].copy_from_slice(header.replace("[12,3,2,1]", "[12,2,3,1]").as_bytes());
    });
    let expected = "train-00000.safetensors, byte 8: expected images U8 [12, 3, 2, 1], labels U32 [12], \
                    found images U8 [12, 2, 3, 1], labels U32 [12]";
    assert_eq!(message, expected);
}

#[test]
fn a_label_that_is_no_class_is_refused_with_its_byte() {
    let mut offset = 0;
    let message = shard_refusal(|bytes| {
        offset = 8 + header_bytes(bytes) + 4;
        bytes[offset] = 9;
    });
    let expected = format!("train-00000.safetensors, byte {offset}: label 9 is not below the 4 classes");
    assert_eq!(message, expected);
}

#[test]
fn counts_that_disagree_with_the_labels_are_refused() {
    let message = manifest_refusal(|manifest| manifest.train.images_per_class = vec![4, 2, 3, 3]);
    let expected = "class 0 has 3 images in the shards from train-00000.safetensors, but the manifest says 4";
    assert_eq!(message, expected);
}

#[test]
fn a_manifest_that_contradicts_itself_is_refused() {
    let says = |message: String, expected: &str| assert_eq!(message, format!("manifest.json: {expected}"));
    says(
        manifest_refusal(|manifest| manifest.schema = "selffer.pack/v9".to_owned()),
        "schema is \"selffer.pack/v9\", expected \"selffer.pack/v1\"",
    );
    says(
        manifest_refusal(|manifest| manifest.image.channels = 4_000_000_000),
        "image is 3x2x4000000000, but sides are 1 to 4096 and channels 1 or 3",
    );
    says(
        manifest_refusal(|manifest| manifest.train.images_per_class[0] = u64::MAX),
        "train: the classes have 18446744073709551615 images, but the shards 12",
    );
    says(
        manifest_refusal(|manifest| manifest.validation.shards.clear()),
        "validation: the classes have 4 images, but the shards 0",
    );
    says(
        manifest_refusal(|manifest| manifest.train.shards[0].file = "../../etc/passwd".to_owned()),
        "train.shards: \"../../etc/passwd\" is not a file name of its own",
    );
    says(
        manifest_refusal(|manifest| manifest.validation.shards[0].file = SHARD.to_owned()),
        "validation.shards: \"train-00000.safetensors\" is not a file name of its own",
    );
    says(
        manifest_refusal(|manifest| {
            manifest.groupings.insert("odd-even".to_owned(), vec![selffer_core::spec::Half::A]);
        }),
        "groupings.odd-even must hold A or B for each of the 4 classes",
    );
}

#[test]
fn a_manifest_that_is_no_manifest_is_refused_with_line_and_column() {
    let message = refusal(|pack| fs::write(pack.join("manifest.json"), "{\"schema\": 7}").unwrap());
    let expected = "manifest.json is not a pack's manifest: invalid type: integer `7`, expected a string \
                    at line 1 column 12";
    assert_eq!(message, expected);
}
