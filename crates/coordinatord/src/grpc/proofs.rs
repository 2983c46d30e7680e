//! Results that cannot be true are not taken.
//!
//! A trainer compares its layers itself; here they are compared again, with what is stored,
//! so that a worker with a bug cannot give the fleet a frozen layer that moved.

use selffer_core::{
    ids::CheckpointId,
    job::{Failure, FailureClass},
    outcome::JobResult,
};
use selffer_storage::{Holder, Untrue};
use tonic::Status;
use tracing::warn;

use super::status::of_store;
use crate::coordinator::Coordinator;

/// Checks a result before it is stored. One that cannot be true ends the attempt as failed.
///
/// # Errors
/// It cannot be true, the claim is stale, or the store does not answer.
pub(super) async fn check_result(
    coordinator: &Coordinator,
    holder: &Holder,
    result: &JobResult,
    checkpoint: CheckpointId,
) -> Result<(), Status> {
    let (store, job_id) = (&coordinator.store, holder.claim.job_id);
    let checked = store.check_result(job_id, result, checkpoint).await.map_err(|error| of_store(&error))?;
    let Some(Untrue { why, iteration }) = checked else { return Ok(()) };
    let message = format!("the result cannot be true: {why}");
    let failure = Failure { class: FailureClass::TrainerError, message: message.clone() };
    store.fail(holder, &failure, iteration).await.map_err(|error| of_store(&error))?;
    coordinator.dispatcher.wake();
    coordinator.changed();
    warn!(%job_id, %why, "result refused");
    Err(Status::failed_precondition(message))
}
