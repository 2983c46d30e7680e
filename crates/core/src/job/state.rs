//! Where a job stands. Each state carries exactly what is true in it.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::failure::{Failure, HoldReason};
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

/// Retries used so far, by budget, since the job was submitted, last re-opened or last got
/// further.
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
    /// Attempts in a row that ended badly without getting further, whatever the budget.
    #[serde(default)]
    pub fruitless: u32,
    /// Starts, whatever they came to; not a retry, but bounded too. Only re-opening resets it.
    #[serde(default)]
    pub starts: u32,
    /// The attempt after which the counting began; what that and earlier ones used is forgotten.
    #[serde(default)]
    pub since: AttemptNumber,
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

    /// What became of the job and why, for those who wait for it: `failed: …`; none unless it
    /// has ended without success or is held.
    #[must_use]
    pub fn ended_as(&self) -> Option<String> {
        match self {
            Self::Held { reason } => Some(format!("is held: {reason}")),
            Self::Failed { failure } => Some(format!("failed: {}", failure.message)),
            Self::Cancelled => Some("was cancelled".to_owned()),
            _ => None,
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

impl fmt::Display for StateKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
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
