//! Checkpoints: enough to resume a training bit for bit, or to copy layers from.
//!
//! Random numbers need no place here: they are functions of job and iteration. A final
//! checkpoint has no momentum. Where checkpoints travel and rest is `artifacts`' business.

mod error;
mod files;
mod state;

use selffer_core::{ids::JobKey, outcome::TestResult};

pub use error::CheckpointError;

use crate::weights::{HostParameters, HostTensor};

/// A training, interrupted or finished.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// The job.
    pub key: JobKey,
    /// Updates done.
    pub iteration: u32,
    /// The device kind that it was made on; on another a continuation is not exact.
    pub device_kind: String,
    /// Metric points so far; the next one's number.
    pub metric_points: u32,
    /// Training losses since the last metric point.
    pub loss: LossSum,
    /// The smallest mean loss of any metric point or test so far.
    pub lowest_loss: f64,
    /// Tests so far.
    pub tests: Vec<TestResult>,
    /// Seconds of training and testing so far, over all trainers that worked on it. 0 in a
    /// final one: equal trainings have equal ones.
    pub training_s: f64,
    /// Seconds of testing so far; 0 in a final one.
    pub testing_s: f64,
    /// Seconds of waiting for images so far; 0 in a final one.
    pub waiting_s: f64,
    /// The mean image, `[H, W, C]`.
    pub mean: HostTensor,
    /// The layers in order.
    pub layers: Vec<CheckpointLayer>,
}

/// Training losses that no metric point tells yet.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LossSum {
    /// Their sum, in nats, in the order of iterations.
    pub sum: f64,
    /// How many.
    pub iterations: u32,
}

/// One layer of a checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckpointLayer {
    /// As in the network.
    pub name: String,
    /// Weight and bias.
    pub parameters: HostParameters,
    /// The solver's momentum; none of a frozen layer or at the end.
    pub momentum: Option<HostParameters>,
}
