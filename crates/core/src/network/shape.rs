//! Shapes and cost of a network, given its input and number of outputs.

use super::{LinearOutputs, Network, Operator};

/// Channels, rows and columns of what one layer hands to the next, for one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Channels, or the width of a linear operator.
    pub channels: u32,
    /// Rows; 1 after a linear operator.
    pub height: u32,
    /// Columns; 1 after a linear operator.
    pub width: u32,
}

impl Volume {
    /// Values in the volume.
    #[must_use]
    pub fn values(&self) -> u64 {
        u64::from(self.channels) * u64::from(self.height) * u64::from(self.width)
    }
}

/// What one layer does to one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerShapes {
    /// What the layer gets.
    pub input: Volume,
    /// What it hands on.
    pub output: Volume,
    /// Weights and biases.
    pub parameters: u64,
    /// Multiply-adds of its learned operator, forward, for one image.
    pub multiply_adds: u64,
}

/// Why a network does not fit an input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// A window larger than what it slides over.
    #[error("layer {layer}: a window of {kernel} does not fit into {side} pixels")]
    Window {
        /// Where.
        layer: String,
        /// Side of the window.
        kernel: u32,
        /// Side of the padded input.
        side: u32,
    },
    /// Groups that do not divide the channels.
    #[error("layer {layer}: {groups} groups do not divide {channels} channels")]
    Groups {
        /// Where.
        layer: String,
        /// How many groups.
        groups: u32,
        /// Of input or output.
        channels: u32,
    },
}

impl Network {
    /// The shapes of every layer for `channels` × `side` × `side` images and `outputs` classes.
    ///
    /// # Errors
    /// When a window or a group does not fit.
    pub fn shapes(&self, channels: u32, outputs: u32) -> Result<Vec<LayerShapes>, ShapeError> {
        let mut volume = Volume { channels, height: self.side, width: self.side };
        let mut shapes = Vec::with_capacity(self.layers.len());
        for layer in &self.layers {
            let input = volume;
            let (mut parameters, mut multiply_adds) = (0, 0);
            for operator in &layer.operators {
                let next = output_of(operator, volume, outputs, &layer.name)?;
                let (weights, biases) = parameters_of(operator, volume, next);
                parameters += weights + biases;
                multiply_adds += weights * u64::from(next.height) * u64::from(next.width);
                volume = next;
            }
            shapes.push(LayerShapes { input, output: volume, parameters, multiply_adds });
        }
        Ok(shapes)
    }
}

fn output_of(operator: &Operator, input: Volume, outputs: u32, layer: &str) -> Result<Volume, ShapeError> {
    match *operator {
        Operator::Convolution { outputs, kernel, stride, pad, groups, .. } => {
            for channels in [input.channels, outputs] {
                if groups == 0 || channels % groups != 0 {
                    return Err(ShapeError::Groups { layer: layer.to_owned(), groups, channels });
                }
            }
            let height = positions(input.height, kernel, stride, pad, layer)?;
            let width = positions(input.width, kernel, stride, pad, layer)?;
            Ok(Volume { channels: outputs, height, width })
        }
        Operator::MaxPool { kernel, stride } => Ok(Volume {
            channels: input.channels,
            height: positions(input.height, kernel, stride, 0, layer)?,
            width: positions(input.width, kernel, stride, 0, layer)?,
        }),
        Operator::Linear { outputs: LinearOutputs::Count(channels), .. } => {
            Ok(Volume { channels, height: 1, width: 1 })
        }
        Operator::Linear { outputs: LinearOutputs::Recipe, .. } => {
            Ok(Volume { channels: outputs, height: 1, width: 1 })
        }
        Operator::Relu | Operator::LocalResponseNorm { .. } | Operator::Dropout => Ok(input),
    }
}

fn positions(side: u32, kernel: u32, stride: u32, pad: u32, layer: &str) -> Result<u32, ShapeError> {
    let padded = side.saturating_add(pad.saturating_mul(2));
    if kernel == 0 || stride == 0 || kernel > padded {
        return Err(ShapeError::Window { layer: layer.to_owned(), kernel, side: padded });
    }
    Ok((padded - kernel) / stride + 1)
}

/// Weights and biases of one operator.
fn parameters_of(operator: &Operator, input: Volume, output: Volume) -> (u64, u64) {
    let outputs = u64::from(output.channels);
    match *operator {
        Operator::Convolution { kernel, groups, .. } => {
            let fan_in = u64::from(input.channels / groups) * u64::from(kernel) * u64::from(kernel);
            (outputs * fan_in, outputs)
        }
        Operator::Linear { .. } => (outputs * input.values(), outputs),
        _ => (0, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slim_network_has_the_shapes_of_its_table() {
        let shapes = Network::preset("caffenet-28-slim").unwrap().shapes(1, 5).unwrap();
        let outputs: Vec<_> = shapes.iter().map(|s| (s.output.channels, s.output.height)).collect();
        assert_eq!(outputs, [(16, 13), (32, 6), (48, 6), (48, 6), (32, 2), (128, 1), (128, 1), (5, 1)]);
    }

    #[test]
    fn a_window_larger_than_its_input_is_refused() {
        let mut network = Network::preset("caffenet-28").unwrap();
        network.side = 4;
        assert!(matches!(network.shapes(1, 5), Err(ShapeError::Window { .. })));
    }
}
