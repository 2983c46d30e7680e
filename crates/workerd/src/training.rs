//! The part of an attempt during which its trainer runs.
//!
//! Passes on what the trainer says (progress to the lease, checkpoints to the upload), and
//! to the trainer what is ordered. A trainer that is told to stop has a while to write its
//! checkpoint; one whose lease is gone is killed at once.

use std::{path::Path, sync::Arc, time::Duration};

use selffer_core::{job::FailureClass, outcome::JobResult};
use tokio::time::sleep;

use crate::{
    ambient,
    assignment::End,
    cache::Cache,
    child::Trainer,
    inputs::Inputs,
    intermediates::Intermediates,
    lease::{Lease, Order},
    logs::AttemptLog,
    protocol::{Event, Request, Saved},
    session::Session,
};

/// How long a trainer that was told to stop may take.
const STOP_WITHIN: Duration = Duration::from_secs(15);
/// How long the newest checkpoint of a trainer that ended badly may take to be sent.
const RESCUE_WITHIN: Duration = Duration::from_secs(60);
/// The same when the daemon stops.
const RESCUE_WITHIN_WHEN_STOPPING: Duration = Duration::from_secs(8);

/// What one trainer is run for.
pub struct Training<'a> {
    /// This program.
    pub executable: &'a Path,
    /// The way to the coordinator.
    pub session: &'a Arc<Session>,
    /// Whose job it is.
    pub lease: &'a Arc<Lease>,
    /// Where its standard error goes.
    pub log: &'a Arc<AttemptLog>,
    /// What it reads.
    pub inputs: &'a Inputs,
    /// Where that lies.
    pub cache: &'a Cache,
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
        let started = Trainer::start(self.executable, request, self.log.clone()).await;
        let mut trainer = started.map_err(|error| {
            End::failed(FailureClass::Infrastructure, format!("cannot start a trainer: {error}"))
        })?;
        let intermediates = Intermediates::start(self.session.clone(), self.lease.clone());
        // Whether the earlier daemon had sent it, nobody knows; sending it again costs nothing.
        local.into_iter().for_each(|local| intermediates.offer(local));
        let last = tokio::select! {
            biased;
            () = self.lease.until(Order::Drop) => {
                trainer.kill().await;
                return Err(End::Dropped);
            }
            () = self.out_of_time_to_stop() => {
                trainer.kill().await;
                self.log.remark("the trainer was told to stop, did not, and was killed");
                self.rescue(&intermediates).await;
                return Err(End::Stopped { started: true });
            }
            last = self.listen(&mut trainer, &intermediates) => last,
        };
        // A last word of failure says more than the exit status that follows from it.
        match (last, trainer.verdict().await) {
            (Some(Event::Failed(failure)), _) | (_, Some(failure)) => {
                // Nobody goes on from a checkpoint of these.
                if !matches!(failure.class, FailureClass::Invalid | FailureClass::Diverged) {
                    self.rescue(&intermediates).await;
                }
                Err(End::Failed(failure))
            }
            (Some(Event::Finished { result, saved }), None) => Ok(Trained::Finished { result, saved }),
            (Some(Event::Stopped(saved)), None) => Ok(Trained::Stopped(saved)),
            (_, None) => Err(End::failed(FailureClass::TrainerError, "the trainer ended without saying how")),
        }
    }

    // What was trained is not to be lost with its trainer.
    async fn rescue(&self, intermediates: &Intermediates) {
        let stopping = async {
            self.lease.until(Order::Stop).await;
            sleep(RESCUE_WITHIN_WHEN_STOPPING).await;
        };
        tokio::select! {
            () = self.lease.until(Order::Drop) => {}
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
                    self.session.news.notify_one();
                }
                Event::Progress { iteration, images_per_s } => {
                    self.lease.advance(iteration, Some(images_per_s), now);
                }
                Event::Metric(point) => self.lease.add_metric(point),
                Event::Checkpoint(saved) => intermediates.offer(saved),
                Event::Damaged(input) => self.inputs.discard(self.cache, input),
                last @ (Event::Finished { .. } | Event::Stopped(_) | Event::Failed(_)) => return Some(last),
            }
        }
    }
}
