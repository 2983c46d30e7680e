//! Completions: results stored, jobs succeeded, dependants released, several in one transaction.
//!
//! A completion that is repeated is answered like the first time, and changes nothing. Where many
//! come at once they are committed together, but for those that are more than a plain success:
//! repeats, stale claims and sources, whose dependants are released with them.

use std::collections::HashSet;

use selffer_core::{
    ids::{CheckpointId, SessionId},
    job::Event,
    outcome::JobResult,
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    CheckpointRow, Holder, Store, StoreError,
    attempts::lock_unless_ended_as,
    changes::{self, Changed},
    checkpoints, claim,
    jobs::{self, Loaded},
    results::{self, NewResult},
};

/// A job that was trained and tested, as its holder says.
#[derive(Clone, Debug)]
pub struct Completion {
    /// Who says it.
    pub holder: Holder,
    /// What was found.
    pub result: JobResult,
    /// The trained network.
    pub checkpoint_id: CheckpointId,
}

/// What a completion came to.
#[derive(Debug, Default)]
pub struct Completed {
    /// Dependants that became ready; 0 for a repeat.
    pub released: u32,
    /// Checkpoints of the job that nobody needs any more; their rows are gone.
    pub dropped: Vec<CheckpointRow>,
}

impl Store {
    /// The job is trained and tested and its final checkpoint published: stores the result and
    /// releases the dependants, once, in one transaction.
    ///
    /// # Errors
    /// The claim is stale, its session has ended, or the checkpoint is not its published final.
    pub async fn complete(
        &self,
        holder: &Holder,
        result: &JobResult,
        checkpoint_id: CheckpointId,
    ) -> Result<Completed, StoreError> {
        let claim = holder.claim;
        let mut tx = self.main.begin().await?;
        let Some(loaded) = lock_unless_ended_as(&mut tx, holder, "succeeded").await? else {
            return Ok(Completed::default());
        };
        let new = NewResult { claim, attempt: loaded.job.attempt, checkpoint_id, result };
        if results::insert(&mut tx, &[new]).await? == 0 {
            return Err(StoreError::NotPublished { checkpoint_id });
        }
        let event = Event::Completed { claim_id: claim.claim_id };
        let Changed { made_ready } = changes::change(&mut tx, &self.policy, loaded, &event).await?;
        let dropped = checkpoints::drop_unneeded(&mut tx, &[claim.job_id.0]).await?;
        tx.commit().await?;
        Ok(Completed { released: made_ready, dropped })
    }

    /// As [`Self::complete`] for several, as many as possible in one transaction; what came of
    /// each, in their order.
    ///
    /// # Errors
    /// The database is away. Then it is not known of any.
    pub async fn complete_each(
        &self,
        completions: &[Completion],
    ) -> Result<Vec<Result<Completed, StoreError>>, StoreError> {
        let together = match completions {
            // Nothing is gained.
            [] | [_] => HashSet::new(),
            completions => match self.complete_plain(completions).await {
                Ok(together) => together,
                Err(error) if error.is_outage() => return Err(error),
                // One of them is in the way of all.
                Err(_) => HashSet::new(),
            },
        };
        let mut completed = Vec::with_capacity(completions.len());
        for (index, completion) in completions.iter().enumerate() {
            if together.contains(&index) {
                completed.push(Ok(Completed::default()));
                continue;
            }
            let Completion { holder, result, checkpoint_id } = completion;
            completed.push(self.complete(holder, result, *checkpoint_id).await);
        }
        Ok(completed)
    }

    /// Completes those that are plain successes in one transaction; which they were.
    async fn complete_plain(&self, completions: &[Completion]) -> Result<HashSet<usize>, StoreError> {
        let mut tx = self.main.begin().await?;
        let plain = lock_plain(&mut tx, completions).await?;
        let new: Vec<NewResult<'_>> = plain
            .iter()
            .map(|(index, loaded)| {
                let Completion { holder, result, checkpoint_id } = &completions[*index];
                let (claim, attempt) = (holder.claim, loaded.job.attempt);
                NewResult { claim, attempt, checkpoint_id: *checkpoint_id, result }
            })
            .collect();
        if results::insert(&mut tx, &new).await? != new.len() as u64 {
            // By itself each hears whether it is the one.
            return Ok(HashSet::new());
        }
        let indices: HashSet<usize> = plain.iter().map(|(index, _)| *index).collect();
        let job_ids: Vec<Uuid> = plain.iter().map(|(_, loaded)| loaded.job_id.0).collect();
        let succeed = |(index, loaded): (usize, Loaded)| {
            (loaded, Event::Completed { claim_id: completions[index].holder.claim.claim_id })
        };
        changes::change_each(&mut tx, &self.policy, plain.into_iter().map(succeed).collect()).await?;
        checkpoints::drop_unneeded(&mut tx, &job_ids).await?;
        tx.commit().await?;
        Ok(indices)
    }
}

/// Locks the jobs of those who really hold theirs and whose success concerns nobody else.
async fn lock_plain(
    connection: &mut PgConnection,
    completions: &[Completion],
) -> Result<Vec<(usize, Loaded)>, StoreError> {
    let job_ids: Vec<Uuid> = completions.iter().map(|one| one.holder.claim.job_id.0).collect();
    let locked = jobs::lock_all(connection, &job_ids).await?;
    let sessions: Vec<SessionId> = completions.iter().map(|one| one.holder.session_id).collect();
    let open = claim::open_sessions(connection, &sessions).await?;
    let mut plain = Vec::with_capacity(locked.len());
    for loaded in locked.into_iter().filter(|loaded| !loaded.is_source) {
        // Of two that say the same the first.
        let index = completions.iter().position(|one| one.holder.claim.job_id == loaded.job_id);
        let Some(index) = index else { continue };
        let holder = &completions[index].holder;
        let holds = claim::is_current(holder.claim, &loaded.job)
            && loaded.job.state.lease().is_some_and(|lease| lease.session_id == holder.session_id)
            && open.contains(&holder.session_id);
        if holds {
            plain.push((index, loaded));
        }
    }
    Ok(plain)
}
