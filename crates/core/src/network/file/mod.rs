//! Network files: networks as people write them, in YAML.
//!
//! Everything wrong with a file is reported at once, with its place, as in a grid; what does
//! not fit any image is found here too, what does not fit the pack's images by
//! [`NetworkFile::check_shapes`]. What is read and written again is the same network.

mod layers;
mod operators;
mod problem;
#[cfg(test)]
mod tests;
mod write;

use super::{Network, ShapeError};
use crate::{
    grid::{
        GridErrors,
        error::{Problems, Source, Span},
        reader::{self, Bounds},
        tree::{self, Node},
    },
    limits::NETWORK_SIDE_MAX,
};

pub(crate) use problem::NetworkProblem;
pub use write::to_yaml;

/// A network as its file describes it.
#[derive(Clone, Debug)]
pub struct NetworkFile {
    network: Network,
    source: Source,
    /// Where each layer's name stands.
    places: Vec<Span>,
}

/// Reads a network file. `file_name` is only for messages.
///
/// # Errors
/// Everything in the file that is wrong whatever the images.
pub fn read(file_name: &str, text: &str) -> Result<NetworkFile, GridErrors> {
    let mut source = Source { file: file_name.into(), text: text.into() };
    let mut problems = Problems::default();
    let read = tree::read_reported(&mut source, &mut problems).and_then(|root| network(&root, &mut problems));
    match (problems.errors(&source), read) {
        (Some(errors), _) => Err(errors),
        (None, Some((network, places))) => {
            let file = NetworkFile { network, source, places };
            // Grey or coloured: what fits neither fits nothing.
            if file.network.shapes(1, 2).is_err() {
                file.check_shapes(3, 2)?;
            }
            Ok(file)
        }
        (None, None) => unreachable!("what could not be read was reported"),
    }
}

impl NetworkFile {
    /// The network.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Checks that the network fits images of so many channels, with so many outputs.
    ///
    /// # Errors
    /// The first layer that does not fit, at its place in the file.
    pub fn check_shapes(&self, channels: u32, outputs: u32) -> Result<(), GridErrors> {
        let Err(error) = self.network.shapes(channels, outputs) else { return Ok(()) };
        Err(self.located(error))
    }

    fn located(&self, error: ShapeError) -> GridErrors {
        let index = self.network.layers.iter().position(|layer| layer.name == error.layer());
        let span = index.and_then(|index| self.places.get(index)).copied().unwrap_or_default();
        let mut problems = Problems::default();
        problems.push(span, NetworkProblem::Shape(error).into());
        problems.errors(&self.source).expect("a problem was just added")
    }
}

/// The network as far as it could be read, and where each layer's name stands.
fn network(root: &Node, problems: &mut Problems) -> Option<(Network, Vec<Span>)> {
    const NAME: &str = "a network's name: 1 to 64 of a-z 0-9 -";
    let fields = reader::mapping(root, "", &["network", "side", "layers"], &[], problems)?;
    let name = fields.require("network", "network: my-network", problems);
    let name = name.and_then(|node| reader::short_name(node, "network", NAME, problems));
    let side = fields.require("side", "side: 32", problems).and_then(|node| {
        let bounds = Bounds::new(1..=u64::from(NETWORK_SIDE_MAX));
        reader::number(node, "side", &bounds, problems)
    });
    let example = "layers: [{name: fc1, operators: [{linear: {outputs: recipe}}]}]";
    let layers = fields.require("layers", example, problems).map(|node| layers::read(node, problems));
    let (layers, places) = layers?.into_iter().unzip();
    let side = u32::try_from(side?).ok()?;
    Some((Network { name: name?.to_string(), side, layers }, places))
}
