//! The end of an attempt: its last words, its result, and what stays of it here.
//!
//! However it ends, the coordinator is told once (completed, failed or given back), unless
//! the lease is gone: then nobody wants to hear of it. Nothing of an attempt outlives it here
//! but what went into the cache, unless it is parked: then all of it stays, and nothing is said.

use std::{path::Path, time::Duration};

use selffer_core::{
    ids::{CheckpointId, Claim},
    job::Phase,
    outcome::JobResult,
};
use selffer_proto::v1::CheckpointKind;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::{
    ambient,
    assignment::{End, Task},
    attempt::{Attempt, Parked},
    cache::EntryName,
    lease::Order,
    log_sender::LogSender,
    protocol::Saved,
    telling::Telling,
    trainer_lock, uploads,
};

/// How long the last words of an attempt's log may take.
const LAST_WORDS_WITHIN: Duration = Duration::from_secs(5);

impl Attempt<'_> {
    /// Tells how the attempt ended and cleans up after it.
    pub(crate) async fn end(
        &self,
        ended: Result<(JobResult, Saved), End>,
        sender: LogSender,
    ) -> Option<Parked> {
        let ended = match ended {
            Ok((result, saved)) => self.finish(&result, &saved, sender).await,
            Err(end) => self.last_words(end, sender).await,
        };
        if matches!(ended, Err(End::Parked)) {
            let Task { claim, attempt, name, .. } = self.task;
            info!(job_id = %claim.job_id, attempt, name, "attempt parked until the coordinator is back");
            return Some(Parked { claim: *claim, folder: self.folder.clone() });
        }
        self.settle(ended).await;
        self.daemon.session.leases.release(self.task.claim);
        // Only one of an earlier daemon, whose lease is gone, can still be there.
        let _ = trainer_lock::until_free(&self.folder, Duration::ZERO).await;
        self.folder.remove();
        None
    }

    // The last words go first: nothing of an attempt is taken once it has ended.
    async fn last_words(&self, end: End, sender: LogSender) -> Result<(), End> {
        if !matches!(end, End::Dropped | End::Parked) {
            let last_words = sender.finish();
            let metrics = self.daemon.session.flush_metrics(&self.lease);
            let _ = timeout(LAST_WORDS_WITHIN, async { tokio::join!(last_words, metrics) }).await;
        }
        Err(end)
    }

    async fn settle(&self, ended: Result<(), End>) {
        let Task { claim: Claim { job_id, .. }, attempt, name, .. } = self.task;
        let told = match ended {
            Ok(()) => return info!(%job_id, attempt, name, "attempt succeeded"),
            Err(End::Parked | End::Dropped) => {
                return info!(%job_id, attempt, name, "attempt dropped: its lease is gone");
            }
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
            self.telling().complete(id, result).await?;
            // Not before: a daemon that dies in between must leave the next one all it needs.
            self.keep(id, result, &saved.folder);
            Ok(())
        };
        tokio::select! {
            () = self.lease.until(Order::Park) => Err(self.ordered_end(true)),
            ended = ended => ended,
            stall = self.until_stalled() => Err(End::stalled(stall)),
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

    fn telling(&self) -> Telling<'_> {
        Telling { session: &self.daemon.session, lease: &self.lease }
    }
}
