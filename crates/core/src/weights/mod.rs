//! Imported weights: the layers of a network that was trained elsewhere, described.
//!
//! They are a folder with `weights.json` and one safetensors file `NN-LAYER.safetensors`
//! `{weight, bias}` a layer, which has the bytes of a checkpoint's file of that layer. The
//! digest of imported weights is that of the canonical JSON of their manifest, which holds
//! the digest of every layer file; names are given elsewhere. They may lack the top layers
//! of their network.

mod check;
mod fit;

use serde::{Deserialize, Serialize};

use crate::ids::Digest;

pub use check::WeightsManifestError;
pub use fit::{WeightsMisfit, layer_facts};

/// File name of the manifest in a folder of imported weights.
pub const MANIFEST_FILE: &str = "weights.json";
/// Value of [`WeightsManifest::schema`].
pub const SCHEMA: &str = "selffer.weights/v1";

/// Everything about imported weights but their values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightsManifest {
    /// [`SCHEMA`].
    pub schema: String,
    /// Channels of the images that the first layer takes, 1 or 3.
    pub channels: u32,
    /// The layers, from the first.
    pub layers: Vec<WeightsLayer>,
}

/// One layer of imported weights.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightsLayer {
    /// The layer's name in its network.
    pub name: String,
    /// As in [`LayerFacts`].
    pub weight_shape: Vec<u64>,
    /// As in [`LayerFacts`].
    pub bias_shape: Vec<u64>,
    /// Length of its file.
    pub bytes: u64,
    /// BLAKE3 of its file.
    pub digest: Digest,
    /// BLAKE3 of its weight and bias, as in [`crate::outcome::JobResult::layer_digests`].
    pub values: Digest,
}

/// What expansion needs to know about imported weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightsFacts {
    /// Their digest; none when only their shapes are known.
    pub digest: Option<Digest>,
    /// The layers, from the first.
    pub layers: Vec<LayerFacts>,
}

/// A layer's name and the shapes of its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerFacts {
    /// The layer's name in its network.
    pub name: String,
    /// `[O, C/G, K, K]` of a convolution, `[O, I]` of a linear operator.
    pub weight_shape: Vec<u64>,
    /// `[O]`.
    pub bias_shape: Vec<u64>,
}

impl WeightsManifest {
    /// The weights' name for machines.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(crate::identity::canonical_json(self).as_bytes())
    }
}

impl WeightsLayer {
    /// Name and shapes.
    #[must_use]
    pub fn facts(&self) -> LayerFacts {
        LayerFacts {
            name: self.name.clone(),
            weight_shape: self.weight_shape.clone(),
            bias_shape: self.bias_shape.clone(),
        }
    }
}

impl From<&WeightsManifest> for WeightsFacts {
    fn from(manifest: &WeightsManifest) -> Self {
        Self {
            digest: Some(manifest.digest()),
            layers: manifest.layers.iter().map(WeightsLayer::facts).collect(),
        }
    }
}

/// File name of the layer at `index` (from 0), e.g. `01-conv1.safetensors`.
#[must_use]
pub fn layer_file(index: usize, layer: &str) -> String {
    format!("{:02}-{layer}.safetensors", index + 1)
}
