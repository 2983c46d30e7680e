//! What time does: silent sessions expire, suspect jobs are taken away, leases that nobody
//! confirmed return.
//!
//! Only the database's clock counts; bounds are parameters. Each call is safe at any time,
//! by anyone, twice at once: every row is read again under its lock. When to call, and when
//! rather not (the brake against mass expiry), is the coordinator's decision; under a term
//! ([`Store::under`]) nothing happens once that has ended.

use std::time::Duration;

use selffer_core::{
    ids::{JobId, SessionId},
    job::{Event, StateKind},
};

use crate::{
    Store, StoreError, changes,
    changes::Changed,
    convert::{count, seconds},
    jobs::{self, Loaded},
};

/// How many rows one sweep takes up; the next one takes the rest.
const ROWS_PER_SWEEP: i64 = 1_000;

/// How many sessions are heard of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Liveness {
    /// Heard of within the time given.
    pub live: u32,
    /// Silent for longer; the next expiry takes them.
    pub silent: u32,
}

impl Store {
    /// How many living sessions would expire now, for the brake.
    ///
    /// # Errors
    /// The database.
    pub async fn session_liveness(&self, ttl: Duration) -> Result<Liveness, StoreError> {
        let row = sqlx::query!(
            r#"SELECT COUNT(*) FILTER (WHERE h.last_at > clock_timestamp() - make_interval(secs => $1)) AS "live!",
                   COUNT(*) FILTER (WHERE h.last_at <= clock_timestamp() - make_interval(secs => $1)) AS "silent!"
               FROM sessions s JOIN heartbeats h USING (session_id)
               WHERE s.ended_at IS NULL
                 AND s.expired_at IS NULL"#,
            seconds(ttl),
        );
        let row = row.fetch_one(&self.main).await?;
        Ok(Liveness { live: count(row.live), silent: count(row.silent) })
    }

    /// Sessions silent for `ttl` expire; in the same transaction their jobs become suspect.
    /// Returns how many jobs did.
    ///
    /// # Errors
    /// The database.
    pub async fn expire_sessions(&self, ttl: Duration) -> Result<u32, StoreError> {
        let silent = sqlx::query_scalar!(
            r#"SELECT s.session_id
               FROM sessions s JOIN heartbeats h USING (session_id)
               WHERE s.ended_at IS NULL
                 AND s.expired_at IS NULL
                 AND h.last_at <= clock_timestamp() - make_interval(secs => $1)
               LIMIT $2"#,
            seconds(ttl),
            ROWS_PER_SWEEP,
        );
        let mut suspected = 0;
        for session_id in silent.fetch_all(&self.main).await? {
            suspected += self.expire_session(SessionId(session_id), ttl).await?;
        }
        Ok(suspected)
    }

    async fn expire_session(&self, session_id: SessionId, ttl: Duration) -> Result<u32, StoreError> {
        let mut tx = self.begin_leading().await?;
        // Its heartbeat may have come since it was found.
        let expired = sqlx::query!(
            r#"UPDATE sessions
               SET expired_at = clock_timestamp()
               FROM heartbeats h
               WHERE sessions.session_id = $1
                 AND h.session_id = sessions.session_id
                 AND sessions.ended_at IS NULL
                 AND sessions.expired_at IS NULL
                 AND h.last_at <= clock_timestamp() - make_interval(secs => $2)"#,
            session_id.0,
            seconds(ttl),
        );
        if expired.execute(&mut *tx).await?.rows_affected() == 0 {
            return Ok(0);
        }
        let suspected = self.suspect_jobs_of(&mut tx, session_id).await?;
        tx.commit().await?;
        Ok(suspected)
    }

    /// Leases not confirmed within this time return. Returns how many jobs became ready.
    ///
    /// # Errors
    /// The database.
    pub async fn time_out_confirmations(&self, confirm_within: Duration) -> Result<u32, StoreError> {
        let late = sqlx::query_scalar!(
            r#"SELECT job_id
               FROM jobs
               WHERE state = 'leased'
                 AND state_since <= clock_timestamp() - make_interval(secs => $1)
               ORDER BY job_id
               LIMIT $2"#,
            seconds(confirm_within),
            ROWS_PER_SWEEP,
        );
        let mut made_ready = 0;
        for job_id in late.fetch_all(&self.main).await? {
            made_ready += self.time_out_confirmation(JobId(job_id)).await?.made_ready;
        }
        Ok(made_ready)
    }

    async fn time_out_confirmation(&self, job_id: JobId) -> Result<Changed, StoreError> {
        let mut tx = self.begin_leading().await?;
        let Some(loaded) = jobs::lock(&mut tx, job_id).await? else { return Ok(Changed::default()) };
        let leased = loaded.job.state.kind() == StateKind::Leased;
        let Some(lease) = loaded.job.state.lease().filter(|_| leased) else { return Ok(Changed::default()) };
        let event = Event::ConfirmationTimedOut { claim_id: lease.claim_id };
        let changed = changes::change(&mut tx, &self.policy, loaded, &event).await?;
        tx.commit().await?;
        Ok(changed)
    }

