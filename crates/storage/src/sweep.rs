//! What time does: silent sessions expire, suspect jobs are taken away, leases that nobody
//! confirmed return.
//!
//! Only the database's clock counts; bounds are parameters. Each call is safe at any time,
//! by anyone, twice at once: every row is looked at again under its lock, and a job is taken only
//! from the claim it was found with. When to call, and when rather not (the brake against mass
//! expiry), is the coordinator's decision; under a term ([`Store::under`]) nothing happens once
//! that has ended.

use std::time::Duration;

use chrono::{DateTime, Utc};
use selffer_core::{
    ids::{ClaimId, JobId, SessionId},
    job::{Event, StateKind},
};

use crate::{
    Store, StoreError, changes,
    changes::Changed,
    convert::{claim_id, count, seconds},
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

/// How long something must have lasted, by the database's clock; as of now, or of a moment that
/// has passed, if that was earlier. A sweep that was interrupted goes on as of when it began, so
/// that what was not overdue then is not taken now.
#[derive(Clone, Copy, Debug)]
pub struct Overdue {
    /// For at least so long.
    pub lasting: Duration,
    /// At this moment; none for now.
    pub as_of: Option<DateTime<Utc>>,
}

impl From<Duration> for Overdue {
    fn from(lasting: Duration) -> Self {
        Self { lasting, as_of: None }
    }
}

/// A job that is overdue, and the claim that it was found with.
struct Found {
    job_id: uuid::Uuid,
    claim_id: Option<Vec<u8>>,
}

/// A worker to be given up, and for how long it must have been silent.
struct LostWorker {
    job_id: JobId,
    claim_id: Option<ClaimId>,
    lost_after: Overdue,
}

impl Found {
    fn claim(&self) -> Result<Option<ClaimId>, StoreError> {
        self.claim_id.as_deref().map(claim_id).transpose()
    }
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
    pub async fn expire_sessions(&self, ttl: impl Into<Overdue>) -> Result<u32, StoreError> {
        let ttl = ttl.into();
        let silent = sqlx::query_scalar!(
            r#"SELECT s.session_id
               FROM sessions s JOIN heartbeats h USING (session_id)
               WHERE s.ended_at IS NULL
                 AND s.expired_at IS NULL
                 AND h.last_at <= LEAST($3, clock_timestamp()) - make_interval(secs => $1)
               LIMIT $2"#,
            seconds(ttl.lasting),
            ROWS_PER_SWEEP,
            ttl.as_of,
        );
        let mut suspected = 0;
        for session_id in silent.fetch_all(&self.main).await? {
            suspected += self.expire_session(SessionId(session_id), ttl).await?;
        }
        Ok(suspected)
    }

    async fn expire_session(&self, session_id: SessionId, ttl: Overdue) -> Result<u32, StoreError> {
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
                 AND h.last_at <= LEAST($3, clock_timestamp()) - make_interval(secs => $2)"#,
            session_id.0,
            seconds(ttl.lasting),
            ttl.as_of,
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
    pub async fn time_out_confirmations(&self, within: impl Into<Overdue>) -> Result<u32, StoreError> {
        let within = within.into();
        let mut made_ready = 0;
        for found in self.unconfirmed(within).await? {
            let claim_id = found.claim()?;
            made_ready += self.end_claim(found.job_id, claim_id, StateKind::Leased).await?.made_ready;
        }
        Ok(made_ready)
    }

    async fn unconfirmed(&self, within: Overdue) -> Result<Vec<Found>, StoreError> {
        let late = sqlx::query_as!(
            Found,
            r#"SELECT job_id, claim_id
               FROM jobs
               WHERE state = 'leased'
                 AND state_since <= LEAST($3, clock_timestamp()) - make_interval(secs => $1)
               ORDER BY job_id
               LIMIT $2"#,
            seconds(within.lasting),
            ROWS_PER_SWEEP,
            within.as_of,
        );
        Ok(late.fetch_all(&self.main).await?)
    }

    /// Suspect jobs whose session was last heard of longer ago than this are taken from it.
    /// Returns how many jobs became ready.
    ///
    /// # Errors
    /// The database.
    pub async fn lose_workers(&self, lost_after: impl Into<Overdue>) -> Result<u32, StoreError> {
        let lost_after = lost_after.into();
        let lost = sqlx::query_as!(
            Found,
            r#"SELECT j.job_id, j.claim_id
               FROM jobs j JOIN heartbeats h USING (session_id)
               WHERE j.state = 'suspect'
                 AND h.last_at <= LEAST($3, clock_timestamp()) - make_interval(secs => $1)
               ORDER BY j.job_id
               LIMIT $2"#,
            seconds(lost_after.lasting),
            ROWS_PER_SWEEP,
            lost_after.as_of,
        );
        let mut made_ready = 0;
        for found in lost.fetch_all(&self.main).await? {
            let lost = LostWorker { job_id: JobId(found.job_id), claim_id: found.claim()?, lost_after };
            made_ready += self.lose_worker(lost).await?.made_ready;
        }
        Ok(made_ready)
    }

    async fn lose_worker(&self, lost: LostWorker) -> Result<Changed, StoreError> {
        let mut tx = self.begin_leading().await?;
        let Some(loaded) = jobs::lock(&mut tx, lost.job_id).await? else { return Ok(Changed::default()) };
        let suspect = loaded.job.state.kind() == StateKind::Suspect;
        let lease = loaded.job.state.lease().filter(|lease| suspect && Some(lease.claim_id) == lost.claim_id);
        let Some(lease) = lease.cloned() else { return Ok(Changed::default()) };
        // It may have come back since it was found, and be silent again.
        let silent = sqlx::query_scalar!(
            r#"SELECT last_at <= LEAST($3, clock_timestamp()) - make_interval(secs => $2) AS "silent!"
               FROM heartbeats
               WHERE session_id = $1"#,
            lease.session_id.0,
            seconds(lost.lost_after.lasting),
            lost.lost_after.as_of,
        );
        if silent.fetch_optional(&mut *tx).await? == Some(false) {
            return Ok(Changed::default());
        }
        let event = Event::WorkerLost { claim_id: lease.claim_id };
        let changed = changes::change(&mut tx, &self.policy, loaded, &event).await?;
        let changed = self.hold_if_poison(&mut tx, lost.job_id, changed).await?;
        tx.commit().await?;
        Ok(changed)
    }

    /// Jobs at work that their session, though alive, has not listed for this time: it has
    /// forgotten them. A suspect one too: its worker may have given it up and come back without.
    /// Returns how many jobs became ready.
    ///
    /// # Errors
    /// The database.
    pub async fn lose_unlisted(&self, lost_after: impl Into<Overdue>) -> Result<u32, StoreError> {
        let lost_after = lost_after.into();
        let forgotten = sqlx::query_as!(
            Found,
            r#"SELECT j.job_id, j.claim_id
               FROM jobs j
               LEFT JOIN progress p ON p.job_id = j.job_id AND p.claim_id = j.claim_id
               WHERE j.state IN ('running', 'suspect')
                 AND GREATEST(j.state_since, p.reported_at)
                     <= LEAST($3, clock_timestamp()) - make_interval(secs => $1)
               ORDER BY j.job_id
               LIMIT $2"#,
            seconds(lost_after.lasting),
            ROWS_PER_SWEEP,
            lost_after.as_of,
        );
        let mut made_ready = 0;
        for found in forgotten.fetch_all(&self.main).await? {
            let claim_id = found.claim()?;
            self.end_claim(found.job_id, claim_id, StateKind::Running).await?;
            made_ready += self.end_claim(found.job_id, claim_id, StateKind::Suspect).await?.made_ready;
        }
        Ok(made_ready)
    }

    /// Takes a job from a claim, if it still is in this state under it: a sweep that was
    /// interrupted must not end the lease of somebody who came later.
    async fn end_claim(
        &self,
        job_id: uuid::Uuid,
        claim_id: Option<ClaimId>,
        from: StateKind,
    ) -> Result<Changed, StoreError> {
        let mut tx = self.begin_leading().await?;
        let Some(loaded) = jobs::lock(&mut tx, JobId(job_id)).await? else { return Ok(Changed::default()) };
        let current = loaded.job.state.lease().map(|lease| lease.claim_id);
        let Some(claim_id) = current.filter(|current| Some(*current) == claim_id) else {
            return Ok(Changed::default());
        };
        if loaded.job.state.kind() != from {
            return Ok(Changed::default());
        }
        let event = match from {
            StateKind::Leased => Event::ConfirmationTimedOut { claim_id },
            StateKind::Running => Event::SessionExpired { claim_id },
            _ => Event::WorkerLost { claim_id },
        };
        let mut changed = changes::change(&mut tx, &self.policy, loaded, &event).await?;
        if matches!(event, Event::WorkerLost { .. }) {
            changed = self.hold_if_poison(&mut tx, JobId(job_id), changed).await?;
        }
        tx.commit().await?;
        Ok(changed)
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
