//! What a job is: one network to train, told completely.
//!
//! The spec has one definition (here), one form at rest (canonical JSON, see
//! [`crate::identity`]) and one identity (the hash of that). Names, priorities and
//! checkpoint intervals are not in it: they do not change the trained weights.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    ids::{Digest, JobKey},
    network::Network,
    recipe::Recipe,
    shared::Shared,
};

/// Changes whenever the trainer's arithmetic does, so that old and new networks never mix.
pub const TRAINER_SEMANTICS_VERSION: u32 = 2;

/// One network to train.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobSpec {
    /// [`TRAINER_SEMANTICS_VERSION`] when the job was made.
    pub semantics_version: u32,
    /// The image set.
    pub pack: Digest,
    /// Height, width and channels of the pack's images.
    pub image: ImageShape,
    /// The split's canonical name, e.g. `random-0`; keys the random streams.
    pub split: String,
    /// What the network is trained and tested on.
    pub target: Classes,
    /// Where copied layers come from; none for base, random and imported networks.
    pub source: Option<Source>,
    /// The weights from outside that layers are copied from; only with [`Origin::Imported`].
    // Left out when there are none: keys from before there were imports stay what they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<Imported>,
    /// How many layers are copied and frozen, and whether they are random.
    pub treatment: Treatment,
    /// The layers.
    pub network: Shared<Network>,
    /// The solver.
    pub recipe: Recipe,
    /// Replicate; keys the random streams.
    pub seed: u64,
    /// Limit on the training images of each target class.
    pub images_per_class: ImagesPerClass,
}

/// One half of a split, with its classes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Classes {
    /// Which half.
    pub half: Half,
    /// Original class indices, increasing; a class's new label is its position here.
    pub indices: Shared<Vec<u32>>,
}

/// The network that copied layers come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its own target half.
    pub classes: Classes,
    /// Its limit on images per class.
    pub images_per_class: ImagesPerClass,
    /// The job that trains it.
    pub job: JobKey,
}

/// Weights that were trained elsewhere and imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Imported {
    /// Digest of their [`crate::weights::WeightsManifest`].
    pub weights: Digest,
}

/// Part of the classes: half A, half B, or the whole set W.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Half {
    /// Half A.
    A,
    /// Half B.
    B,
    /// All classes.
    W,
}

impl Half {
    /// The other half; the whole set is its own other.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
            Self::W => Self::W,
        }
    }
}

impl fmt::Display for Half {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "A",
            Self::B => "B",
            Self::W => "W",
        })
    }
}

/// What is done with the first layers. `base` is `{None, 0, 0}`, AnB `{Other, n, n}`,
/// AnB+ `{Other, n, 0}`, BnB `{Own, n, n}`, RnB `{Random, n, n}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Treatment {
    /// Where the first layers come from.
    pub origin: Origin,
    /// How many layers are copied (or, for random, kept from their own draw).
    pub layers_copied: u8,
    /// How many of those are frozen.
    pub layers_frozen: u8,
}

/// Where the first layers of a network come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Nowhere: a base network.
    None,
    /// The base network of the same half: a selffer.
    Own,
    /// The base network of the other half: a transfer.
    Other,
    /// A fresh random draw.
    Random,
    /// Weights that were trained elsewhere; [`JobSpec::imported`] says which.
    Imported,
}

/// How many training images of each class are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImagesPerClass {
    /// Every image.
    All,
    /// The first so many of each class, in the pack's order.
    #[serde(untagged)]
    First(u32),
}

/// Shape of a pack's images, in pixels and channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageShape {
    /// Rows.
    pub height: u32,
    /// Columns.
    pub width: u32,
    /// 1 (grey) or 3.
    pub channels: u32,
}

impl ImageShape {
    /// Bytes of one image: height × width × channels.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.height as usize * self.width as usize * self.channels as usize
    }
}

impl JobSpec {
    /// The last layer's width.
    #[must_use]
    pub fn outputs(&self) -> u32 {
        match self.recipe.outputs {
            crate::recipe::Outputs::Classes => self.target.indices.len() as u32,
            crate::recipe::Outputs::Count(outputs) => outputs,
        }
    }
}
