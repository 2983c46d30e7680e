//! What an event does to a job and to its surroundings, as values.

use chrono::{DateTime, Utc};

use super::{
    failure::FailureClass,
    state::{Job, StateKind},
};
use crate::ids::ClaimId;

/// A job after an event, and what else must happen in the same transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The job as it now is.
    pub job: Job,
    /// In this order.
    pub effects: Vec<Effect>,
}

/// What must happen beside the job's own change, in the same transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// A new attempt begins: the job's number and lease say which.
    OpenAttempt,
    /// The attempt that had the lease ends.
    CloseAttempt {
        /// How.
        outcome: AttemptOutcome,
        /// For people, where there is something to say.
        message: Option<String>,
    },
    /// Jobs that wait for this one become ready ([`Event::SourceSucceeded`]).
    ReleaseDependants,
    /// Jobs that wait for this one are held ([`Event::SourceEnded`]).
    EndDependants {
        /// What became of this job and why.
        reason: String,
    },
    /// Jobs that are held because this one ended wait again ([`Event::Reopened`]).
    ReopenDependants,
    /// Jobs that are ready to copy from this one wait for it again ([`Event::SourceLost`]).
    /// Those at work have what they copy, or will say that they could not get it.
    WithholdDependants,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttemptOutcome {
    /// With a result.
    Succeeded,
    /// Badly; the worker said so.
    Failed(FailureClass),
    /// The worker gave it back.
    GivenBack,
    /// The worker never confirmed it.
    NotConfirmed,
    /// The worker was silent for too long.
    WorkerLost,
    /// A person took it away.
    Withdrawn,
}

impl AttemptOutcome {
    /// The name as stored and shown; a failure's class is stored beside it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed(_) => "failed",
            Self::GivenBack => "given_back",
            Self::NotConfirmed => "not_confirmed",
            Self::WorkerLost => "worker_lost",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// Why an event changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransitionError {
    /// The fencing token is not the job's current one: the attempt has ended.
    #[error("claim {claim_id} is no longer this job's; the job is {state}")]
    StaleClaim {
        /// The token that came.
        claim_id: ClaimId,
        /// Where the job stands.
        state: StateKind,
    },
    /// Claimed before its time.
    #[error("the job is not to start before {not_before}")]
    TooEarly {
        /// Its time.
        not_before: DateTime<Utc>,
    },
    /// The event makes no sense in this state.
    #[error("a job that is {state} cannot take the event {event:?}")]
    NotPossible {
        /// Where the job stands.
        state: StateKind,
        /// The event's name.
        event: &'static str,
    },
}
