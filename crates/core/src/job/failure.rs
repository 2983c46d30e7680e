//! Why attempts end badly and why jobs are held.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a job failed or an attempt ended badly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Decides what follows.
    pub class: FailureClass,
    /// For people; at most `REASON_BYTES_MAX`.
    pub message: String,
}

/// Kinds of failure, each with its own budget of retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// Spec, data or shapes are wrong: fails at once.
    Invalid,
    /// Panic or assertion in the trainer.
    TrainerError,
    /// The loss is not finite.
    Diverged,
    /// Device or host memory ran out.
    OutOfMemory,
    /// The worker was lost.
    WorkerLost,
    /// The device broke.
    Hardware,
    /// No progress.
    Stalled,
    /// Disk, fetch, upload.
    Infrastructure,
}

/// Why a job is held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum HoldReason {
    /// A person said so.
    Operator {
        /// Their words.
        reason: String,
    },
    /// It ended badly on too many workers, or started too often.
    Poison {
        /// What was seen.
        reason: String,
    },
    /// The network it copies from failed or was cancelled.
    SourceEnded {
        /// What became of it and why, e.g. `failed: the loss is not finite`.
        reason: String,
    },
}

impl fmt::Display for HoldReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator { reason } | Self::Poison { reason } => f.write_str(reason),
            Self::SourceEnded { reason } => write!(f, "its source network {reason}"),
        }
    }
}

impl FailureClass {
    /// All of them, in the order of the retry table.
    pub const ALL: [Self; 8] = [
        Self::Invalid,
        Self::TrainerError,
        Self::Diverged,
        Self::OutOfMemory,
        Self::WorkerLost,
        Self::Hardware,
        Self::Stalled,
        Self::Infrastructure,
    ];

    /// Whether the fleet is to blame: such a failure says nothing about the job, and only its
    /// own budget bounds how often it is tried again.
    #[must_use]
    pub fn is_ours(self) -> bool {
        matches!(self, Self::WorkerLost | Self::Infrastructure)
    }

    /// Whether it would end so again wherever it ran: the job's own fault, never tried again.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Invalid | Self::Diverged)
    }

    /// The name as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::TrainerError => "trainer_error",
            Self::Diverged => "diverged",
            Self::OutOfMemory => "out_of_memory",
            Self::WorkerLost => "worker_lost",
            Self::Hardware => "hardware",
            Self::Stalled => "stalled",
            Self::Infrastructure => "infrastructure",
        }
    }
}

impl fmt::Display for FailureClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
