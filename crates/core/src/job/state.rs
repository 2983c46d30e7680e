//! Where a job stands. Each state carries exactly what is true in it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::ids::{AttemptNumber, ClaimId, SessionId};

/// A job as the state machine sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Where it stands.
    pub state: JobState,
    /// The last attempt that was started; 0 if none.
    pub attempt: AttemptNumber,
    /// What is left of its retries.
    pub budgets: Budgets,
}

/// Where a job stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobState {
    /// Its source network is not trained yet.
    Waiting,
    /// Can be claimed from this time on.
    Ready {
        /// Not before; in the past for "at once".
        not_before: DateTime<Utc>,
    },
    /// Handed out, not confirmed.
    Leased {
        /// Whose it is.
        lease: Lease,
        /// When it was handed out.
        leased_at: DateTime<Utc>,
    },
    /// Confirmed by its worker.
    Running {
        /// Whose it is.
        lease: Lease,
        /// When it was confirmed.
        started_at: DateTime<Utc>,
    },
    /// The worker is silent; it may come back or still finish, nobody else may claim it.
    Suspect {
        /// Whose it was, and still is.
        lease: Lease,
        /// When its session expired.
        since: DateTime<Utc>,
    },
    /// Not to be run until a person says so.
    Held {
        /// Why.
        reason: HoldReason,
    },
    /// Trained and tested; its final checkpoint is published.
    Succeeded,
    /// Ended for good by its own fault.
    Failed {
        /// Why.
        failure: Failure,
    },
    /// Ended by a person, or no study wants it.
    Cancelled,
}

/// The nine states by name, as stored, sent and shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StateKind {
    /// See [`JobState::Waiting`].
    Waiting,
    /// See [`JobState::Ready`].
    Ready,
    /// See [`JobState::Leased`].
    Leased,
    /// See [`JobState::Running`].
    Running,
    /// See [`JobState::Suspect`].
    Suspect,
    /// See [`JobState::Held`].
    Held,
    /// See [`JobState::Succeeded`].
    Succeeded,
    /// See [`JobState::Failed`].
    Failed,
    /// See [`JobState::Cancelled`].
    Cancelled,
}

/// A worker's right to one attempt, until it ends or the worker is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The fencing token.
    pub claim_id: ClaimId,
    /// The session that holds it.
    pub session_id: SessionId,
    /// `NODE/cpu0`, `NODE/gpu0`.
    pub worker: String,
}

/// Where a running job is; not a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Getting pack and source checkpoint.
    Fetching,
    /// Updating weights.
    Training,
    /// Measuring accuracy.
    Testing,
    /// Sending its checkpoint.
    Uploading,
}

/// How far a running job is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// What it is doing.
    pub phase: Phase,
    /// Updates done.
    pub iteration: u32,
    /// Training images a second over the last report; 0 when not training.
    pub images_per_s: f32,
    /// Seconds since it last got further.
    pub age_s: f32,
}

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
        /// The source's state and reason.
        reason: String,
    },
}

/// Retries used so far, by budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budgets {
    /// The job's own errors.
    pub job: u32,
    /// Memory.
    pub memory: u32,
    /// Lost workers, stalls, hardware.
    pub lost: u32,
    /// Disk, fetch, upload.
    pub infrastructure: u32,
}

impl JobState {
    /// The state's name.
    #[must_use]
    pub fn kind(&self) -> StateKind {
        match self {
            Self::Waiting => StateKind::Waiting,
            Self::Ready { .. } => StateKind::Ready,
            Self::Leased { .. } => StateKind::Leased,
            Self::Running { .. } => StateKind::Running,
            Self::Suspect { .. } => StateKind::Suspect,
            Self::Held { .. } => StateKind::Held,
            Self::Succeeded => StateKind::Succeeded,
            Self::Failed { .. } => StateKind::Failed,
            Self::Cancelled => StateKind::Cancelled,
        }
    }

    /// The lease, in the three states that have one.
    #[must_use]
    pub fn lease(&self) -> Option<&Lease> {
        match self {
            Self::Leased { lease, .. } | Self::Running { lease, .. } | Self::Suspect { lease, .. } => {
                Some(lease)
            }
            _ => None,
        }
    }
}

impl StateKind {
    /// All nine, in the order of a job's life.
    pub const ALL: [Self; 9] = [
        Self::Waiting,
        Self::Ready,
        Self::Leased,
        Self::Running,
        Self::Suspect,
        Self::Held,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The name as stored, sent and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Ready => "ready",
            Self::Leased => "leased",
            Self::Running => "running",
            Self::Suspect => "suspect",
            Self::Held => "held",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether the job has ended; only an explicit act starts it again.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}
