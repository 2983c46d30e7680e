//! A database that is older than its fleet: noticed, frozen, and taken up again.
//!
//! What it means and when it is over is decided by `core::rollback`. The freeze is a row, so
//! that all coordinators of the database see it, and a restart of any of them changes nothing.

use chrono::{DateTime, Utc};
use selffer_core::{
    ids::{Claim, JobId, SessionId},
    job::{Event, JobState, Lease},
    rollback::{Fate, Freeze, judge},
};
use sqlx::PgConnection;

use crate::{
    Store, StoreError, changes,
    convert::count,
    jobs::{self, Loaded},
};

/// How many divergences are told of.
const DIVERGENCES_MAX: i64 = 1_000;

/// A claim that a worker showed and the database did not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// The job.
    pub job_id: JobId,
    /// `STUDY:NETWORK` of the newest study that wants it, for people.
    pub name: String,
    /// The machine whose daemon showed it.
    pub node: String,
    /// Whether the job goes on under that claim.
    pub adopted: bool,
    /// What the database said instead.
    pub detail: String,
    /// When it was found.
    pub found_at: DateTime<Utc>,
}

impl Store {
    /// The freeze, if there is one: nothing is handed out and nothing expires.
    ///
    /// # Errors
    /// The database.
    pub async fn freeze(&self) -> Result<Option<Freeze>, StoreError> {
        let row = sqlx::query!(
            r#"SELECT f.frozen_at AS "since!",
                   (SELECT COUNT(*)
                       FROM sessions s JOIN heartbeats h USING (session_id)
                       WHERE s.ended_at IS NULL
                         AND s.expired_at IS NULL
                         AND h.last_at <= f.frozen_at) AS "unheard!"
               FROM fleet f
               WHERE f.frozen_at IS NOT NULL"#,
        );
        let row = row.fetch_optional(&self.heartbeats).await?;
        Ok(row.map(|row| Freeze { since: row.since, unheard: count(row.unheard) }))
    }

    /// Ends this freeze; whether it still was the one.
    ///
    /// # Errors
    /// The database.
    pub async fn thaw(&self, freeze: Freeze) -> Result<bool, StoreError> {
        let thawed = sqlx::query!("UPDATE fleet SET frozen_at = NULL WHERE frozen_at = $1", freeze.since);
        Ok(thawed.execute(&self.main).await?.rows_affected() == 1)
    }

