//! A job's life: its states, what can happen to it, and the one function that decides.
//!
//! No other code changes a job's state. Storage persists what `apply` returned, guarded
//! by the old state and the claim id; a guard that fails means the token was stale.

mod apply;
mod event;
mod failure;
mod state;
#[cfg(test)]
mod tests;
mod transition;

pub use apply::{apply, heard_of_source};
pub use event::{Event, GiveBackReason};
pub use failure::{Failure, FailureClass, HoldReason};
pub use state::{Budgets, Job, JobState, Lease, Phase, Progress, StateKind};
pub use transition::{AttemptOutcome, Effect, Transition, TransitionError};
