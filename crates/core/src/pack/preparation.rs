//! How pictures of any size became the images of a pack, and in which form those rest.

use serde::{Deserialize, Serialize};

/// What was done to each picture; the same for all of a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preparation {
    /// How a picture became square.
    pub resize: Resize,
    /// Rows and columns of the result.
    pub side: u32,
    /// What its channels are.
    pub channels: ChannelOrder,
}

/// How a picture of any shape becomes a square. Resampling is bilinear, over all pixels that
/// fall into one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resize {
    /// Rows and columns apart: its aspect ratio is lost. So were the images of Yosinski et al.
    /// 2014, as the guide of their framework had it.
    Squash,
    /// The shorter side becomes the square's, and of the longer one the middle is kept.
    ShortSide,
}

/// Channels of an image, in the order in which they are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChannelOrder {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red: Caffe's order, the authors'.
    Bgr,
    /// One channel: luma of ITU-R BT.601, `(299 R + 587 G + 114 B) / 1000`.
    Grey,
}

impl ChannelOrder {
    /// How many.
    #[must_use]
    pub fn count(self) -> u32 {
        match self {
            Self::Rgb | Self::Bgr => 3,
            Self::Grey => 1,
        }
    }
}

/// How a pack's shards hold its images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// As they are: `{labels: u32 [N], images: u8 [N, H, W, C]}`.
    #[default]
    Pixels,
    /// As JPEGs of this quality, 1..=100, in about a fifth of the room:
    /// `{labels: u32 [N], ends: u64 [N], jpegs: u8 [BYTES]}`. What a network sees is what they
    /// decode to, which differs a little from the pixels that were coded.
    Jpeg {
        /// libjpeg's scale.
        quality: u8,
    },
}

impl Encoding {
    /// Whether images rest as they are.
    #[must_use]
    pub fn is_pixels(&self) -> bool {
        *self == Self::Pixels
    }
}