    /// Claims that the database did not know, newest first, at most 1,000.
    ///
    /// # Errors
    /// The database.
    pub async fn divergences(&self) -> Result<Vec<Divergence>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT d.job_id, d.node, d.adopted, d.detail, d.found_at,
                   COALESCE((SELECT s.name || ':' || sj.name
                       FROM study_jobs sj JOIN studies s USING (study_id)
                       WHERE sj.job_id = d.job_id
                       ORDER BY s.created_at DESC
                       LIMIT 1), '') AS "name!"
               FROM divergences d
               ORDER BY d.found_at DESC
               LIMIT $1"#,
            DIVERGENCES_MAX,
        );
        let rows = rows.fetch_all(&self.main).await?.into_iter();
        let divergences = rows.map(|row| Divergence {
            job_id: JobId(row.job_id),
            name: row.name,
            node: row.node,
            adopted: row.adopted,
            detail: row.detail,
            found_at: row.found_at,
        });
        Ok(divergences.collect())
    }

    /// A worker lists a claim that is not current. If the database has never seen it, although
    /// the job exists, the fleet is frozen, and the job goes on under the claim if it is free.
    /// Whether it does; `None` if the claim is just an old one.
    pub(crate) async fn meet_unknown(
        &self,
        session_id: SessionId,
        claim: Claim,
    ) -> Result<Option<bool>, StoreError> {
        let mut connection = self.main.acquire().await?;
        if !is_unknown(&mut connection, claim).await? {
            return Ok(None);
        }
        drop(connection);
        // First, and whatever comes of this job.
        sqlx::query!("UPDATE fleet SET frozen_at = clock_timestamp() WHERE frozen_at IS NULL")
            .execute(&self.main)
            .await?;
        let fate = self.adopt(session_id, claim).await?;
        let adopted = fate == Fate::Adopted;
        let detail = match fate {
            Fate::Adopted => "the database did not know this work; it goes on".to_owned(),
            Fate::Refused { reason } => reason,
        };
        tracing::error!(
            job_id = %claim.job_id, claim_id = %claim.claim_id, %session_id, adopted, detail,
            "a worker has a claim that the database does not know: it was rolled back; \
             nothing is handed out and nothing expires until all workers were heard"
        );
        Ok(Some(adopted))
    }

    async fn adopt(&self, session_id: SessionId, claim: Claim) -> Result<Fate, StoreError> {
        let mut tx = self.main.begin().await?;
        let Some(loaded) = jobs::lock(&mut tx, claim.job_id).await? else {
            let reason = "the database does not know the job any more".to_owned();
            return Ok(Fate::Refused { reason });
        };
        let fate = match judge(&loaded.job) {
            Fate::Adopted => self.go_on(&mut tx, session_id, claim, loaded).await?,
            refused => refused,
        };
        note(&mut tx, session_id, claim, &fate).await?;
        tx.commit().await?;
        Ok(fate)
    }

    /// A free job is this session's, and runs, if somebody wants it and the session has room.
    async fn go_on(
        &self,
        connection: &mut PgConnection,
        session_id: SessionId,
        claim: Claim,
        loaded: Loaded,
    ) -> Result<Fate, StoreError> {
        let refused = |reason: &str| Ok(Fate::Refused { reason: reason.to_owned() });
        if loaded.is_unwanted() {
            return refused("no study wants it");
        }
        let Some(worker) = idle_worker(connection, session_id).await? else {
            return refused("every worker of its session has another job");
        };
        let lease = Lease { claim_id: claim.claim_id, session_id, worker };
        // It goes on already, also where the database would have it wait after a failure.
        let not_before = match loaded.job.state {
            JobState::Ready { not_before } => not_before,
            _ => loaded.now,
        };
        let loaded = Loaded { now: loaded.now.max(not_before), ..loaded };
        let claimed = Event::Claimed { lease };
        match changes::change(connection, &self.policy, loaded, &claimed).await {
            Ok(_) => {}
            // It is locked: only the guard against paused studies refuses.
            Err(StoreError::Raced { .. }) => return refused("its studies are paused"),
            Err(error) => return Err(error),
        }
        let claimed = jobs::lock(connection, claim.job_id).await?;
        let claimed = claimed.ok_or(StoreError::Raced { job_id: claim.job_id })?;
        let confirmed = Event::Confirmed { claim_id: claim.claim_id };
        changes::change(connection, &self.policy, claimed, &confirmed).await?;
        Ok(Fate::Adopted)
    }
}

/// Whether the database has never seen this claim, although the job exists. One that was met
/// before and refused is known.
pub(crate) async fn is_unknown(connection: &mut PgConnection, claim: Claim) -> Result<bool, StoreError> {
    let unknown = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM jobs WHERE job_id = $1)
               AND NOT EXISTS (SELECT 1 FROM attempts WHERE claim_id = $2)
               AND NOT EXISTS (SELECT 1 FROM divergences WHERE claim_id = $2) AS "unknown!""#,
        claim.job_id.0,
        &claim.claim_id.0[..],
    );
    Ok(unknown.fetch_one(connection).await?)
}

/// A worker of this session without a job; the inventory does not say which one has which.
async fn idle_worker(
    connection: &mut PgConnection,
    session_id: SessionId,
) -> Result<Option<String>, StoreError> {
    let idle = sqlx::query_scalar!(
        r#"SELECT w.worker
           FROM workers w
           WHERE w.session_id = $1
             AND NOT EXISTS (
                 SELECT 1 FROM jobs j WHERE j.session_id = w.session_id AND j.worker = w.worker)
           ORDER BY w.worker
           LIMIT 1"#,
        session_id.0,
    );
    Ok(idle.fetch_optional(connection).await?)
}

/// For people: in the list of divergences, and in the job's history.
async fn note(
    connection: &mut PgConnection,
    session_id: SessionId,
    claim: Claim,
    fate: &Fate,
) -> Result<(), StoreError> {
    let detail = match fate {
        Fate::Adopted => "the database did not know this work of its worker; it goes on".to_owned(),
        Fate::Refused { reason } => format!("work that the database did not know was refused: {reason}"),
    };
    sqlx::query!(
        r#"WITH diverged AS (
               INSERT INTO divergences (claim_id, job_id, node, adopted, detail)
               SELECT $1, $2, s.node, $4, $5
               FROM sessions s
               WHERE s.session_id = $3
               ON CONFLICT (claim_id) DO NOTHING)
           INSERT INTO events (job_id, at, what, detail)
           VALUES ($2, clock_timestamp(), 'database rolled back', $5)"#,
        &claim.claim_id.0[..],
        claim.job_id.0,
        session_id.0,
        *fate == Fate::Adopted,
        detail,
    )
    .execute(connection)
    .await?;
    Ok(())
}
