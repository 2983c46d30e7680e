//! Shapes and cost of a network, given its input and number of outputs.
//!
//! Sizes are bounded here, for every network that anybody describes: sums further on
//! cannot overflow, and no worker is asked for memory that no machine has.

use super::{LinearOutputs, Network, Operator};
use crate::limits::{LAYER_VALUES_MAX, NETWORK_PARAMETERS_MAX};

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
        u64::from(self.channels).saturating_mul(u64::from(self.height) * u64::from(self.width))
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
    /// Values of all its operators' outputs for one image: the most that training keeps for the
    /// way back.
    pub values_kept: u64,
    /// Values of the largest operator's input and output together, for one image: what a pass
    /// without a way back needs at a time.
    pub values_at_a_time: u64,
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
    /// An operator over rows and columns after a linear one, which has none.
    #[error("layer {layer}: {operator} needs rows and columns, but a linear operator below leaves none")]
    Flat {
        /// Where.
        layer: String,
        /// `convolution` or `max_pool`.
        operator: &'static str,
    },
    /// Activations that do not fit into memory.
    #[error("layer {layer}: {values} values for one image, at most {LAYER_VALUES_MAX} are possible")]
    Values {
        /// Where.
        layer: String,
        /// Of one operator's output.
        values: u64,
    },
    /// Weights that do not fit into memory.
    #[error(
        "layer {layer}: {parameters} parameters up to here, at most {NETWORK_PARAMETERS_MAX} are possible"
    )]
    Parameters {
        /// Where the sum passes the limit.
        layer: String,
        /// Of this layer and those below.
        parameters: u64,
    },
}

impl ShapeError {
    /// The layer that it is about.
    #[must_use]
    pub fn layer(&self) -> &str {
        match self {
            Self::Window { layer, .. }
            | Self::Groups { layer, .. }
            | Self::Flat { layer, .. }
            | Self::Values { layer, .. }
            | Self::Parameters { layer, .. } => layer,
        }
    }
}

impl Network {
    /// The shapes of every layer for `channels` × `side` × `side` images and `outputs` classes.
    ///
    /// # Errors
    /// When a window or a group does not fit, or something is too large for any machine.
    pub fn shapes(&self, channels: u32, outputs: u32) -> Result<Vec<LayerShapes>, ShapeError> {
        let mut place =
            Place { volume: Volume { channels, height: self.side, width: self.side }, is_flat: false };
        let mut shapes = Vec::with_capacity(self.layers.len());
        let mut parameters_below = 0_u64;
        for layer in &self.layers {
            let input = place.volume;
            let (mut parameters, mut multiply_adds) = (0_u64, 0);
            let (mut values_kept, mut values_at_a_time) = (0, 0);
            for operator in &layer.operators {
                let next = place.after(operator, outputs, &layer.name)?;
                let (weights, biases) = parameters_of(operator, place.volume, next.volume);
                parameters = parameters.saturating_add(weights).saturating_add(biases);
                if parameters_below.saturating_add(parameters) > NETWORK_PARAMETERS_MAX {
                    let parameters = parameters_below.saturating_add(parameters);
                    return Err(ShapeError::Parameters { layer: layer.name.clone(), parameters });
                }
                multiply_adds += weights * u64::from(next.volume.height) * u64::from(next.volume.width);
                values_kept += next.volume.values();
                values_at_a_time = values_at_a_time.max(place.volume.values() + next.volume.values());
                place = next;
            }
            parameters_below += parameters;
            let output = place.volume;
            shapes.push(LayerShapes {
                input,
                output,
                parameters,
                multiply_adds,
                values_kept,
                values_at_a_time,
            });
        }
        Ok(shapes)
    }
}

/// What reaches an operator.
#[derive(Clone, Copy)]
struct Place {
    volume: Volume,
    /// A linear operator came before.
    is_flat: bool,
}

