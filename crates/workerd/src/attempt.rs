//! One attempt from its assignment to its end: confirm, fetch, train, upload, complete.
//!
//! One that an earlier daemon left is gone on with under the same claim, once the coordinator
//! has said that it is still ours: from its result if it had ended, else from its newest
//! local checkpoint, else from what it had published. What an attempt reads is gathered in [`crate::gather`]; how it ends is
//! told in [`crate::ending`].

use std::{sync::Arc, time::Duration};

use selffer_core::{
    ids::{CheckpointId, Claim},
    job::FailureClass,
    outcome::JobResult,
    stall::Stall,
};
use selffer_proto::v1::{self, CheckpointKind};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{
    ambient,
    assignment::{End, Task},
    cache::Cached,
    calls::patiently,
    daemon::Daemon,
    device::Place,
    folder::AttemptFolder,
    inputs::Inputs,
    lease::{Lease, Order},
    log_sender::LogSender,
    logs::AttemptLog,
    points, progress,
    protocol::{Request, Saved},
    reclaim::Left,
    soundness::Wanted,
    trainer_lock,
    training::{Trained, Training},
    uploads,
};

/// How long the trainer of an earlier daemon may take to write its checkpoint and end.
const EARLIER_TRAINER_WITHIN: Duration = Duration::from_secs(30);

/// One attempt under way.
pub(crate) struct Attempt<'a> {
    pub(crate) daemon: &'a Daemon,
    pub(crate) place: &'a Place,
    pub(crate) task: &'a Task,
    pub(crate) lease: Arc<Lease>,
    pub(crate) log: Arc<AttemptLog>,
    pub(crate) folder: AttemptFolder,
}

/// An attempt of which nobody knows whose it is; its lease is still held, and all that is there
/// of it lies in its folder.
#[derive(Clone, Debug)]
pub struct Parked {
    /// Its token.
    pub claim: Claim,
    /// What is there of it.
    pub folder: AttemptFolder,
}

/// Runs one attempt to its end, or until it is parked.
///
/// A daemon that was told to stop since the claim gives the lease back at once.
pub async fn run(daemon: &Daemon, place: &Place, task: Task, stop: &CancellationToken) -> Option<Parked> {
    let session = &daemon.session;
    let claim = task.claim;
    let lease = Arc::new(Lease::new(claim, ambient::now()));
    // Held from now on: a heartbeat between claim and confirmation must not miss it.
    session.leases.hold(lease.clone());
    if stop.is_cancelled() {
        lease.order(Order::Stop);
    }
    let log = Arc::new(AttemptLog::default());
    let folder = AttemptFolder::at(daemon.attempts.join(claim.claim_id.to_string()));
    let sender = LogSender::start(session.clone(), claim, (log.clone(), folder.clone()));
    let attempt = Attempt { daemon, place, task: &task, lease, log, folder };

    let ended = attempt.confirm_and_work().await;
    attempt.end(ended, sender).await
}

/// Goes on with an attempt that an earlier daemon left, or that was parked; its lease is held
/// already.
pub async fn go_on(daemon: &Daemon, place: &Place, left: Left) -> Option<Parked> {
    let Left { task, lease, folder, .. } = left;
    let (log, sent) = AttemptLog::left(&folder);
    let log = Arc::new(log);
    let attempt = Attempt { daemon, place, task: &task, lease, log: log.clone(), folder };
    attempt.keep_words_and_points();

    // Before that, the coordinator would take nothing that is said about it.
    let affirmed = attempt.until_affirmed().await;
    let with = (log, attempt.folder.clone());
    let sender = LogSender::go_on(daemon.session.clone(), task.claim, with, sent);
    let ended = match affirmed {
        Ok(()) => attempt.take_up_and_work().await,
        Err(end) => Err(end),
    };
    attempt.end(ended, sender).await
}

