//! What is noted of a finished shard, so that an import that was cut short goes on after it.

use std::{
    fs::{self, File},
    path::Path,
};

use selffer_core::{ids::Digest, pack::Shard};
use serde::{Deserialize, Serialize};

use super::slots::digest_of;

/// The first 128 bits of the BLAKE3 of an image's pixels: equal images, equal numbers.
pub(crate) type PixelHash = u128;

/// What became of one image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Outcome {
    /// It is in the shard.
    Written(PixelHash),
    /// It is left out, because of this.
    Refused(String),
}

impl Outcome {
    pub(crate) fn is_written(&self) -> bool {
        matches!(self, Self::Written(_))
    }
}

/// A finished shard, and what became of each image that was meant for it.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct DoneShard {
    /// None where every image was refused.
    pub(crate) shard: Option<Shard>,
    pub(crate) outcomes: Vec<Outcome>,
}

/// Hashes the pixels of one image.
pub(crate) fn pixel_hash(pixels: &[u8]) -> PixelHash {
    let hash = blake3::hash(pixels);
    u128::from_le_bytes(hash.as_bytes()[..16].try_into().expect("a BLAKE3 hash has 32 bytes"))
}

impl DoneShard {
    /// Reads the note, if it speaks of `count` images and its shard is in the folder, whole. A
    /// note that was cut short is none.
    pub(crate) fn read(note: &Path, folder: &Path, count: usize) -> Option<Self> {
        let done: Self = serde_json::from_slice(&fs::read(note).ok()?).ok()?;
        let is_whole = |shard: &Shard| {
            let file = File::open(folder.join(&shard.file)).ok();
            file.is_some_and(|file| digest_of(&file).is_ok_and(|digest: Digest| digest == shard.digest))
        };
        (done.outcomes.len() == count && done.shard.as_ref().is_none_or(is_whole)).then_some(done)
    }
}
