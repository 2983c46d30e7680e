//! What can be wrong with weights, and where.

use std::{fmt, io, path::PathBuf};

use selffer_core::{
    ids::{Digest, IdError},
    network::ShapeError,
    weights::WeightsManifestError,
};

use super::TensorError;
use crate::partial::WriteError;

/// Why a folder of imported weights cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// A file is missing or unreadable.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The manifest is longer than any.
    #[error("{path} has more than {limit} bytes")]
    ManifestTooLong {
        /// The manifest.
        path: PathBuf,
        /// The longest allowed.
        limit: u64,
    },
    /// The manifest is not JSON of the right form; the source names line and column.
    #[error("{path} is not a manifest of weights")]
    ManifestForm {
        /// The manifest.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// The manifest contradicts itself.
    #[error("{path}")]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: WeightsManifestError,
    },
    /// A layer's file is shorter or longer than the manifest says.
    #[error("{path} has {found} bytes, but the manifest says {expected}")]
    Length {
        /// The layer's file.
        path: PathBuf,
        /// Its length.
        found: u64,
        /// The manifest's.
        expected: u64,
    },
    /// A layer's bytes are not those that were imported.
    #[error("{path} has digest {found}, but the manifest says {expected}")]
    Digest {
        /// The layer's file.
        path: PathBuf,
        /// Of its bytes or values.
        found: Digest,
        /// The manifest's.
        expected: Digest,
    },
    /// A layer's file is no safetensors file of weight and bias.
    #[error("{path} is not the file of a layer")]
    Form {
        /// The layer's file.
        path: PathBuf,
        /// Why.
        #[source]
        source: TensorError,
    },
    /// A layer's file with other shapes than the manifest's, or written otherwise than ours.
    #[error("{path} is not the file of a layer with weights {expected:?}")]
    Shape {
        /// The layer's file.
        path: PathBuf,
        /// The weight's shape in the manifest.
        expected: Vec<u64>,
    },
    /// A value that no training survives.
    #[error("{path}, {tensor}: value {index} is infinite or not a number")]
    NotFinite {
        /// The layer's file.
        path: PathBuf,
        /// `weight` or `bias`.
        tensor: &'static str,
        /// From 0, in row-major order.
        index: usize,
    },
}

/// Why weights cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportWeightsError {
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A pickle, an archive of one, or another form that can run programs or that we do not know.
    #[error("{path} is {what}; only safetensors files are read")]
    OtherFormat {
        /// The file.
        path: PathBuf,
        /// What it looks like.
        what: &'static str,
    },
    /// The header claims to be longer than the file or than anyone will read.
    #[error("{path}, byte 0: header of {found} bytes, but at most {limit} are possible")]
    HeaderLength {
        /// The file.
        path: PathBuf,
        /// As claimed.
        found: u64,
        /// The longest possible here.
        limit: u64,
    },
    /// The header is not a safetensors header.
    #[error("{path}, byte 8: not a safetensors header")]
    HeaderForm {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The header describes more or fewer bytes than follow it.
    #[error("{path} has {found} bytes, but its header describes {expected}")]
    Length {
        /// The file.
        path: PathBuf,
        /// Its length.
        found: u64,
        /// With header and tensors.
        expected: u64,
    },
    /// The network does not go with its images.
    #[error("the network does not fit images of {channels} channels")]
    Network {
        /// As given.
        channels: u32,
        /// Why.
        #[source]
        source: ShapeError,
    },
    /// A layer whose name cannot be part of a file name.
    #[error("a layer of the network cannot be stored")]
    LayerName {
        /// Why.
        #[source]
        source: IdError,
    },
    /// The tensors are not those of the network's first layers.
    #[error("{path} does not hold the first layers of {network}:{}", listed(.problems))]
    Tensors {
        /// The file.
        path: PathBuf,
        /// The network's name.
        network: String,
        /// Everything that is wrong; at least one.
        problems: Vec<TensorProblem>,
    },
    /// A value that no training survives.
    #[error("{path}, tensor {tensor}: value {index} is infinite or not a number")]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// From 0, in row-major order.
        index: usize,
    },
    /// The folder cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// What was made is not what it should be: a bug, or more layers than can be stored.
    #[error("the weights cannot be stored")]
    Manifest(#[from] WeightsManifestError),
}

/// What is wrong with one tensor, layer or mapping; the help says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TensorProblem {
    /// A mapping to a layer that the network has not.
    #[error("{layer} is mapped, but the network has no such layer{}", helping(.help))]
    UnknownLayer {
        /// As mapped.
        layer: String,
        /// The layer that was probably meant, or all.
        help: Option<String>,
    },
    /// A mapping from tensors that are not there.
    #[error("{prefix} is mapped to {layer}, but there is neither {prefix}.weight nor {prefix}.bias{}", helping(.help))]
    UnknownPrefix {
        /// As mapped.
        prefix: String,
        /// As mapped.
        layer: String,
        /// The prefix that was probably meant.
        help: Option<String>,
    },
    /// Not even the first layer.
    #[error("it has no layer of the network; its tensors are {found}{}", helping(.help))]
    NoLayers {
        /// The first of its tensors.
        found: String,
        /// How to say which are meant.
        help: Option<String>,
    },
    /// A tensor is missing though a later layer is there, or the layer's other tensor.
    #[error("{tensor} is missing{}", helping(.help))]
    Missing {
        /// Its name.
        tensor: String,
        /// A tensor that could be it.
        help: Option<String>,
    },
    /// A tensor that is no layer's.
    #[error("{tensor} is no layer's{}", helping(.help))]
    Superfluous {
        /// Its name.
        tensor: String,
        /// Which layer could be meant.
        help: Option<String>,
    },
    /// Values that are not exactly f32.
    #[error("{tensor} is {found}, expected F32 (F16 and BF16 are taken too){}", helping(.help))]
    Type {
        /// Its name.
        tensor: String,
        /// Its type.
        found: String,
        /// What to do.
        help: Option<String>,
    },
    /// Another shape than the network's.
    #[error("{tensor} is {found:?}, but the network's is {expected:?}{}", helping(.help))]
    Shape {
        /// Its name.
        tensor: String,
        /// Its shape.
        found: Vec<usize>,
        /// The network's.
        expected: Vec<u64>,
        /// What may be the reason.
        help: Option<String>,
    },
}

/// How many problems are listed; the rest are counted.
const PROBLEMS_LISTED_MAX: usize = 20;

fn listed(problems: &[TensorProblem]) -> String {
    let mut text = String::new();
    for problem in problems.iter().take(PROBLEMS_LISTED_MAX) {
        text.push_str(&format!("\n  {problem}"));
    }
    match problems.len().saturating_sub(PROBLEMS_LISTED_MAX) {
        0 => text,
        more => text + &format!("\n  and {more} more"),
    }
}

fn helping(help: &Option<String>) -> impl fmt::Display + '_ {
    help.as_ref().map_or_else(String::new, |help| format!("; {help}"))
}
