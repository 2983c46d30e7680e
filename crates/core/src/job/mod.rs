//! A job's life: its states, what can happen to it, and the one function that decides.
//!
//! No other code changes a job's state. Storage persists what `apply` returned, guarded
//! by the old state and the claim id; a guard that fails means the token was stale.

mod event;
mod state;

pub use event::{Event, GiveBackReason};
pub use state::{
    Budgets, Failure, FailureClass, HoldReason, Job, JobState, Lease, Phase, Progress, StateKind,
};
