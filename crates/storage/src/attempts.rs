//! Attempts: a leased job confirmed, given back, completed or failed.
//!
//! Every call is safe to repeat: an outcome that is already recorded for the same claim is
//! answered like the first time, and changes nothing. Everything that a claim no longer
//! current says is [`StoreError::StaleClaim`].

use selffer_core::{
    ids::CheckpointId,
    job::{Event, Failure, GiveBackReason},
    outcome::JobResult,
};
use sqlx::PgConnection;

use crate::{
    CheckpointRow, Holder, Store, StoreError,
    changes::{self, Changed},
    checkpoints,
    claim::lock_held,
    convert::to_i32,
    jobs::Loaded,
    results,
};

/// What a completion came to.
#[derive(Debug, Default)]
pub struct Completed {
    /// Dependants that became ready; 0 for a repeat.
    pub released: u32,
    /// Checkpoints of the job that nobody needs any more; their rows are gone.
    pub dropped: Vec<CheckpointRow>,
}

impl Store {
    /// The worker has the lease and starts.
    ///
    /// # Errors
    /// The claim is stale or its session has ended.
    pub async fn confirm(&self, holder: &Holder) -> Result<(), StoreError> {
        let mut tx = self.main.begin().await?;
        let loaded = lock_held(&mut tx, holder).await?;
        let claim_id = holder.claim.claim_id;
        changes::change(&mut tx, &self.policy, loaded, &Event::Confirmed { claim_id }).await?;
        sqlx::query!(
            r#"UPDATE attempts
               SET confirmed_at = COALESCE(confirmed_at, clock_timestamp())
               WHERE claim_id = $1"#,
            &claim_id.0[..],
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// The worker gives the job back without a result. Returns how many jobs became ready.
    ///
    /// # Errors
    /// The claim is stale or its session has ended.
    pub async fn give_back(&self, holder: &Holder, reason: GiveBackReason) -> Result<u32, StoreError> {
        let claim_id = holder.claim.claim_id;
        let mut tx = self.main.begin().await?;
        let Some(loaded) = lock_unless_ended_as(&mut tx, holder, "given_back").await? else { return Ok(0) };
        let event = Event::GivenBack { claim_id, reason };
        let Changed { made_ready } = changes::change(&mut tx, &self.policy, loaded, &event).await?;
        tx.commit().await?;
        Ok(made_ready)
    }

    /// The attempt ended badly, at this iteration; its worker may be to blame. Returns how many
    /// jobs became ready.
    ///
    /// # Errors
    /// The claim is stale or its session has ended.
    pub async fn fail(&self, holder: &Holder, failure: &Failure, iteration: u32) -> Result<u32, StoreError> {
        let made_ready = self.end_badly(holder, failure, iteration).await?;
        // In a transaction of its own, because other jobs may be concerned. If it does not come
        // to that, the next bad ending on the worker does.
        Ok(made_ready + self.judge_worker(holder.claim.claim_id).await?)
    }

    async fn end_badly(&self, holder: &Holder, failure: &Failure, iteration: u32) -> Result<u32, StoreError> {
        let claim_id = holder.claim.claim_id;
        let mut tx = self.main.begin().await?;
        let Some(loaded) = lock_unless_ended_as(&mut tx, holder, "failed").await? else { return Ok(0) };
        let event = Event::AttemptFailed { claim_id, failure: failure.clone() };
        let Changed { made_ready } = changes::change(&mut tx, &self.policy, loaded, &event).await?;
        sqlx::query!(
            r#"UPDATE attempts
               SET iteration = $2
               WHERE claim_id = $1"#,
            &claim_id.0[..],
            to_i32("iteration", iteration)?,
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(made_ready)
    }

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
        results::insert(&mut tx, claim, loaded.job.attempt, checkpoint_id, result).await?;
        let event = Event::Completed { claim_id: claim.claim_id };
        let Changed { made_ready } = changes::change(&mut tx, &self.policy, loaded, &event).await?;
        let dropped = checkpoints::drop_unneeded(&mut tx, claim.job_id).await?;
        tx.commit().await?;
        Ok(Completed { released: made_ready, dropped })
    }
}

/// The holder's job, locked; `None` if its claim has ended with just this outcome, which
/// makes the call a repeat.
async fn lock_unless_ended_as(
    connection: &mut PgConnection,
    holder: &Holder,
    outcome: &str,
) -> Result<Option<Loaded>, StoreError> {
    match lock_held(connection, holder).await {
        Ok(loaded) => Ok(Some(loaded)),
        Err(error @ StoreError::StaleClaim { .. }) => {
            let repeated = sqlx::query_scalar!(
                r#"SELECT COALESCE(outcome = $3, false) AS "repeated!"
                   FROM attempts
                   WHERE claim_id = $1
                     AND job_id = $2"#,
                &holder.claim.claim_id.0[..],
                holder.claim.job_id.0,
                outcome,
            );
            match repeated.fetch_optional(connection).await? {
                Some(true) => Ok(None),
                _ => Err(error),
            }
        }
        Err(error) => Err(error),
    }
}
