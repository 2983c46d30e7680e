//! The part of an attempt during which its trainer runs.
//!
//! Passes on what the trainer says (progress to the lease, checkpoints to the upload), and
//! to the trainer what is ordered. A trainer that is told to stop has a while to write its
//! checkpoint; one whose lease is gone, or that gets no further, is killed at once.

use std::{sync::Arc, time::Duration};

use selffer_core::{
    job::{Failure, FailureClass},
    outcome::JobResult,
    stall::Stall,
};
use tokio::time::sleep;
use tracing::warn;

use crate::{
    ambient,
    assignment::End,
    child::Trainer,
    daemon::Daemon,
    group::Group,
    inputs::Inputs,
    intermediates::Intermediates,
    lease::{Lease, Order},
    logs::AttemptLog,
    progress::until_stalled,
    protocol::{Event, Request, Saved},
    threads,
};

/// How long a trainer that was told to stop may take.
const STOP_WITHIN: Duration = Duration::from_secs(15);
/// How long the newest checkpoint of a trainer that ended badly may take to be sent.
const RESCUE_WITHIN: Duration = Duration::from_secs(60);
/// The same when the daemon stops.
const RESCUE_WITHIN_WHEN_STOPPING: Duration = Duration::from_secs(8);

/// What one trainer is run for.
pub struct Training<'a> {
    /// Whose job it is.
    pub lease: &'a Arc<Lease>,
    /// Where its standard error goes.
    pub log: &'a Arc<AttemptLog>,
    /// What it reads.
    pub inputs: &'a Inputs,
    /// What it is run with.
    pub daemon: &'a Daemon,
    /// The worker whose device it has.
    pub worker: &'a str,
}

/// How a trainer ended in order.
#[derive(Debug)]
pub enum Trained {
    /// Trained and tested.
    Finished {
        /// What came out.
        result: Box<JobResult>,
        /// The final checkpoint.
        saved: Saved,
    },
    /// Told to stop.
    Stopped(Saved),
}

impl Training<'_> {
    /// Runs a trainer on this request to its end; `local` is what it goes on from, if an
    /// earlier daemon left that.
    ///
    /// # Errors
    /// It ended badly, was stopped without leaving a checkpoint, or the lease is gone.
    pub async fn run(&self, request: &Request, local: Option<Saved>) -> Result<Trained, End> {
        let session = &self.daemon.session;
        let started = Trainer::start(&self.daemon.executable, request, self.log.clone()).await;
        let mut trainer = started.map_err(|error| {
            End::failed(FailureClass::Infrastructure, format!("cannot start a trainer: {error}"))
        })?;
        let process_id = trainer.process_id();
        let intermediates = Intermediates::start(session.clone(), self.lease.clone());
        // Whether the earlier daemon had sent it, nobody knows; sending it again costs nothing.
        local.into_iter().for_each(|local| intermediates.offer(local));
        let last = tokio::select! {
            biased;
            () = self.lease.until(Order::Drop) => {
                self.note_what_stays(trainer.kill().await);
                return Err(End::Dropped);
            }
            () = self.out_of_time_to_stop() => {
                self.note_what_stays(trainer.kill().await);
                self.log.remark("the trainer was told to stop, did not, and was killed");
                self.rescue(&intermediates).await;
                return Err(self.stopped_end());
            }
            last = self.listen(&mut trainer, &intermediates) => last,
            stall = until_stalled(session, self.lease, self.daemon.stall_rule) => {
                self.note_threads(stall, process_id);
                self.note_what_stays(trainer.kill().await);
                self.rescue(&intermediates).await;
                return Err(End::stalled(stall));
            }
        };
        let (verdict, stays) = trainer.ended().await;
        self.note_what_stays(stays);
        // A last word of failure says more than the exit status that follows from it.
        match (last, verdict) {
            (Some(Event::Failed(failure)), _) | (_, Some(failure)) => {
                Err(self.failed_end(failure, &intermediates).await)
            }
            (Some(Event::Finished { result, saved }), None) => Ok(Trained::Finished { result, saved }),
            (Some(Event::Stopped(saved)), None) => Ok(Trained::Stopped(saved)),
            (_, None) => Err(End::failed(FailureClass::TrainerError, "the trainer ended without saying how")),
        }
    }

    async fn failed_end(&self, failure: Failure, intermediates: &Intermediates) -> End {
        // Nobody goes on from a checkpoint of these.
        if matches!(failure.class, FailureClass::Invalid | FailureClass::Diverged) {
            return End::Failed(failure);
        }
        self.rescue(intermediates).await;
        // A last checkpoint that had no room costs what came after the one before, and no retry.
        match failure.class {
            FailureClass::Infrastructure if self.lease.ordered() >= Order::Stop => self.stopped_end(),
            _ => End::Failed(failure),
        }
    }

    fn stopped_end(&self) -> End {
        match self.lease.ordered() {
            Order::Drop => End::Dropped,
            Order::Park => End::Parked,
            Order::Stop | Order::GoOn => End::Stopped { started: true },
        }
    }

    // The next trainer gets no device on which something of this one lives.
    fn note_what_stays(&self, stays: Option<Group>) {
        if let Some(group) = stays {
            self.log.remark("processes of the trainer do not end though they were killed");
            self.daemon.occupied.by(self.worker, group);
        }
    }

    fn note_threads(&self, stall: Stall, process_id: Option<u32>) {
        let threads = process_id.map(threads::told_of).unwrap_or_default();
        self.log.remark(format_args!("{stall}; the trainer is killed. Its threads:\n{threads}"));
        warn!(worker = self.worker, job_id = %self.lease.claim.job_id, %stall, "the trainer is stalled");
    }

    // What was trained is not to be lost with its trainer.
    async fn rescue(&self, intermediates: &Intermediates) {
        let stopping = async {
            self.lease.until(Order::Stop).await;
            sleep(RESCUE_WITHIN_WHEN_STOPPING).await;
        };
        tokio::select! {
            () = self.lease.until(Order::Park) => {}
            () = intermediates.settled() => {}
            () = stopping => {}
            () = sleep(RESCUE_WITHIN) => {}
        }
    }

    async fn out_of_time_to_stop(&self) {
        self.lease.until(Order::Stop).await;
        sleep(STOP_WITHIN).await;
    }

    // Until its last word, or its silence.
    async fn listen(&self, trainer: &mut Trainer, intermediates: &Intermediates) -> Option<Event> {
        let mut stop_sent = false;
        loop {
            let event = tokio::select! {
                event = trainer.next() => event?,
                () = self.lease.until(Order::Stop), if !stop_sent => {
                    trainer.stop().await;
                    stop_sent = true;
                    continue;
                }
            };
            let now = ambient::now();
            match event {
                Event::Phase { phase, iteration } => {
                    self.lease.enter(phase, now);
                    self.lease.advance(iteration, None, now);
                    self.daemon.session.news.notify_one();
                }
                Event::Progress { iteration, images_per_s } => {
                    self.lease.advance(iteration, Some(images_per_s), now);
                }
                Event::Tested { batches } => self.lease.tested(batches, now),
                Event::Metric(point) => self.lease.add_metric(point),
                Event::Checkpoint(saved) => intermediates.offer(saved),
                Event::Damaged(input) => self.inputs.discard(&self.daemon.cache, input),
                last @ (Event::Finished { .. } | Event::Stopped(_) | Event::Failed(_)) => return Some(last),
            }
        }
    }
}
