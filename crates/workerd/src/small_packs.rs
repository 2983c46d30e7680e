//! Small packs for tests: a pixel an image, two classes.

use std::{collections::BTreeMap, fs, path::Path};

use selffer_core::{
    identity::canonical_json,
    ids::Digest,
    pack::{Class, Encoding, MANIFEST_FILE, PackManifest, SCHEMA, Shard, Subset},
    spec::{Half, ImageShape},
};

/// Images of each subset; an even number, so that the images begin at a multiple of 8 bytes.
const IMAGES: usize = 4;

/// Writes a pack whose training images depend on `shade` and whose manifest names `grouping`.
pub(crate) fn write(folder: &Path, shade: u8, grouping: &str) -> PackManifest {
    fs::create_dir_all(folder).unwrap();
    let manifest = PackManifest {
        schema: SCHEMA.to_owned(),
        image: ImageShape { height: 1, width: 1, channels: 1 },
        preparation: None,
        encoding: Encoding::Pixels,
        classes: vec![Class::named("dark"), Class::named("bright")],
        groupings: BTreeMap::from([(grouping.to_owned(), vec![Half::A, Half::B])]),
        train: subset(folder, "train-00000.safetensors", shade),
        validation: subset(folder, "validation-00000.safetensors", 7),
    };
    fs::write(folder.join(MANIFEST_FILE), canonical_json(&manifest)).unwrap();
    manifest
}

fn subset(folder: &Path, file: &str, shade: u8) -> Subset {
    let bytes = shard(shade);
    fs::write(folder.join(file), &bytes).unwrap();
    let shard = Shard {
        file: file.to_owned(),
        images: IMAGES as u64,
        bytes: bytes.len() as u64,
        digest: Digest::of(&bytes),
    };
    Subset { images_per_class: vec![2, 2], shards: vec![shard] }
}

fn shard(shade: u8) -> Vec<u8> {
    let labels_end = IMAGES * 4;
    let images_end = labels_end + IMAGES;
    let mut header = format!(
        r#"{{"labels":{{"dtype":"U32","shape":[{IMAGES}],"data_offsets":[0,{labels_end}]}},"images":{{"dtype":"U8","shape":[{IMAGES},1,1,1],"data_offsets":[{labels_end},{images_end}]}}}}"#
    );
    while header.len() % 8 != 0 {
        header.push(' ');
    }
    let labels = [0_u32, 1, 0, 1].into_iter().flat_map(u32::to_le_bytes);
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.bytes().chain(labels));
    bytes.extend([shade; IMAGES]);
    bytes
}