impl Attempt<'_> {
    async fn confirm_and_work(&self) -> Result<(JobResult, Saved), End> {
        tokio::select! {
            biased;
            () = self.lease.until(Order::Stop) => return Err(self.unconfirmed_end()),
            confirmed = self.confirm() => confirmed?,
        }
        let Task { claim, attempt, name, .. } = self.task;
        info!(job_id = %claim.job_id, attempt, name, "attempt started");
        self.folder.create(&self.place.worker, self.task).map_err(|error| {
            let message = format!("cannot write to {}: {error}", self.folder.path().display());
            End::failed(FailureClass::Infrastructure, message)
        })?;
        self.keep_words_and_points();
        self.work(None, &self.task.resume).await
    }

    // Where a daemon that dies leaves them, and where they wait for a coordinator that is away.
    fn keep_words_and_points(&self) {
        self.lease.keep_metrics_in(self.folder.clone());
        if let Err(error) = self.log.keep_in(&self.folder) {
            info!(job_id = %self.task.claim.job_id, %error, "the attempt's log is kept in memory only");
        }
    }

    async fn until_affirmed(&self) -> Result<(), End> {
        tokio::select! {
            biased;
            () = self.lease.until(Order::Park) => Err(self.ordered_end(false)),
            () = self.lease.until_affirmed() => Ok(()),
        }
    }

    async fn take_up_and_work(&self) -> Result<(JobResult, Saved), End> {
        tokio::select! {
            biased;
            () = self.lease.until(Order::Park) => return Err(self.ordered_end(false)),
            is_free = trainer_lock::until_free(&self.folder, EARLIER_TRAINER_WITHIN) => if !is_free {
                let message = "the trainer of an earlier daemon does not end";
                return Err(End::failed(FailureClass::Infrastructure, message));
            }
        }
        points::read(&self.folder).into_iter().for_each(|point| self.lease.add_metric(point));
        let (outcome, local) = self.what_is_left().await?;
        let Task { claim, attempt, name, .. } = self.task;
        let iteration =
            outcome.as_ref().map(|(_, saved)| saved).or(local.as_ref()).map(|saved| saved.iteration);
        self.lease.advance(iteration.unwrap_or(0), None, ambient::now());
        info!(job_id = %claim.job_id, attempt, name, ?iteration, "going on with an attempt that an earlier daemon left");
        if let Some(ended) = outcome {
            self.log.remark("a daemon that died had trained this network to its end");
            return Ok(ended);
        }
        let place = local.as_ref().map(|local| format!("iteration {}", local.iteration));
        let place = place.unwrap_or_else(|| "nothing of its own".to_owned());
        self.log.remark(format_args!("a daemon that died left this attempt; going on from {place}"));
        let resume = match local {
            Some(_) => Vec::new(),
            None => self.published_by_now().await,
        };
        self.work(local, &resume).await
    }

    /// What the coordinator has by now to go on from. The task says what it had before this
    /// attempt, which must do if there is no answer.
    async fn published_by_now(&self) -> Vec<CheckpointId> {
        let session = &self.daemon.session;
        // A claim that was granted is answered with its lease as it is.
        let again = patiently("Claim", || async {
            let request = v1::ClaimRequest {
                session_id: session.id(),
                worker: self.place.worker.clone(),
                claim_id: self.task.claim.claim_id.0.to_vec(),
                wait_ms: 0,
                ..Default::default()
            };
            session.workers().claim(request).await
        });
        let answer = tokio::select! {
            biased;
            () = self.lease.until(Order::Stop) => None,
            answer = again => answer.ok(),
        };
        let task = answer.and_then(|answer| Task::try_from(answer.into_inner().assignment?).ok());
        let ours = task.filter(|task| task.claim == self.task.claim);
        ours.map_or_else(|| self.task.resume.clone(), |task| task.resume)
    }

    async fn what_is_left(&self) -> Result<(Option<(JobResult, Saved)>, Option<Saved>), End> {
        let (wanted, folder, log) = (self.wanted(), self.folder.clone(), self.log.clone());
        let look = spawn_blocking(move || {
            let outcome = wanted.outcome(&folder, |problem| log.remark(problem));
            let local = match outcome {
                Some(_) => None,
                None => wanted.newest(&folder, |problem| log.remark(problem)),
            };
            (outcome, local)
        });
        look.await.map_err(|error| End::failed(FailureClass::Infrastructure, error.to_string()))
    }

    /// What a checkpoint must be to go on from it here.
    pub(crate) fn wanted(&self) -> Wanted {
        Wanted { key: self.task.key, device_kind: self.place.kind.clone() }
    }

    /// From everything being there to a result; `local` is what an earlier daemon left, `resume`
    /// what is tried without it.
    async fn work(&self, local: Option<Saved>, resume: &[CheckpointId]) -> Result<(JobResult, Saved), End> {
        let inputs = tokio::select! {
            biased;
            () = self.lease.until(Order::Stop) => return Err(self.stop_before_training(local).await),
            inputs = self.gather(resume) => inputs?,
            stall = self.until_stalled() => return Err(End::stalled(stall)),
        };
        let training = Training {
            lease: &self.lease,
            log: &self.log,
            inputs: &inputs,
            daemon: self.daemon,
            worker: &self.place.worker,
        };
        let request = self.request(&inputs, local.as_ref());
        match training.run(&request, local).await? {
            Trained::Finished { result, saved } => Ok((*result, saved)),
            Trained::Stopped(saved) => Err(self.publish_and_stop(&saved).await),
        }
    }

    async fn stop_before_training(&self, local: Option<Saved>) -> End {
        match local {
            Some(local) => self.publish_and_stop(&local).await,
            None => self.ordered_end(false),
        }
    }

    async fn publish_and_stop(&self, saved: &Saved) -> End {
        let session = &self.daemon.session;
        tokio::select! {
            () = self.lease.until(Order::Park) => self.ordered_end(true),
            published = uploads::publish(session, &self.lease, CheckpointKind::Intermediate, saved) => {
                match published {
                    Ok(_) => End::Stopped { started: true },
                    Err(error) => error.into(),
                }
            }
        }
    }

    async fn confirm(&self) -> Result<(), End> {
        let session = &self.daemon.session;
        let confirmed = patiently("Confirm", || async {
            let claim = Some(self.task.claim.into());
            session.workers().confirm(v1::ConfirmRequest { session_id: session.id(), claim }).await
        });
        confirmed.await.map(|_| ()).map_err(|status| {
            info!(job_id = %self.task.claim.job_id, reason = status.message(), "lease not confirmed");
            End::Dropped
        })
    }

    fn request(&self, inputs: &Inputs, local: Option<&Saved>) -> Request {
        let folder = |cached: &Cached| cached.folder.clone();
        let local = local.map(|local| local.folder.clone());
        let every_ms = |every: Duration| u64::try_from(every.as_millis()).unwrap_or(u64::MAX).max(1);
        Request {
            key: self.task.key,
            spec: inputs.spec.clone(),
            pack: inputs.pack.folder().to_owned(),
            source: inputs.source.as_ref().map(folder),
            imported: inputs.imported.as_ref().map(folder),
            resume: local.into_iter().chain(inputs.resume.as_ref().map(folder)).collect(),
            device: self.place.device,
            checkpoint_every_ms: self.daemon.checkpoint_every.map(every_ms),
            means: Some(self.daemon.means.clone()),
            folder: self.folder.path().to_owned(),
        }
    }

    /// Waits until it gets no further.
    pub(crate) async fn until_stalled(&self) -> Stall {
        progress::until_stalled(&self.daemon.session, &self.lease, self.daemon.stall_rule).await
    }

    // There is nothing of it here, and it returns to the others by itself.
    fn unconfirmed_end(&self) -> End {
        match self.ordered_end(false) {
            End::Parked => End::Dropped,
            end => end,
        }
    }

    pub(crate) fn ordered_end(&self, started: bool) -> End {
        match self.lease.ordered() {
            Order::Drop => End::Dropped,
            Order::Park => End::Parked,
            Order::Stop | Order::GoOn => End::Stopped { started },
        }
    }
}
