//! Leases: ready jobs are given to those who ask, several in one transaction.
//!
//! Repeating a claim id returns the lease that it got. Where many ask at once their claims are
//! committed together: what a transaction costs is then shared. If one claim is in the way of
//! all others, because somebody else was faster, each is made by itself.

use std::collections::HashMap;

use selffer_core::{
    ids::{AttemptNumber, CheckpointId, ClaimId, JobId, JobKey, SessionId},
    job::{Event, JobState, Lease},
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    Claim, Store, StoreError, changes,
    claim::stale,
    convert::{self, from_i32, job_key},
    jobs::{self, Loaded},
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

/// What came of a claim: a lease, or none because somebody else was faster, the job's time has
/// not come or the fleet is frozen.
pub type Granted = Result<Option<Assignment>, StoreError>;

/// What a claim may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum May {
    /// The job that it asks for.
    Lease,
    /// What it has got before.
    Repeat,
    /// Nothing.
    Nothing,
}

impl Store {
    /// The lease that this claim id has already got; `None` if it is new.
    ///
    /// # Errors
    /// [`StoreError::StaleClaim`] if it was used and is over.
    pub async fn assignment(&self, claim_id: ClaimId, session_id: SessionId) -> Granted {
        let mut found = self.assignments(&[(claim_id, session_id)]).await?;
        found.remove(&claim_id).transpose()
    }

    /// Leases a ready job. Repeating a claim id returns the lease that it got, whatever job is
    /// asked for.
    ///
    /// # Errors
    /// The session has ended or is silent, its worker is set aside, or the claim id was used and
    /// is over.
    pub async fn claim(&self, new: &NewClaim) -> Granted {
        let (claim_id, session_id) = (new.claim.claim_id, new.session_id);
        match self.lease_each(std::slice::from_ref(new)).await {
            Ok(mut leased) => match leased.pop() {
                Some(Ok(May::Lease | May::Repeat)) => self.assignment(claim_id, session_id).await,
                Some(Err(refused)) => Err(refused),
                Some(Ok(May::Nothing)) | None => Ok(None),
            },
            Err(StoreError::Raced { .. }) => Ok(None),
            // The same claim id a second time, or at the same time.
            Err(error) if error.is_unique_violation() => self.assignment(claim_id, session_id).await,
            Err(error) => Err(error),
        }
    }

    /// As [`Self::claim`] for several, in one transaction; what came of each, in their order.
    ///
    /// # Errors
    /// The database. Then it is not known of any.
    pub async fn claim_each(&self, claims: &[NewClaim]) -> Result<Vec<Granted>, StoreError> {
        match self.lease_each(claims).await {
            Ok(leased) => self.grant(claims, leased).await,
            Err(error) if is_of_one(&error) => {
                let mut granted = Vec::with_capacity(claims.len());
                for claim in claims {
                    granted.push(self.claim(claim).await);
                }
                Ok(granted)
            }
            Err(error) => Err(error),
        }
    }

    async fn grant(
        &self,
        claims: &[NewClaim],
        leased: Vec<Result<May, StoreError>>,
    ) -> Result<Vec<Granted>, StoreError> {
        let ids: Vec<_> = claims.iter().map(|new| (new.claim.claim_id, new.session_id)).collect();
        let mut found = self.assignments(&ids).await?;
        let granted = claims.iter().zip(leased).map(|(new, leased)| match leased {
            Ok(May::Lease | May::Repeat) => found.remove(&new.claim.claim_id).transpose(),
            Ok(May::Nothing) => Ok(None),
            Err(refused) => Err(refused),
        });
        Ok(granted.collect())
    }

    /// Which of them have their job now, or had one before.
    async fn lease_each(&self, claims: &[NewClaim]) -> Result<Vec<Result<May, StoreError>>, StoreError> {
        let mut tx = self.main.begin().await?;
        let mut leased = check_live(&mut tx, claims).await?;
        // Read without a lock: a second claimer is not to wait for the first, but to take the
        // next job. The guarded UPDATE decides.
        let job_ids: Vec<Uuid> = claims.iter().map(|new| new.claim.job_id.0).collect();
        let mut jobs = jobs::read_all(&mut tx, &job_ids).await?;
        let mut changes = Vec::new();
        for (new, leased) in claims.iter().zip(&mut leased) {
            if !matches!(leased, Ok(May::Lease)) {
                continue;
            }
            match jobs.remove(&new.claim.job_id).filter(is_claimable) {
                Some(loaded) => changes.push((loaded, Event::Claimed { lease: new.lease() })),
                None => *leased = Ok(May::Nothing),
            }
        }
        changes::change_each(&mut tx, &self.policy, changes).await?;
        tx.commit().await?;
        Ok(leased)
    }

