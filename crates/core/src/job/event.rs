//! What can happen to a job.

use super::state::{Failure, HoldReason, Lease};
use crate::ids::ClaimId;

/// One thing that happened. Events from workers carry their claim id; `apply` refuses
/// those whose claim is not the current one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Its source network succeeded.
    SourceSucceeded,
    /// Its source network failed, was cancelled or is held.
    SourceEnded {
        /// What to tell people.
        reason: String,
    },
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
    /// A person retries it, or a new submission wants it: fresh budgets.
    Reopened {
        /// Whether its source is trained.
        source_ready: bool,
    },
}

/// Why a worker gave a lease back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GiveBackReason {
    /// The worker stops, is drained or preempted.
    WorkerStopping,
    /// It came too late, or the worker has no room.
    NotStarted,
}
