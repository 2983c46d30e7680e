//! Attempts: a job claimed, confirmed, given back, completed or failed.
//!
//! Every call is safe to repeat: an outcome that is already recorded for the same claim is
//! answered like the first time, and changes nothing. Everything that a claim no longer
//! current says is [`StoreError::StaleClaim`].

use selffer_core::{
    ids::{AttemptNumber, CheckpointId, JobId, JobKey, SessionId},
    job::{Event, Failure, GiveBackReason, Lease},
    outcome::JobResult,
};
use sqlx::PgConnection;

use crate::{
    CheckpointRow, Claim, Holder, Store, StoreError,
    changes::{self, Changed},
    checkpoints,
    claim::lock_held,
    convert::{from_i32, job_key, to_i32},
    jobs::{self, Loaded},
    results,
};

/// What a worker asks for.
#[derive(Clone, Debug)]
pub struct NewClaim {
    /// The job, and the token that the worker minted.
    pub claim: Claim,
    /// The session that asks.
    pub session_id: SessionId,
    /// The session's worker that will run it.
    pub worker: String,
}

/// Everything a worker needs to start.
#[derive(Clone, Debug)]
pub struct Assignment {
    /// What it now holds.
    pub claim: Claim,
    /// The attempt's number.
    pub attempt: AttemptNumber,
    /// The job's key.
    pub key: JobKey,
    /// `STUDY:NETWORK` of the newest study that wants it, for people.
    pub name: String,
    /// Canonical JSON of the spec.
    pub spec_json: String,
    /// The final checkpoint of the network it copies from. Also one that was lost meanwhile:
    /// the worker then learns that it cannot be had, and the job waits for the next.
    pub source_checkpoint: Option<CheckpointId>,
    /// Checkpoints of earlier attempts to go on from, newest first, at most two.
    pub resume_checkpoints: Vec<CheckpointId>,
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
    /// The lease that this claim id has already got; `None` if it is new.
    ///
    /// # Errors
    /// [`StoreError::StaleClaim`] if it was used and is over.
    pub async fn assignment(
        &self,
        claim_id: selffer_core::ids::ClaimId,
        session_id: SessionId,
    ) -> Result<Option<Assignment>, StoreError> {
        let row = sqlx::query!(
            r#"SELECT a.job_id, a.attempt, j.key, j.spec,
                   (j.claim_id IS NOT DISTINCT FROM a.claim_id AND j.session_id = $2) AS "current!",
                   COALESCE((SELECT s.name || ':' || sj.name
                       FROM study_jobs sj JOIN studies s USING (study_id)
                       WHERE sj.job_id = a.job_id
                       ORDER BY s.created_at DESC
                       LIMIT 1), '') AS "name!",
                   (SELECT r.checkpoint_id
                       FROM results r
                       WHERE r.job_id = j.source_job_id
                       ORDER BY r.attempt DESC
                       LIMIT 1) AS source_checkpoint,
                   ARRAY(SELECT c.checkpoint_id
                       FROM checkpoints c
                       WHERE c.job_id = a.job_id AND c.kind = 'intermediate' AND c.state = 'published'
                       ORDER BY c.published_at DESC
                       LIMIT 2) AS "resume_checkpoints!"
               FROM attempts a JOIN jobs j USING (job_id)
               WHERE a.claim_id = $1"#,
            &claim_id.0[..],
            session_id.0,
        );
        let Some(row) = row.fetch_optional(&self.main).await? else { return Ok(None) };
        let claim = Claim { job_id: JobId(row.job_id), claim_id };
        if !row.current {
            return Err(crate::claim::stale(claim));
        }
        Ok(Some(Assignment {
            claim,
            attempt: AttemptNumber(from_i32(row.attempt)),
            key: job_key(&row.key)?,
            name: row.name,
            spec_json: row.spec,
            source_checkpoint: row.source_checkpoint.map(CheckpointId),
            resume_checkpoints: row.resume_checkpoints.into_iter().map(CheckpointId).collect(),
        }))
    }

    /// Leases a ready job; `None` if somebody else was faster or its time has not come.
    /// Repeating a claim id returns the lease that it got, whatever job is asked for.
    ///
    /// # Errors
    /// The session has ended or is silent, its worker is set aside, or the claim id was used and
    /// is over.
    pub async fn claim(&self, new: &NewClaim) -> Result<Option<Assignment>, StoreError> {
        match self.lease(new).await {
            Ok(true) => self.assignment(new.claim.claim_id, new.session_id).await,
            Ok(false) => Ok(None),
            // The same claim id a second time, or at the same time.
            Err(error) if error.is_unique_violation() => {
                self.assignment(new.claim.claim_id, new.session_id).await
            }
            Err(error) => Err(error),
        }
    }

    async fn lease(&self, new: &NewClaim) -> Result<bool, StoreError> {
        let mut tx = self.main.begin().await?;
        if !check_live(&mut tx, new).await? {
            return Ok(false);
        }
        // Read without a lock: a second claimer is not to wait for the first, but to take the
        // next job. The guarded UPDATE decides.
        let loaded = jobs::read(&mut tx, new.claim.job_id).await?;
        let Some(loaded) = loaded.filter(is_claimable) else { return Ok(false) };
        let lease =
            Lease { claim_id: new.claim.claim_id, session_id: new.session_id, worker: new.worker.clone() };
        match changes::change(&mut tx, &self.policy, loaded, &Event::Claimed { lease }).await {
            Ok(_) => {}
            Err(StoreError::Raced { .. }) => return Ok(false),
            Err(error) => return Err(error),
        }
        tx.commit().await?;
        Ok(true)
    }

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
        checkpoints::check_final(&mut tx, claim, checkpoint_id).await?;
        results::insert(&mut tx, claim.job_id, loaded.job.attempt, checkpoint_id, result).await?;
        let event = Event::Completed { claim_id: claim.claim_id };
        let Changed { made_ready } = changes::change(&mut tx, &self.policy, loaded, &event).await?;
        let dropped = checkpoints::drop_unneeded(&mut tx, claim.job_id).await?;
        tx.commit().await?;
        Ok(Completed { released: made_ready, dropped })
    }
}

fn is_claimable(loaded: &Loaded) -> bool {
    use selffer_core::job::JobState;
    matches!(loaded.job.state, JobState::Ready { not_before } if not_before <= loaded.now)
}

/// Keeps the session from being superseded or expired until the lease is committed. Whether
/// anything is handed out at all: not in a freeze.
async fn check_live(connection: &mut PgConnection, new: &NewClaim) -> Result<bool, StoreError> {
    let session_id = new.session_id;
    let session = sqlx::query!(
        r#"SELECT ended_at IS NOT NULL AS "ended!", expired_at IS NOT NULL AS "expired!",
               EXISTS (SELECT 1 FROM fleet WHERE frozen_at IS NOT NULL) AS "frozen!",
               EXISTS (
                   SELECT 1
                   FROM set_aside a
                   WHERE a.ended_at IS NULL AND a.name IN ($2, s.node)) AS "aside!"
           FROM sessions s
           WHERE session_id = $1
           FOR SHARE OF s"#,
        session_id.0,
        new.worker,
    );
    match session.fetch_optional(connection).await? {
        Some(session) if session.ended => Err(StoreError::SessionEnded { session_id }),
        Some(session) if session.expired => Err(StoreError::SessionSilent { session_id }),
        Some(session) if session.aside => Err(StoreError::SetAside { worker: new.worker.clone() }),
        Some(session) => Ok(!session.frozen),
        None => Err(StoreError::SessionEnded { session_id }),
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
