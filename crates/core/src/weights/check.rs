//! What must hold within a manifest of weights before anything is built on it.

use std::collections::BTreeSet;

use super::{SCHEMA, WeightsLayer, WeightsManifest};
use crate::{
    ids::Name,
    limits::{ARTIFACT_BYTES_MAX, NETWORK_LAYERS_MAX, SAFETENSORS_HEADER_BYTES_MAX},
};

/// What is wrong with a manifest that somebody sent or left in a folder.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeightsManifestError {
    /// Made by another version of the program, or no manifest.
    #[error("schema is {given:?}, expected {SCHEMA:?}")]
    Schema {
        /// As given.
        given: String,
    },
    /// Images that no network takes.
    #[error("images of {given} channels, expected 1 or 3")]
    Channels {
        /// As given.
        given: u32,
    },
    /// No layers, or too many.
    #[error("{count} layers; imported weights have 1 to {NETWORK_LAYERS_MAX}")]
    LayerCount {
        /// How many.
        count: usize,
    },
    /// A layer whose name is no name, or occurs twice.
    #[error("layer {name:?} is not a name, or is listed twice")]
    LayerName {
        /// As given.
        name: String,
    },
    /// Shapes that no layer has, or a length that does not follow from them.
    #[error(
        "layer {name} has weights {weight:?}, biases {bias:?} and a file of {bytes} bytes, which do not fit together"
    )]
    LayerShape {
        /// Which.
        name: String,
        /// As given.
        weight: Vec<u64>,
        /// As given.
        bias: Vec<u64>,
        /// As given.
        bytes: u64,
    },
}

impl WeightsManifest {
    /// Checks what a maker may have got wrong; the files' bytes are another matter.
    ///
    /// # Errors
    /// The first violation found.
    pub fn check(&self) -> Result<(), WeightsManifestError> {
        if self.schema != SCHEMA {
            return Err(WeightsManifestError::Schema { given: self.schema.chars().take(64).collect() });
        }
        if !matches!(self.channels, 1 | 3) {
            return Err(WeightsManifestError::Channels { given: self.channels });
        }
        let count = self.layers.len();
        if !(1..=NETWORK_LAYERS_MAX).contains(&count) {
            return Err(WeightsManifestError::LayerCount { count });
        }
        let mut names = BTreeSet::new();
        for layer in &self.layers {
            if layer.name.parse::<Name>().is_err() || !names.insert(&layer.name) {
                return Err(WeightsManifestError::LayerName { name: layer.name.chars().take(128).collect() });
            }
            if !layer.adds_up() {
                let (weight, bias) = (layer.weight_shape.clone(), layer.bias_shape.clone());
                let (name, bytes) = (layer.name.clone(), layer.bytes);
                return Err(WeightsManifestError::LayerShape { name, weight, bias, bytes });
            }
        }
        Ok(())
    }
}

impl WeightsLayer {
    fn adds_up(&self) -> bool {
        let (weight, bias) = (&self.weight_shape, &self.bias_shape);
        let has_ranks = matches!(weight.len(), 2 | 4) && bias.len() == 1 && weight[0] == bias[0];
        let has_values = weight.iter().all(|length| *length > 0);
        let values = weight.iter().try_fold(1_u64, |product, length| product.checked_mul(*length));
        let values = values.and_then(|values| values.checked_add(*bias.first()?));
        let bytes = values.and_then(|values| values.checked_mul(4)).filter(|b| *b <= ARTIFACT_BYTES_MAX);
        let fits = bytes
            .is_some_and(|bytes| (bytes..=bytes + SAFETENSORS_HEADER_BYTES_MAX + 8).contains(&self.bytes));
        has_ranks && has_values && fits
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{
        ids::Digest,
        network::Network,
        weights::{LayerFacts, WeightsFacts, layer_facts},
    };

    pub(in crate::weights) fn slim() -> Network {
        Network::preset("caffenet-28-slim").unwrap()
    }

    /// The first three layers of the slim network.
    pub(in crate::weights) fn manifest() -> WeightsManifest {
        let layers = layer_facts(&slim(), 1, 10).unwrap().into_iter().take(3).map(|facts| {
            let bytes = 4 * (facts.weight_shape.iter().product::<u64>() + facts.bias_shape[0]) + 144;
            let LayerFacts { name, weight_shape, bias_shape } = facts;
            let (digest, values) = (Digest::of(b"file"), Digest::of(b"values"));
            WeightsLayer { name, weight_shape, bias_shape, bytes, digest, values }
        });
        WeightsManifest { schema: SCHEMA.into(), channels: 1, layers: layers.collect() }
    }

    #[test]
    fn a_manifest_that_adds_up_passes_and_fits_its_network() {
        let manifest = manifest();
        manifest.check().unwrap();
        WeightsFacts::from(&manifest).check_fit(&slim(), 1, 10, 3).unwrap();
    }

    #[test]
    fn each_contradiction_is_found() {
        let cases: [fn(&mut WeightsManifest); 9] = [
            |weights| weights.schema = "other".into(),
            |weights| weights.channels = 2,
            |weights| weights.layers.clear(),
            |weights| weights.layers[0].name = "../token".into(),
            |weights| weights.layers[1].name = weights.layers[0].name.clone(),
            |weights| weights.layers[1].weight_shape[0] += 1,
            |weights| weights.layers[1].weight_shape = vec![u64::MAX, u64::MAX],
            |weights| weights.layers[2].bias_shape.clear(),
            |weights| weights.layers[2].bytes = 3,
        ];
        for (index, spoil) in cases.iter().enumerate() {
            let mut weights = manifest();
            spoil(&mut weights);
            assert!(weights.check().is_err(), "case {index}");
        }
    }
}
