//! Networks as data: layers, their operators and shapes.
//!
//! A network is a sequence of layers; the boundaries between them are the cut points,
//! so "copy n layers" means the first n entries of [`Network::layers`]. Nothing here is
//! tied to eight layers. People write their own in a [`file`]. Weights and arithmetic are
//! `training`'s business.

mod caffenet;
pub mod file;
mod shape;

use serde::{Deserialize, Serialize};

pub use shape::{LayerShapes, ShapeError, Volume};

/// A sequential network, independent of channel and class counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Preset or file's own name; for people, not part of a job's identity.
    #[serde(skip_serializing, default)]
    pub name: String,
    /// Side of the square input in pixels.
    pub side: u32,
    /// The layers, input first. The last one ends in a linear operator without ReLU.
    pub layers: Vec<Layer>,
}

/// One unit of copying: a learned operator and what follows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// Unique within the network; names the parameters (`conv1.weight`, `conv1.bias`).
    pub name: String,
    /// Learned operator first.
    pub operators: Vec<Operator>,
}

/// One operator. Shapes are written `[N, C, H, W]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Operator {
    /// Cross-correlation with a square kernel.
    Convolution {
        /// Output channels.
        outputs: u32,
        /// Side of the kernel.
        kernel: u32,
        /// Step between positions.
        stride: u32,
        /// Zeros added on every side.
        pad: u32,
        /// Groups that see only their share of the channels.
        groups: u32,
        /// Start under the Gaussian initialiser.
        start: Start,
    },
    /// Fully connected; flattens `[C, H, W]` in that order.
    Linear {
        /// How many outputs.
        outputs: LinearOutputs,
        /// Start under the Gaussian initialiser.
        start: Start,
    },
    /// max(0, x); its gradient at 0 is 0.
    Relu,
    /// Maximum over a square window without padding; the last, incomplete window is left out.
    /// The gradient goes to the first maximum in row order.
    MaxPool {
        /// Side of the window.
        kernel: u32,
        /// Step between windows.
        stride: u32,
    },
    /// `x / (k + alpha / size · sum of squares over size channels)^beta`
    /// (Krizhevsky et al. 2012, section 3.3, with alpha divided by the size as in Caffe).
    LocalResponseNorm {
        /// Channels in the sum; odd.
        size: u32,
        /// Weight of the sum.
        alpha: f64,
        /// Exponent.
        beta: f64,
        /// Constant.
        k: f64,
    },
    /// Silences units with the recipe's `dropout`, scaling the others up; only in training.
    Dropout,
}

/// Start of a learned operator under [`crate::recipe::Initialiser::Gaussian`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// Standard deviation of the weights.
    pub weight_deviation: f64,
    /// Value of every bias.
    pub bias: f64,
}

/// Width of a linear operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinearOutputs {
    /// What the recipe's `outputs` says; only for the last layer.
    Recipe,
    /// A fixed width.
    #[serde(untagged)]
    Count(u32),
}

/// The names of all presets, for messages.
pub const PRESETS: &[&str] = &["caffenet-28-slim", "caffenet-28", "caffenet-32", "caffenet-64", "caffenet"];

impl Network {
    /// A preset by its name.
    #[must_use]
    pub fn preset(name: &str) -> Option<Self> {
        caffenet::preset(name)
    }

    /// How many layers there are; `n` runs from 1 to one less.
    #[must_use]
    pub fn layer_count(&self) -> usize {
        self.layers.len()
    }
}
