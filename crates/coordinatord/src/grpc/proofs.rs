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
    let checked = match coordinator.store.check_results(&completions).await {
        Ok(checked) => checked,
        Err(error) => return nobody(&completions, &of_store(&error)),
    };
    let (mut sound, mut untrue) = (Vec::new(), Vec::new());
    for (place, (completion, found)) in completions.into_iter().zip(checked).enumerate() {
        match found {
            None => sound.push(completion),
            Some(found) => untrue.push((place, completion.holder, found)),
        }
    }
    let mut answers: Vec<_> = match coordinator.store.complete_each(&sound).await {
        Ok(completed) => completed.into_iter().map(|one| one.map_err(|error| of_store(&error))).collect(),
        Err(error) => nobody(&sound, &of_store(&error)),
    };
    // In their order, so that each comes to stand where it was.
    for (place, holder, found) in untrue {
        answers.insert(place, Err(refuse(&coordinator, &holder, found).await));
    }
    answers
}

/// None of them is known to be done.
fn nobody(completions: &[Completion], why: &Status) -> Vec<Result<Completed, Status>> {
    completions.iter().map(|_| Err(why.clone())).collect()
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