    /// Suspect jobs whose session was last heard of longer ago than this are taken from it.
    /// Returns how many jobs became ready.
    ///
    /// # Errors
    /// The database.
    pub async fn lose_workers(&self, lost_after: Duration) -> Result<u32, StoreError> {
        let lost = sqlx::query_scalar!(
            r#"SELECT j.job_id
               FROM jobs j JOIN heartbeats h USING (session_id)
               WHERE j.state = 'suspect'
                 AND h.last_at <= clock_timestamp() - make_interval(secs => $1)
               ORDER BY j.job_id
               LIMIT $2"#,
            seconds(lost_after),
            ROWS_PER_SWEEP,
        );
        let mut made_ready = 0;
        for job_id in lost.fetch_all(&self.main).await? {
            made_ready += self.lose_if_suspect(JobId(job_id)).await?.made_ready;
        }
        Ok(made_ready)
    }

    /// Running jobs that their session, though alive, has not listed for this time: it has
    /// forgotten them. Returns how many jobs became ready.
    ///
    /// # Errors
    /// The database.
    pub async fn lose_unlisted(&self, lost_after: Duration) -> Result<u32, StoreError> {
        let forgotten = sqlx::query_scalar!(
            r#"SELECT j.job_id
               FROM jobs j
               LEFT JOIN progress p ON p.job_id = j.job_id AND p.claim_id = j.claim_id
               WHERE j.state = 'running'
                 AND GREATEST(j.state_since, p.reported_at)
                     <= clock_timestamp() - make_interval(secs => $1)
               ORDER BY j.job_id
               LIMIT $2"#,
            seconds(lost_after),
            ROWS_PER_SWEEP,
        );
        let mut made_ready = 0;
        for job_id in forgotten.fetch_all(&self.main).await? {
            self.suspect_if_running(JobId(job_id)).await?;
            made_ready += self.lose_if_suspect(JobId(job_id)).await?.made_ready;
        }
        Ok(made_ready)
    }

    async fn suspect_if_running(&self, job_id: JobId) -> Result<(), StoreError> {
        let mut tx = self.begin_leading().await?;
        let Some(loaded) = jobs::lock(&mut tx, job_id).await? else { return Ok(()) };
        let running = loaded.job.state.kind() == StateKind::Running;
        let Some(lease) = loaded.job.state.lease().filter(|_| running) else { return Ok(()) };
        let event = Event::SessionExpired { claim_id: lease.claim_id };
        changes::change(&mut tx, &self.policy, loaded, &event).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Jobs that were cancelled this long ago and are still on their worker are taken from it;
    /// it hears of that with its next message. Returns how many.
    ///
    /// # Errors
    /// The database.
    pub async fn end_withdrawn(&self, cancel_within: Duration) -> Result<u32, StoreError> {
        let late = sqlx::query_scalar!(
            r#"SELECT job_id
               FROM jobs
               WHERE withdrawn_at <= clock_timestamp() - make_interval(secs => $1)
               ORDER BY withdrawn_at
               LIMIT $2"#,
            seconds(cancel_within),
            ROWS_PER_SWEEP,
        );
        let mut ended = 0;
        for job_id in late.fetch_all(&self.main).await? {
            ended += self.cancel_if(JobId(job_id), |loaded| loaded.withdrawn).await?;
        }
        Ok(ended)
    }

    /// Jobs that no study keeps and no worker has are cancelled. The acts that withdraw interest
    /// do so themselves: there should be none. Returns how many.
    ///
    /// # Errors
    /// The database.
    pub async fn end_unwanted(&self) -> Result<u32, StoreError> {
        // By index `jobs_unwanted`.
        let left = sqlx::query_scalar!(
            r#"SELECT job_id
               FROM jobs
               WHERE interest IN ('stopped', 'cancelled')
                 AND state IN ('waiting', 'ready', 'held')
               LIMIT $1"#,
            ROWS_PER_SWEEP,
        );
        let mut ended = 0;
        for job_id in left.fetch_all(&self.main).await? {
            let is_left = |loaded: &Loaded| loaded.is_unwanted() && loaded.job.state.lease().is_none();
            ended += self.cancel_if(JobId(job_id), is_left).await?;
        }
        Ok(ended)
    }

    async fn cancel_if(
        &self,
        job_id: JobId,
        condition: impl FnOnce(&Loaded) -> bool,
    ) -> Result<u32, StoreError> {
        let mut tx = self.begin_leading().await?;
        let loaded = jobs::lock(&mut tx, job_id).await?;
        let is_open = |loaded: &Loaded| !loaded.job.state.kind().is_terminal();
        let Some(loaded) = loaded.filter(is_open).filter(condition) else { return Ok(0) };
        changes::change(&mut tx, &self.policy, loaded, &Event::Cancelled).await?;
        tx.commit().await?;
        Ok(1)
    }
}
