//! Why a checkpoint cannot be written or read.

use std::{io, path::PathBuf};

use super::state::SCHEMA;

/// Why a checkpoint cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// A file cannot be written.
    #[error("cannot write checkpoint file {path}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A file cannot be read.
    #[error("cannot read checkpoint file {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// `state.json` is not one of ours.
    #[error("{path} is not a checkpoint's state of schema {SCHEMA}")]
    State {
        /// Which.
        path: PathBuf,
        /// What is wrong with it, if it is not the schema.
        #[source]
        source: Option<serde_json::Error>,
    },
    /// A file is not the one that was written.
    #[error("checkpoint file {path} does not have the digest that the state names")]
    Damaged {
        /// Which.
        path: PathBuf,
    },
    /// A file that lacks a tensor, or has one of another type.
    #[error("checkpoint file {path} has no f32 tensor {tensor:?}")]
    Tensor {
        /// Which.
        path: PathBuf,
        /// The tensor's name.
        tensor: &'static str,
        /// What safetensors says, if it is not the type.
        #[source]
        source: Option<safetensors::SafeTensorError>,
    },
    /// A layer whose name cannot be part of a file name.
    #[error("layer name {layer:?} cannot be a file name")]
    LayerName {
        /// As in the network.
        layer: String,
    },
}
