//! Whether a network can start with imported weights.

use super::{LayerFacts, WeightsFacts};
use crate::network::{Layer, LayerShapes, LinearOutputs, Network, Operator, ShapeError};

/// Why a network cannot start with imported weights.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeightsMisfit {
    /// Fewer layers than are copied.
    #[error("they have {found} layers, and {copied} are to be copied")]
    TooFew {
        /// Layers there are.
        found: usize,
        /// Layers wanted.
        copied: usize,
    },
    /// Another layer at this place; copying is by name.
    #[error("their layer {number} is {found:?}, and the network's is {expected:?}")]
    Name {
        /// Which layer, from 1.
        number: usize,
        /// The network's.
        expected: String,
        /// Theirs.
        found: String,
    },
    /// Parameters of another shape.
    #[error("their {layer} has weights {found:?}, and the network's has {expected:?}")]
    Shape {
        /// Which layer.
        layer: String,
        /// The network's.
        expected: Vec<u64>,
        /// Theirs.
        found: Vec<u64>,
    },
}

impl WeightsFacts {
    /// Checks that the first so many layers are those of a network on these images.
    ///
    /// # Errors
    /// The first layer that is missing or another; a network that does not fit the images
    /// has no shapes and passes, because that is another mistake.
    pub fn check_fit(
        &self,
        network: &Network,
        channels: u32,
        outputs: u32,
        layers_copied: usize,
    ) -> Result<(), WeightsMisfit> {
        let Ok(expected) = layer_facts(network, channels, outputs) else { return Ok(()) };
        let found = self.layers.len();
        if found < layers_copied {
            return Err(WeightsMisfit::TooFew { found, copied: layers_copied });
        }
        for (index, (theirs, ours)) in self.layers.iter().zip(expected).take(layers_copied).enumerate() {
            if theirs.name != ours.name {
                let (expected, found) = (ours.name, theirs.name.clone());
                return Err(WeightsMisfit::Name { number: index + 1, expected, found });
            }
            if *theirs != ours {
                let (expected, found) = (ours.weight_shape, theirs.weight_shape.clone());
                return Err(WeightsMisfit::Shape { layer: ours.name, expected, found });
            }
        }
        Ok(())
    }
}

/// Name and shapes of each layer of a network on images of so many channels.
///
/// # Errors
/// When the network does not fit its images.
pub fn layer_facts(network: &Network, channels: u32, outputs: u32) -> Result<Vec<LayerFacts>, ShapeError> {
    let shapes = network.shapes(channels, outputs)?;
    Ok(network.layers.iter().zip(shapes).map(|(layer, shapes)| facts_of(layer, &shapes, outputs)).collect())
}

fn facts_of(layer: &Layer, shapes: &LayerShapes, recipe_outputs: u32) -> LayerFacts {
    let input = shapes.input;
    // The learned operator stands first, so the layer's input is its.
    let weight_shape = match layer.operators.first() {
        Some(&Operator::Convolution { outputs, kernel, groups, .. }) => {
            [outputs, input.channels / groups, kernel, kernel].map(u64::from).to_vec()
        }
        Some(&Operator::Linear { outputs, .. }) => {
            let outputs = match outputs {
                LinearOutputs::Recipe => recipe_outputs,
                LinearOutputs::Count(outputs) => outputs,
            };
            vec![u64::from(outputs), input.values()]
        }
        _ => Vec::new(),
    };
    let bias_shape = weight_shape.iter().take(1).copied().collect();
    LayerFacts { name: layer.name.clone(), weight_shape, bias_shape }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::check::tests::{manifest, slim};

    #[test]
    fn weights_that_do_not_fit_a_network_say_where() {
        let facts = WeightsFacts::from(&manifest());
        let fit = |channels, copied| facts.check_fit(&slim(), channels, 10, copied).unwrap_err();
        assert_eq!(fit(1, 4).to_string(), "they have 3 layers, and 4 are to be copied");
        let shape = "their conv1 has weights [16, 1, 5, 5], and the network's has [16, 3, 5, 5]";
        assert_eq!(fit(3, 1).to_string(), shape);
        let mut renamed = facts.clone();
        renamed.layers[1].name = "features.3".into();
        let named = "their layer 2 is \"features.3\", and the network's is \"conv2\"";
        assert_eq!(renamed.check_fit(&slim(), 1, 10, 2).unwrap_err().to_string(), named);
        renamed.check_fit(&slim(), 1, 10, 1).unwrap();
    }
}
