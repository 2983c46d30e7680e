//! Completions that arrive while others are being committed are committed together, with those
//! that are worth waiting for.
//!
//! There is no task for it: whoever gets a turn takes along what has queued up, and tells each
//! what came of it. All of it runs in the handlers' own tasks, which no client can break off.

use std::{
    future::Future,
    sync::{Mutex, MutexGuard, PoisonError},
};

use selffer_storage::{Completed, Completion};
use tokio::{
    sync::{Mutex as Turn, Notify, oneshot},
    time::{Instant, timeout_at},
};
use tonic::Status;

use crate::gathering::Gathering;

/// Completions that one transaction makes.
const COMPLETIONS_IN_ONE: usize = 64;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Completer {
    queue: Mutex<Vec<Queued>>,
    arrived: Notify,
    turn: Turn<Gathering>,
}

#[derive(Debug)]
struct Queued {
    completion: Completion,
    answer: oneshot::Sender<Result<Completed, Status>>,
}

impl Completer {
    /// Has a completion made by `make`, which answers as many as it is given, in their order.
    pub(crate) async fn complete<F>(
        &self,
        completion: Completion,
        make: impl Fn(Vec<Completion>) -> F,
    ) -> Result<Completed, Status>
    where
        F: Future<Output = Vec<Result<Completed, Status>>>,
    {
        let (answer, mut answered) = oneshot::channel();
        self.queue().push(Queued { completion, answer });
        self.arrived.notify_one();
        let mut gathering = self.turn.lock().await;
        loop {
            match answered.try_recv() {
                Ok(answer) => return answer,
                Err(oneshot::error::TryRecvError::Closed) => {
                    return Err(Status::internal("the coordinator has a bug: completing broke off"));
                }
                // Whoever had the turn before did not take it along.
                Err(oneshot::error::TryRecvError::Empty) => {}
            }
            let (completions, answers): (Vec<_>, Vec<_>) = self
                .next(&gathering)
                .await
                .into_iter()
                .map(|queued| (queued.completion, queued.answer))
                .unzip();
            let made = make(completions).await;
            gathering.expect(made.len() + self.queue().len(), Instant::now());
            for (answer, made) in answers.into_iter().zip(made) {
                // Its handler may have been ended with the program.
                let _ = answer.send(made);
            }
        }
    }

    /// The next ones to be made together.
    async fn next(&self, gathering: &Gathering) -> Vec<Queued> {
        let (expected, until) = gathering.expected(Instant::now());
        let expected = expected.min(COMPLETIONS_IN_ONE);
        while self.queue().len() < expected && timeout_at(until, self.arrived.notified()).await.is_ok() {}
        let mut queue = self.queue();
        let some = queue.len().min(COMPLETIONS_IN_ONE);
        queue.drain(..some).collect()
    }

    fn queue(&self) -> MutexGuard<'_, Vec<Queued>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use selffer_core::{
        ids::{CheckpointId, ClaimId, Digest, JobId, SessionId},
        outcome::{JobResult, TestResult},
    };
    use selffer_storage::{Claim, Holder};
    use uuid::Uuid;

    use super::*;

    fn completion(number: u128) -> Completion {
        let claim = Claim { job_id: JobId(Uuid::from_u128(number)), claim_id: ClaimId([1; 16]) };
        let result = JobResult {
            test: TestResult { images: 1, top1_correct: 1, top5_correct: 1, loss: 0.0 },
            tests: 1,
            top1_best10: None,
            correct_bits: Vec::new(),
            weights_digest: Digest([0; 32]),
            layer_digests: Vec::new(),
            copied_layers_unchanged: None,
            stuck_at_chance: false,
            training_s: 0.0,
            testing_s: 0.0,
            waiting_s: 0.0,
            device_kind: String::new(),
        };
        let holder = Holder { session_id: SessionId(Uuid::from_u128(1)), claim };
        Completion { holder, result, checkpoint_id: CheckpointId(Uuid::from_u128(2)) }
    }

    #[tokio::test]
    async fn what_queues_up_is_made_together_and_each_hears_its_own_answer() {
        let (completer, rounds) = (Arc::new(Completer::default()), Arc::new(AtomicUsize::new(0)));
        let calls = (0..200_u32).map(|number| {
            let (completer, rounds) = (Arc::clone(&completer), Arc::clone(&rounds));
            tokio::spawn(async move {
                let make = |completions: Vec<Completion>| {
                    assert!((1..=COMPLETIONS_IN_ONE).contains(&completions.len()));
                    rounds.fetch_add(1, Ordering::Relaxed);
                    let answer = |one: Completion| {
                        let released = one.holder.claim.job_id.0.as_u128() as u32;
                        Ok(Completed { released, ..Completed::default() })
                    };
                    async move {
                        tokio::task::yield_now().await;
                        completions.into_iter().map(answer).collect()
                    }
                };
                (number, completer.complete(completion(number.into()), make).await)
            })
        });

        for call in calls.collect::<Vec<_>>() {
            let (number, answer) = call.await.unwrap();
            assert_eq!(answer.unwrap().released, number);
        }
        let rounds = rounds.load(Ordering::Relaxed);
        assert!(rounds <= 10, "{rounds} rounds for what was there at once");
    }
}
