//! Packs: image sets in our on-disk form, described.
//!
//! A pack is a folder with `manifest.json` and safetensors shards of images and labels, in one
//! of two forms ([`Encoding`]). Its digest is that of the canonical JSON of its manifest, which
//! holds the digest of every shard; names are given elsewhere.

mod check;
pub mod cifar100;
mod facts;
pub mod ilsvrc2012;
mod preparation;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    ids::Digest,
    spec::{Half, ImageShape},
};

pub use check::{IMAGES_MAX, PackManifestError, check_image};
pub use facts::{PackFacts, WELL_KNOWN};
pub use preparation::{ChannelOrder, Encoding, Preparation, Resize};

/// File name of the manifest in a pack's folder.
pub const MANIFEST_FILE: &str = "manifest.json";
/// Value of [`PackManifest::schema`].
pub const SCHEMA: &str = "selffer.pack/v1";

/// Everything about a pack but its pixels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackManifest {
    /// [`SCHEMA`].
    pub schema: String,
    /// Shape of every image.
    pub image: ImageShape,
    // These two are left out where they say nothing: digests from before there were such packs
    // stay what they are.
    /// What was done to pictures to make them images of one shape; none where they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preparation: Option<Preparation>,
    /// How the shards hold the images.
    #[serde(default, skip_serializing_if = "Encoding::is_pixels")]
    pub encoding: Encoding,
    /// The class table, by class index.
    pub classes: Vec<Class>,
    /// Groupings: for each class index its half, A or B.
    pub groupings: BTreeMap<String, Vec<Half>>,
    /// Images to train on.
    pub train: Subset,
    /// Images to test on.
    pub validation: Subset,
}

/// One class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// What people call it.
    pub name: String,
    /// WordNet id, where the set has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wnid: Option<String>,
    /// The coarser class that it belongs to, where the set has such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superclass: Option<String>,
}

impl Class {
    /// A class of which nothing is known but its name.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), wnid: None, superclass: None }
    }
}

/// The training or the validation images.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subset {
    /// Images of each class, by class index.
    pub images_per_class: Vec<u64>,
    /// The shards in order.
    pub shards: Vec<Shard>,
}

/// One safetensors file of a pack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shard {
    /// File name within the pack's folder; a [`crate::ids::Name`].
    pub file: String,
    /// Images in it.
    pub images: u64,
    /// Length of the file.
    pub bytes: u64,
    /// BLAKE3 of the file.
    pub digest: Digest,
}

impl Subset {
    /// Images in all.
    #[must_use]
    pub fn images(&self) -> u64 {
        self.shards.iter().map(|shard| shard.images).sum()
    }
}

impl PackManifest {
    /// Training shards, then validation shards.
    pub fn shards(&self) -> impl Iterator<Item = &Shard> {
        self.train.shards.iter().chain(&self.validation.shards)
    }

    /// The pack's name for machines.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(crate::identity::canonical_json(self).as_bytes())
    }
}
