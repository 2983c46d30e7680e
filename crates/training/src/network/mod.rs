//! A network with its parameters on a device: its shape from a spec, its passes.
//!
//! The step is scheduled by hand: layers 1..n that are frozen run forward only and leave
//! nothing behind; the layers above keep each operator's input and output until the
//! backward pass has used them. No gradient flows below the lowest layer that learns.

mod build;
mod clock;
mod init;
mod step;

pub use build::{Operator, build_operators};
pub(crate) use clock::Direction;
pub use clock::{Clock, Part, PartTime};
pub use init::{initial_parameters, random_parameters};
pub use step::{DropoutDraw, Trace};

use crate::weights::{HostParameters, Parameters};
use candle_core::Result;

/// One unit of copying with its parameters.
#[derive(Debug)]
pub struct Layer {
    /// As in the description of the network.
    pub name: String,
    /// Of the learned operator.
    pub parameters: Parameters,
    /// The operators in order, the learned one first.
    pub operators: Vec<Operator>,
}

/// A network on a device.
#[derive(Debug)]
pub struct Network {
    /// The layers, input first.
    pub layers: Vec<Layer>,
    /// How many of the first layers do not learn.
    pub layers_frozen: usize,
    /// Where its time goes; stands still unless somebody starts it.
    pub clock: Clock,
}

impl Network {
    /// Puts parameters on the device. The lists are those of the layers, in order.
    ///
    /// # Errors
    /// When the device has no memory left.
    pub fn new(
        operators: Vec<(String, Vec<Operator>)>,
        parameters: &[HostParameters],
        layers_frozen: usize,
    ) -> Result<Self> {
        let layers = operators.into_iter().zip(parameters).map(|((name, operators), parameters)| {
            Ok(Layer { name, parameters: Parameters::from_host(parameters)?, operators })
        });
        Ok(Self { layers: layers.collect::<Result<_>>()?, layers_frozen, clock: Clock::default() })
    }

    /// The layers that learn.
    #[must_use]
    pub fn layers_learning(&self) -> &[Layer] {
        &self.layers[self.layers_frozen..]
    }

    /// All parameters, layer by layer; waits for the device.
    ///
    /// # Errors
    /// When the device fails.
    pub fn to_host(&self) -> Result<Vec<HostParameters>> {
        self.layers.iter().map(|layer| layer.parameters.to_host()).collect()
    }
}
