//! Attempts: a leased job confirmed, given back or failed.
//!
//! Every call is safe to repeat: an outcome that is already recorded for the same claim is
//! answered like the first time, and changes nothing. Everything that a claim no longer
//! current says is [`StoreError::StaleClaim`].

use selffer_core::job::{Event, Failure, GiveBackReason};
use sqlx::PgConnection;

use crate::{
    Holder, Store, StoreError,
    changes::{self, Changed},
    claim::lock_held,
    convert::to_i32,
    jobs::Loaded,
};

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
}

/// The holder's job, locked; `None` if its claim has ended with just this outcome, which
/// makes the call a repeat.
pub(crate) async fn lock_unless_ended_as(
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
