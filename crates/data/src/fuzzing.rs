//! Doors for the fuzz targets of `crates/data/fuzz` to what is no part of the crate's face.
//! Built only there.

use selffer_core::{
    identity::canonical_json,
    pack::{ChannelOrder, Class, Encoding, PackManifest, Preparation, Resize, SCHEMA, Subset},
    spec::ImageShape,
};

use crate::{
    picture::Preparer,
    shards::{PackForm, ShardSlots},
};

/// Makes these bytes an image in each of the ways that there are.
pub fn picture(bytes: &[u8]) {
    for (resize, channels) in [(Resize::Squash, ChannelOrder::Bgr), (Resize::ShortSide, ChannelOrder::Grey)] {
        let mut preparer = Preparer::new(Preparation { resize, side: 16, channels });
        let mut pixels = vec![0; 16 * 16 * channels.count() as usize];
        // Refused or not, it must come back.
        let _ = preparer.prepare(bytes, &mut pixels);
    }
}

/// A shard of two images of 8×8 pixels.
///
/// # Panics
/// When the disk refuses.
#[must_use]
pub fn shard(encoding: Encoding) -> Vec<u8> {
    let folder = std::env::temp_dir().join(format!("selffer-fuzz-seed-{}", std::process::id()));
    let image = ImageShape { height: 8, width: 8, channels: 3 };
    let form = PackForm { image, preparation: None, encoding };
    let slots = ShardSlots::create(&folder, 2, form).expect("the disk takes it");
    for slot in 0..2 {
        let pixels: Vec<u8> = (0..8 * 8 * 3).map(|value| (value * (slot + 3)) as u8).collect();
        slots.put(slot, &pixels).expect("the disk takes it");
    }
    slots.finish(&[0, 1], &[true, true]).expect("the disk takes it");
    let bytes = std::fs::read(&folder).expect("it was written");
    std::fs::remove_file(&folder).expect("it was written");
    bytes
}

/// A manifest without shards.
#[must_use]
pub fn manifest() -> String {
    let empty = Subset { images_per_class: vec![0, 0], shards: Vec::new() };
    canonical_json(&PackManifest {
        schema: SCHEMA.into(),
        image: ImageShape { height: 8, width: 8, channels: 3 },
        preparation: None,
        encoding: Encoding::Pixels,
        classes: ["a", "b"].map(Class::named).into(),
        groupings: std::collections::BTreeMap::new(),
        train: empty.clone(),
        validation: empty,
    })
}
