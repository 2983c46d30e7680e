//! Why a training ends badly, and what kind of failure that is.

use std::{error::Error, io};

use selffer_core::{
    ids::{Digest, JobKey},
    job::FailureClass,
    network::ShapeError,
};
use selffer_data::{PackError, weights::WeightsError};

use crate::checkpoint::CheckpointError;

/// Why a training ended badly.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The job was made for a trainer that computes differently.
    #[error("job was made for trainer semantics {given}, this trainer has {here}")]
    Semantics {
        /// The spec's.
        given: u32,
        /// Ours.
        here: u32,
    },
    /// Not the images that the job is about.
    #[error("job needs pack {expected}, got {found}")]
    Pack {
        /// The spec's.
        expected: Digest,
        /// The one that was handed in.
        found: Digest,
    },
    /// An image cannot be read.
    #[error(transparent)]
    Images(#[from] PackError),
    /// The network does not fit the images.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// Images, crop and network do not go together.
    #[error("images of {height}×{width} pixels, crop {crop}, do not fit a network of {side} pixels")]
    ImageSize {
        /// Rows of an image.
        height: u32,
        /// Columns of an image.
        width: u32,
        /// Side of the crop; `none` without one.
        crop: String,
        /// What the network takes.
        side: u32,
    },
    /// An arithmetic that only GPUs have.
    #[error("precision {given} needs a GPU; the CPU computes in f32")]
    Precision {
        /// The recipe's.
        given: &'static str,
    },
    /// A layer that does not begin with its one learned operator.
    #[error("layer {layer} must have one learned operator, its first")]
    LearnedOperator {
        /// Which.
        layer: String,
    },
    /// A subset without images of the target classes.
    #[error("pack has no {subset} images of the job's classes")]
    NoImages {
        /// `training` or `validation`.
        subset: &'static str,
    },
    /// Fewer outputs than classes.
    #[error("network has {outputs} outputs for {classes} classes")]
    Outputs {
        /// Of the last layer.
        outputs: u32,
        /// Of the target half.
        classes: usize,
    },
    /// More layers copied or frozen than there are below the last.
    #[error("treatment copies {copied} and freezes {frozen} of {layer_count} layers")]
    LayersCopied {
        /// Layers to copy.
        copied: u8,
        /// Layers to freeze.
        frozen: u8,
        /// Layers of the network.
        layer_count: usize,
    },
    /// A source network is missing, or was handed in where none is needed.
    #[error("job copies from {expected}, got {found}", expected = named(.expected), found = named(.found))]
    Source {
        /// The spec's source job.
        expected: Option<JobKey>,
        /// The job of the checkpoint that was handed in.
        found: Option<JobKey>,
    },
    /// Imported weights are missing, or were handed in where none are needed.
    #[error("job copies from {expected}, got {found}", expected = imported(.expected), found = imported(.found))]
    Imported {
        /// The spec's.
        expected: Option<Digest>,
        /// Of the weights that were handed in.
        found: Option<Digest>,
    },
    /// Imported weights cannot be read, or are not what was imported.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// A copied layer is missing or has other shapes in the source.
    #[error("layer {layer} is not the same layer in the source, with this network's shapes")]
    CopiedShape {
        /// Which.
        layer: String,
    },
    /// A checkpoint to resume from that belongs to another job.
    #[error("checkpoint belongs to job {found}, not to {expected}")]
    ResumeJob {
        /// The job being trained.
        expected: JobKey,
        /// The checkpoint's.
        found: JobKey,
    },
    /// A checkpoint to resume from that does not fit this network.
    #[error("checkpoint at iteration {iteration} does not fit the job's network")]
    ResumeShape {
        /// Where it was taken.
        iteration: u32,
    },
    /// A checkpoint to resume from that was made on another kind of device.
    #[error("checkpoint was made on {checkpoint}, this is {here}; its continuation would not be exact")]
    ResumeDevice {
        /// Where it was made.
        checkpoint: String,
        /// Where we are.
        here: String,
    },
    /// The loss of a training batch or of a test is infinite or not a number.
    #[error("loss is not finite at iteration {iteration}")]
    Diverged {
        /// Updates done before.
        iteration: u32,
    },
    /// A frozen layer whose weights are not its source's: a bug.
    #[error("frozen layer {layer} was changed by the training")]
    FrozenChanged {
        /// Which.
        layer: String,
    },
    /// A fine-tuned layer whose weights are still its source's.
    #[error("fine-tuned layer {layer} was not changed by the training")]
    FineTunedUnchanged {
        /// Which.
        layer: String,
    },
    /// No threads to compute with.
    #[error("cannot start {threads} threads")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// Why not.
        #[source]
        source: rayon::ThreadPoolBuildError,
    },
    /// No thread for a loader.
    #[error("cannot start a loader")]
    StartLoader {
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A loader that panicked: a bug.
    #[error("loader {loader} ended before its next batch was ready")]
    LoaderEnded {
        /// Which, from 0.
        loader: usize,
    },
    /// A tensor operation; only a bug or lack of memory can do that.
    #[error("tensor operation at iteration {iteration}")]
    Tensor {
        /// Updates done.
        iteration: u32,
        /// What candle says.
        #[source]
        source: candle_core::Error,
    },
    /// A checkpoint cannot be written or read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Whoever observes the training cannot take what it was given.
    #[error("cannot hand over the checkpoint of iteration {iteration}")]
    Observer {
        /// Updates done.
        iteration: u32,
        /// Why not.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

impl TrainError {
    /// The kind of failure, which decides about retries.
    #[must_use]
    pub fn class(&self) -> FailureClass {
        match self {
            Self::Semantics { .. }
            | Self::Pack { .. }
            | Self::Shape(_)
            | Self::ImageSize { .. }
            | Self::Precision { .. }
            | Self::LearnedOperator { .. }
            | Self::NoImages { .. }
            | Self::Outputs { .. }
            | Self::LayersCopied { .. }
            | Self::Source { .. }
            | Self::Imported { .. }
            | Self::CopiedShape { .. } => FailureClass::Invalid,
            Self::Diverged { .. } => FailureClass::Diverged,
            Self::FrozenChanged { .. }
            | Self::FineTunedUnchanged { .. }
            | Self::LoaderEnded { .. }
            | Self::Tensor { .. } => FailureClass::TrainerError,
            Self::ResumeJob { .. }
            | Self::ResumeShape { .. }
            | Self::ResumeDevice { .. }
            | Self::Threads { .. }
            | Self::StartLoader { .. }
            | Self::Images(_)
            | Self::Weights(_)
            | Self::Checkpoint(_)
            | Self::Observer { .. } => FailureClass::Infrastructure,
        }
    }
}

fn imported(digest: &Option<Digest>) -> String {
    digest.map_or_else(|| "no imported weights".to_owned(), |digest| format!("weights {digest}"))
}

fn named(key: &Option<JobKey>) -> String {
    key.map_or_else(|| "no network".to_owned(), |key| format!("network {key}"))
}