    /// The leases that these claim ids have got, by claim id; those that are new are left out. One
    /// that was used and is over is [`StoreError::StaleClaim`].
    ///
    /// # Errors
    /// The database.
    pub async fn assignments(
        &self,
        claims: &[(ClaimId, SessionId)],
    ) -> Result<HashMap<ClaimId, Result<Assignment, StoreError>>, StoreError> {
        let claim_ids: Vec<Vec<u8>> = claims.iter().map(|(claim_id, _)| claim_id.0.to_vec()).collect();
        let session_ids: Vec<Uuid> = claims.iter().map(|(_, session_id)| session_id.0).collect();
        let rows = sqlx::query_as!(
            AssignmentRow,
            r#"SELECT a.claim_id, a.job_id, a.attempt, j.key, j.spec,
                   (j.claim_id IS NOT DISTINCT FROM a.claim_id AND j.session_id = asked.session_id)
                       AS "current!",
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
               FROM UNNEST($1::bytea[], $2::uuid[]) AS asked (claim_id, session_id)
               JOIN attempts a ON a.claim_id = asked.claim_id
               JOIN jobs j USING (job_id)"#,
            &claim_ids,
            &session_ids,
        );
        let rows = rows.fetch_all(&self.main).await?.into_iter();
        rows.map(|row| Ok((convert::claim_id(&row.claim_id)?, row.read()))).collect()
    }
}

impl NewClaim {
    fn lease(&self) -> Lease {
        Lease { claim_id: self.claim.claim_id, session_id: self.session_id, worker: self.worker.clone() }
    }
}

struct AssignmentRow {
    claim_id: Vec<u8>,
    job_id: Uuid,
    attempt: i32,
    key: Vec<u8>,
    spec: String,
    current: bool,
    name: String,
    source_checkpoint: Option<Uuid>,
    resume_checkpoints: Vec<Uuid>,
}

impl AssignmentRow {
    fn read(self) -> Result<Assignment, StoreError> {
        let claim = Claim { job_id: JobId(self.job_id), claim_id: convert::claim_id(&self.claim_id)? };
        if !self.current {
            return Err(stale(claim));
        }
        Ok(Assignment {
            claim,
            attempt: AttemptNumber(from_i32(self.attempt)),
            key: job_key(&self.key)?,
            name: self.name,
            spec_json: self.spec,
            source_checkpoint: self.source_checkpoint.map(CheckpointId),
            resume_checkpoints: self.resume_checkpoints.into_iter().map(CheckpointId).collect(),
        })
    }
}

/// Whether the trouble is one claim's, so that others may be granted without it.
fn is_of_one(error: &StoreError) -> bool {
    matches!(error, StoreError::Raced { .. } | StoreError::NotFound { .. })
        || error.is_unique_violation()
        || error.is_deadlock()
}

fn is_claimable(loaded: &Loaded) -> bool {
    matches!(loaded.job.state, JobState::Ready { not_before } if not_before <= loaded.now)
}

/// Keeps the sessions from being superseded or expired until the leases are committed. What each
/// may have: nothing new in a freeze.
async fn check_live(
    connection: &mut PgConnection,
    claims: &[NewClaim],
) -> Result<Vec<Result<May, StoreError>>, StoreError> {
    let claim_ids: Vec<Vec<u8>> = claims.iter().map(|new| new.claim.claim_id.0.to_vec()).collect();
    let session_ids: Vec<Uuid> = claims.iter().map(|new| new.session_id.0).collect();
    let workers: Vec<String> = claims.iter().map(|new| new.worker.clone()).collect();
    let rows = sqlx::query!(
        r#"SELECT given.place AS "place!", s.ended_at IS NOT NULL AS "ended!",
               s.expired_at IS NOT NULL AS "expired!",
               -- No EXISTS: it would read all attempts into a table of its own first.
               (SELECT a.claim_id FROM attempts a WHERE a.claim_id = given.claim_id) IS NOT NULL AS "repeat!",
               EXISTS (SELECT 1 FROM fleet WHERE frozen_at IS NOT NULL) AS "frozen!",
               EXISTS (
                   SELECT 1
                   FROM set_aside a
                   WHERE a.ended_at IS NULL AND a.name IN (given.worker, s.node)) AS "aside!"
           FROM UNNEST($1::bytea[], $2::uuid[], $3::text[]) WITH ORDINALITY
               AS given (claim_id, session_id, worker, place)
           JOIN sessions s USING (session_id)
           FOR SHARE OF s"#,
        &claim_ids,
        &session_ids,
        &workers,
    );
    let ended = |new: &NewClaim| Err(StoreError::SessionEnded { session_id: new.session_id });
    let mut live: Vec<_> = claims.iter().map(ended).collect();
    for row in rows.fetch_all(connection).await? {
        let place = row.place as usize - 1;
        let new = &claims[place];
        live[place] = match row {
            row if row.ended => ended(new),
            row if row.expired => Err(StoreError::SessionSilent { session_id: new.session_id }),
            row if row.repeat => Ok(May::Repeat),
            row if row.aside => Err(StoreError::SetAside { worker: new.worker.clone() }),
            row if row.frozen => Ok(May::Nothing),
            _ => Ok(May::Lease),
        };
    }
    Ok(live)
}
