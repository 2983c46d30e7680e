//! Results that cannot be true are not taken.
//!
//! A trainer compares its layers itself; here they are compared again, with what is stored,
//! so that a worker with a bug cannot give the fleet a frozen layer that moved.

use std::sync::Arc;

use selffer_core::job::{Failure, FailureClass};
use selffer_storage::{Completed, Completion, Holder, Untrue};
use tonic::Status;
use tracing::warn;

use super::status::of_store;
use crate::coordinator::Coordinator;

/// Stores results that can be true; what came of each, in their order.
pub(super) async fn complete_each(
    coordinator: Arc<Coordinator>,
    completions: Vec<Completion>,
) -> Vec<Result<Completed, Status>> {
    let everybody = |status: &Status| completions.iter().map(|_| Err(status.clone())).collect();
    let checked = match coordinator.store.check_results(&completions).await {
        Ok(checked) => checked,
        Err(error) => return everybody(&of_store(&error)),
    };
    let checked: Vec<_> = completions.iter().cloned().zip(checked).collect();
    let sound = checked.iter().filter(|(_, untrue)| untrue.is_none());
    let sound: Vec<Completion> = sound.map(|(completion, _)| completion.clone()).collect();
    let mut completed = match coordinator.store.complete_each(&sound).await {
        Ok(completed) => completed.into_iter(),
        Err(error) => return everybody(&of_store(&error)),
    };
    let mut answers = Vec::with_capacity(checked.len());
    for (completion, untrue) in checked {
        answers.push(match untrue {
            Some(untrue) => Err(refuse(&coordinator, &completion.holder, untrue).await),
            None => match completed.next() {
                Some(completed) => completed.map_err(|error| of_store(&error)),
                None => Err(Status::internal("the coordinator has a bug: a completion without an answer")),
            },
        });
    }
    answers
}

/// Ends an attempt whose result cannot be true; what its worker hears.
async fn refuse(coordinator: &Coordinator, holder: &Holder, untrue: Untrue) -> Status {
    let Untrue { why, iteration } = untrue;
    let message = format!("the result cannot be true: {why}");
    let failure = Failure { class: FailureClass::TrainerError, message: message.clone() };
    if let Err(error) = coordinator.store.fail(holder, &failure, iteration).await {
        return of_store(&error);
    }
    coordinator.dispatcher.wake();
    coordinator.changed();
    warn!(job_id = %holder.claim.job_id, %why, "result refused");
    Status::failed_precondition(message)
}
