//! One attempt from its assignment to its end: confirm, fetch, train, upload, complete.
//!
//! However it ends, the coordinator is told once (completed, failed or given back), unless
//! the lease is gone: then nobody wants to hear of it. Nothing of an attempt outlives it here
//! but what went into the cache.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use selffer_core::{
    ids::{CheckpointId, Claim},
    job::{FailureClass, Phase},
    outcome::JobResult,
    spec::JobSpec,
};
use selffer_proto::v1::{self, CheckpointKind};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    ambient,
    assignment::{End, Task},
    cache::{Cached, EntryName},
    calls::patiently,
    daemon::Daemon,
    fetch::{Fetch, FetchError},
    inputs::Inputs,
    lease::{Lease, Order},
    log_sender::LogSender,
    logs::AttemptLog,
    protocol::{Device, Request, Saved},
    telling::Telling,
    training::{Trained, Training},
    uploads,
};

/// How long the last words of an attempt's log may take.
const LAST_WORDS_WITHIN: Duration = Duration::from_secs(5);

/// One attempt under way.
struct Attempt<'a> {
    daemon: &'a Daemon,
    device: Device,
    task: &'a Task,
    lease: Arc<Lease>,
    log: Arc<AttemptLog>,
    folder: PathBuf,
}

/// Runs one attempt to its end.
///
/// A daemon that was told to stop since the claim gives the lease back at once.
pub async fn run(daemon: &Daemon, device: Device, task: Task, stop: &CancellationToken) {
    let session = &daemon.session;
    let claim = task.claim;
    let lease = Arc::new(Lease::new(claim, ambient::now()));
    // Held from now on: a heartbeat between claim and confirmation must not miss it.
    session.leases.hold(lease.clone());
    if stop.is_cancelled() {
        lease.order(Order::Stop);
    }
    let log = Arc::new(AttemptLog::default());
    let folder = daemon.attempts.join(claim.claim_id.to_string());
    let sender = LogSender::start(session.clone(), claim, log.clone());
    let attempt = Attempt { daemon, device, task: &task, lease, log, folder };

    let ended = attempt.confirm_and_work().await;
    attempt.settle(ended, sender).await;

    session.leases.release(claim);
    // What stays goes when the next daemon starts here.
    let _ = std::fs::remove_dir_all(&attempt.folder);
}