impl Place {
    fn after(self, operator: &Operator, outputs: u32, layer: &str) -> Result<Self, ShapeError> {
        let spatial = match operator {
            Operator::Convolution { .. } => Some("convolution"),
            Operator::MaxPool { .. } => Some("max_pool"),
            _ => None,
        };
        if let (true, Some(operator)) = (self.is_flat, spatial) {
            return Err(ShapeError::Flat { layer: layer.to_owned(), operator });
        }
        let volume = output_of(operator, self.volume, outputs, layer)?;
        let values = volume.values();
        if values > LAYER_VALUES_MAX {
            return Err(ShapeError::Values { layer: layer.to_owned(), values });
        }
        Ok(Self { volume, is_flat: self.is_flat || matches!(operator, Operator::Linear { .. }) })
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
            let window = u64::from(kernel) * u64::from(kernel);
            let fan_in = u64::from(input.channels / groups).saturating_mul(window);
            (outputs.saturating_mul(fan_in), outputs)
        }
        Operator::Linear { .. } => (outputs.saturating_mul(input.values()), outputs),
        _ => (0, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outputs(network: &str, channels: u32, classes: u32) -> Vec<(u32, u32)> {
        let shapes = Network::preset(network).unwrap().shapes(channels, classes).unwrap();
        shapes.iter().map(|s| (s.output.channels, s.output.height)).collect()
    }

    #[test]
    fn the_small_networks_have_the_shapes_of_their_table() {
        for (network, expected) in [
            ("caffenet-28-slim", [(16, 13), (32, 6), (48, 6), (48, 6), (32, 2), (128, 1), (128, 1), (5, 1)]),
            ("caffenet-28", [(32, 13), (64, 6), (96, 6), (96, 6), (64, 2), (256, 1), (256, 1), (5, 1)]),
            ("caffenet-32", [(32, 15), (64, 7), (96, 7), (96, 7), (64, 3), (256, 1), (256, 1), (5, 1)]),
            ("caffenet-64", [(64, 15), (128, 7), (192, 7), (192, 7), (128, 3), (1024, 1), (1024, 1), (5, 1)]),
        ] {
            assert_eq!(outputs(network, 3, 5), expected, "{network}");
            assert_eq!(outputs(network, 1, 5), expected, "{network}, grey");
        }
    }

    /// Shapes and parameters as Caffe logged them for the authors' networks.
    #[test]
    fn the_papers_network_has_60_965_224_parameters() {
        let shapes = Network::preset("caffenet").unwrap().shapes(3, 1_000).unwrap();
        let expected = [
            ((96, 27), 34_944),
            ((256, 13), 307_456),
            ((384, 13), 885_120),
            ((384, 13), 663_936),
            ((256, 6), 442_624),
            ((4_096, 1), 37_752_832),
            ((4_096, 1), 16_781_312),
            ((1_000, 1), 4_097_000),
        ];
        let found: Vec<_> =
            shapes.iter().map(|s| ((s.output.channels, s.output.height), s.parameters)).collect();
        assert_eq!(found, expected);
        assert_eq!(shapes.iter().map(|s| s.parameters).sum::<u64>(), 60_965_224);
    }

    #[test]
    fn a_window_larger_than_its_input_is_refused() {
        let mut network = Network::preset("caffenet-28").unwrap();
        network.side = 4;
        let error = network.shapes(1, 5).unwrap_err();
        assert!(matches!(error, ShapeError::Window { .. }), "{error}");
        assert_eq!(error.layer(), "conv2");
    }

    #[test]
    fn rows_and_columns_end_at_the_first_linear_operator() {
        let mut network = Network::preset("caffenet-28").unwrap();
        network.layers.swap(4, 5);
        let error = network.shapes(1, 5).unwrap_err();
        assert_eq!(
            error.to_string(),
            "layer conv5: convolution needs rows and columns, but a linear operator below leaves none"
        );
    }

    #[test]
    fn what_no_machine_holds_is_refused_without_overflow() {
        let caffenet = Network::preset("caffenet").unwrap();
        let parameters = caffenet.shapes(3, u32::MAX).unwrap_err();
        assert!(matches!(parameters, ShapeError::Values { .. }), "{parameters}");
        let parameters = caffenet.shapes(3, 1_000_000).unwrap_err();
        assert!(matches!(parameters, ShapeError::Parameters { .. }), "{parameters}");
        let huge = Network { side: u32::MAX, ..caffenet };
        assert!(matches!(huge.shapes(u32::MAX, 2), Err(ShapeError::Values { .. })));
    }
}
