//! What can happen to a job.

use super::{
    failure::{Failure, FailureClass, HoldReason},
    state::Lease,
};
use crate::ids::{AttemptNumber, ClaimId, SessionId};

/// One thing that happened. Events from workers carry their claim id; `apply` refuses
/// those whose claim is not the current one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Its source network succeeded.
    SourceSucceeded,
    /// Its source network failed, was cancelled or is held.
    SourceEnded {
        /// What became of it and why, e.g. `failed: the loss is not finite`.
        reason: String,
    },
    /// Its source network is no longer trained: what it copies from is gone.
    SourceLost,
    /// A worker claims it.
    Claimed {
        /// The new lease.
        lease: Lease,
    },
    /// The worker has the lease and starts.
    Confirmed {
        /// Its token.
        claim_id: ClaimId,
    },
    /// The lease was not confirmed in time.
    ConfirmationTimedOut {
        /// The token that was handed out.
        claim_id: ClaimId,
    },
    /// The worker's session expired.
    SessionExpired {
        /// The token.
        claim_id: ClaimId,
    },
    /// A worker lists (job, claim id) in its inventory: it still has it.
    WorkerReturned {
        /// The token.
        claim_id: ClaimId,
        /// The session that has it now; another one if the worker's daemon was restarted.
        session_id: SessionId,
    },
    /// The worker has been silent for `lost_after`.
    WorkerLost {
        /// The token.
        claim_id: ClaimId,
    },
    /// The worker gives the lease back without a result.
    GivenBack {
        /// The token.
        claim_id: ClaimId,
        /// Why; none of these uses a budget.
        reason: GiveBackReason,
    },
    /// It got further than any attempt before: a checkpoint of a larger iteration is published.
    Progressed {
        /// The token.
        claim_id: ClaimId,
    },
    /// Trained, tested, final checkpoint published.
    Completed {
        /// The token.
        claim_id: ClaimId,
    },
    /// The attempt ended badly.
    AttemptFailed {
        /// The token.
        claim_id: ClaimId,
        /// What happened.
        failure: Failure,
    },
    /// Nobody wants it any more.
    Cancelled,
    /// A person holds it.
    Held {
        /// Why.
        reason: HoldReason,
    },
    /// An attempt that ended badly is not to count: its worker was to blame. What it used is
    /// given back, and a job that ended because of it can start again. Of several attempts of one
    /// job, the newest first.
    Refunded {
        /// Which attempt.
        attempt: AttemptNumber,
        /// How it ended.
        class: FailureClass,
    },
    /// A person retries it, or a new submission wants it: fresh budgets. A source that is
    /// not trained must itself be on its way, or be re-opened in the same transaction.
    Reopened {
        /// Whether its source is trained; true where it has none.
        source_ready: bool,
    },
}

impl Event {
    /// The event's name, for logs and errors.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::SourceSucceeded => "source succeeded",
            Self::SourceEnded { .. } => "source ended",
            Self::SourceLost => "source lost",
            Self::Claimed { .. } => "claimed",
            Self::Confirmed { .. } => "confirmed",
            Self::ConfirmationTimedOut { .. } => "confirmation timed out",
            Self::SessionExpired { .. } => "session expired",
            Self::WorkerReturned { .. } => "worker returned",
            Self::WorkerLost { .. } => "worker lost",
            Self::GivenBack { .. } => "given back",
            Self::Progressed { .. } => "progressed",
            Self::Completed { .. } => "completed",
            Self::AttemptFailed { .. } => "attempt failed",
            Self::Cancelled => "cancelled",
            Self::Held { .. } => "held",
            Self::Refunded { .. } => "refunded",
            Self::Reopened { .. } => "re-opened",
        }
    }
}

/// Why a worker gave a lease back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GiveBackReason {
    /// The worker stops, is drained or preempted.
    WorkerStopping,
    /// It came too late, or the worker has no room.
    NotStarted,
}