impl Attempt<'_> {
    async fn confirm_and_work(&self) -> Result<(JobResult, Saved), End> {
        tokio::select! {
            biased;
            () = self.lease.until(Order::Stop) => return Err(self.ordered_end(false)),
            confirmed = self.confirm() => confirmed?,
        }
        let Task { claim, attempt, name, .. } = self.task;
        info!(job_id = %claim.job_id, attempt, name, "attempt started");
        let inputs = tokio::select! {
            biased;
            () = self.lease.until(Order::Stop) => return Err(self.ordered_end(false)),
            inputs = self.fetch() => inputs?,
        };
        std::fs::create_dir_all(&self.folder).map_err(|error| {
            let message = format!("cannot make {}: {error}", self.folder.display());
            End::failed(FailureClass::Infrastructure, message)
        })?;
        let training = Training {
            executable: &self.daemon.executable,
            session: &self.daemon.session,
            lease: &self.lease,
            log: &self.log,
            inputs: &inputs,
            cache: &self.daemon.cache,
        };
        let request = self.request(&inputs);
        match training.run(&request).await? {
            Trained::Finished { result, saved } => Ok((*result, saved)),
            Trained::Stopped(saved) => {
                let publish =
                    uploads::publish(&self.daemon.session, &self.lease, CheckpointKind::Intermediate, &saved);
                tokio::select! {
                    () = self.lease.until(Order::Drop) => return Err(End::Dropped),
                    published = publish => published?,
                };
                Err(End::Stopped { started: true })
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

    async fn fetch(&self) -> Result<Inputs, End> {
        let spec: JobSpec = serde_json::from_str(&self.task.spec_json).map_err(|error| {
            End::failed(FailureClass::Invalid, format!("the job's spec cannot be read: {error}"))
        })?;
        let Daemon { session, cache, .. } = self.daemon;
        let fetch = Fetch { session, cache, lease: &self.lease };
        let pack = fetch.pack(spec.pack).await?;
        let source = match self.task.source {
            Some(id) => Some(fetch.checkpoint(id).await.map_err(source_end)?),
            None => None,
        };
        let resume = match self.task.resume {
            Some(id) => self.fetch_resume(&fetch, id).await?,
            None => None,
        };
        Ok(Inputs { spec, pack, source, resume })
    }

    // A checkpoint that is gone costs work, not the job.
    async fn fetch_resume(&self, fetch: &Fetch<'_>, id: CheckpointId) -> Result<Option<Cached>, End> {
        match fetch.checkpoint(id).await {
            Ok(cached) => Ok(Some(cached)),
            Err(error @ (FetchError::Missing { .. } | FetchError::Refused { .. })) => {
                self.log.remark(format_args!("starting over: {error}"));
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn telling(&self) -> Telling<'_> {
        Telling { session: &self.daemon.session, lease: &self.lease }
    }

    fn request(&self, inputs: &Inputs) -> Request {
        let folder = |cached: &Cached| cached.folder.clone();
        Request {
            key: self.task.key,
            spec: inputs.spec.clone(),
            pack: folder(&inputs.pack),
            source: inputs.source.as_ref().map(folder),
            resume: inputs.resume.as_ref().map(folder),
            device: self.device,
            checkpoint_every_s: self.daemon.checkpoint_every.map(|every| every.as_secs()),
            folder: self.folder.clone(),
        }
    }

    fn ordered_end(&self, started: bool) -> End {
        match self.lease.ordered() {
            Order::Drop => End::Dropped,
            Order::Stop | Order::GoOn => End::Stopped { started },
        }
    }

    // The last words go first: nothing of an attempt is taken once it has ended.
    async fn settle(&self, ended: Result<(JobResult, Saved), End>, sender: LogSender) {
        let ended = match ended {
            Ok((result, saved)) => self.finish(&result, &saved, sender).await,
            Err(end) => {
                if !matches!(end, End::Dropped) {
                    let last_words = sender.finish();
                    let metrics = self.daemon.session.flush_metrics(&self.lease);
                    let _ = timeout(LAST_WORDS_WITHIN, async { tokio::join!(last_words, metrics) }).await;
                }
                Err(end)
            }
        };
        let Task { claim: Claim { job_id, .. }, attempt, name, .. } = self.task;
        let told = match ended {
            Ok(()) => return info!(%job_id, attempt, name, "attempt succeeded"),
            Err(End::Dropped) => return info!(%job_id, attempt, name, "attempt dropped: its lease is gone"),
            Err(End::Stopped { started }) => {
                info!(%job_id, attempt, name, "attempt given back");
                self.telling().give_back(started).await
            }
            Err(End::Failed(failure)) => {
                warn!(%job_id, attempt, name, class = ?failure.class, failure = failure.message, "attempt failed");
                self.telling().fail(&failure).await
            }
        };
        if let Err(status) = told {
            info!(%job_id, attempt, reason = status.message(), "the end of the attempt was not taken");
        }
    }

    async fn finish(&self, result: &JobResult, saved: &Saved, sender: LogSender) -> Result<(), End> {
        self.lease.enter(Phase::Uploading, ambient::now());
        let session = &self.daemon.session;
        session.news.notify_one();
        let ended = async {
            let upload = uploads::publish(session, &self.lease, CheckpointKind::Final, saved);
            let last_words = timeout(LAST_WORDS_WITHIN, sender.finish());
            let (id, ..) = tokio::join!(upload, session.flush_metrics(&self.lease), last_words);
            let id = id?;
            self.keep(id, result, &saved.folder);
            self.telling().complete(id, result).await
        };
        tokio::select! {
            () = self.lease.until(Order::Drop) => Err(End::Dropped),
            ended = ended => ended,
        }
    }

    // A dependant often comes to the worker that trained its source.
    fn keep(&self, id: CheckpointId, result: &JobResult, folder: &Path) {
        let name = EntryName::checkpoint(id);
        let cache = &self.daemon.cache;
        let kept = cache.admit(&name, folder).and_then(|_| cache.note_weights(&name, result.weights_digest));
        if let Err(error) = kept {
            info!(%error, "the final checkpoint was not kept in the cache");
        }
    }
}

// The source's network is trained; that its checkpoint is not there now is not this job's fault.
fn source_end(error: FetchError) -> End {
    let message = format!("the source network: {:#}", anyhow::Error::from(error));
    End::failed(FailureClass::Infrastructure, message)
}
