//! Getting everything that an attempt's trainer reads.
//!
//! A checkpoint to go on from that is lost or cannot be used costs work, not the job: the next
//! best one is tried, and then it starts over. Each step is told in the attempt's log. Trouble
//! with fetching it ends the attempt: the next one finds the checkpoint where it is.

use selffer_core::{ids::CheckpointId, job::FailureClass, spec::JobSpec};
use tokio::task::spawn_blocking;

use crate::{
    ambient,
    assignment::End,
    attempt::Attempt,
    cache::Cached,
    daemon::Daemon,
    fetch::{Fetch, FetchError},
    inputs::Inputs,
    soundness::Unsound,
};

impl Attempt<'_> {
    /// Fetches what is not in the cache; of the checkpoints to go on from the first that serves.
    ///
    /// # Errors
    /// Something is missing, or cannot be kept.
    pub(crate) async fn gather(&self, resume: &[CheckpointId]) -> Result<Inputs, End> {
        let spec: JobSpec = serde_json::from_str(&self.task.spec_json).map_err(|error| {
            End::failed(FailureClass::Invalid, format!("the job's spec cannot be read: {error}"))
        })?;
        let Daemon { session, cache, data, .. } = self.daemon;
        let (connection, done) = (|| session.connection(), || self.lease.chunk_done(ambient::now()));
        let fetch = Fetch { connection: &connection, cache, data, done: &done };
        let pack = fetch.pack(spec.pack).await?;
        let source = match self.task.source {
            Some(id) => Some(fetch.checkpoint(id).await.map_err(source_end)?),
            None => None,
        };
        let imported = match spec.imported {
            Some(imported) => Some(fetch.weights(imported.weights).await?),
            None => None,
        };
        let resume = self.fetch_resume(&fetch, resume).await?;
        Ok(Inputs { spec, pack, source, imported, resume })
    }

    async fn fetch_resume(&self, fetch: &Fetch<'_>, resume: &[CheckpointId]) -> Result<Option<Cached>, End> {
        for &id in resume {
            match self.fetch_sound(fetch, id).await? {
                Ok(cached) => return Ok(Some(cached)),
                Err(problem) => self.log.remark(format_args!("no going on from checkpoint {id}: {problem}")),
            }
        }
        if !resume.is_empty() {
            self.log.remark("starting over: there is no checkpoint to go on from");
        }
        Ok(None)
    }

    // The outer error ends the attempt, the inner one only this checkpoint.
    async fn fetch_sound(&self, fetch: &Fetch<'_>, id: CheckpointId) -> Result<Result<Cached, String>, End> {
        let cached = match fetch.checkpoint(id).await {
            Ok(cached) => cached,
            Err(error) if error.is_of_the_thing() => {
                return Ok(Err(format!("{:#}", anyhow::Error::from(error))));
            }
            // What is wrong on this machine or with the coordinator is wrong for the next one
            // too, and no reason to throw work away.
            Err(error) => return Err(error.into()),
        };
        let (wanted, folder) = (self.wanted(), cached.folder.clone());
        let checked = spawn_blocking(move || wanted.check(&folder)).await;
        match checked.map_err(FetchError::from)? {
            Ok(_) => Ok(Ok(cached)),
            Err(unsound) => {
                if unsound.is_damage() {
                    // One that stays is found damaged again the next time.
                    let _ = self.daemon.cache.discard(&cached);
                }
                Ok(Err(Unsound::told(unsound)))
            }
        }
    }
}

// The source's network is trained; that its checkpoint is not there now is not this job's fault.
fn source_end(error: FetchError) -> End {
    let message = format!("the source network: {:#}", anyhow::Error::from(error));
    End::failed(FailureClass::Infrastructure, message)
}
