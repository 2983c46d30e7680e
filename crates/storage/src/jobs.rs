//! The part of a job's row that the state machine owns: read and locked.
//!
//! Rows are written only by [`crate::persist`]. The order in which rows are locked is
//! everywhere the same: sources before the networks copied from them, each by their keys.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use selffer_core::{
    ids::{AttemptNumber, JobId, SessionId},
    interest::Interest,
    job::{Budgets, Failure, HoldReason, Job, JobState, Lease, StateKind},
};
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use crate::{
    StoreError,
    convert::{claim_id, from_i32, interest, state_kind},
};

/// A job as it was read.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    pub(crate) job_id: JobId,
    pub(crate) job: Job,
    /// Whether some job copies from it.
    pub(crate) is_source: bool,
    /// The strongest of its studies'.
    pub(crate) interest: Interest,
    /// Whether its worker is asked to end it.
    pub(crate) withdrawn: bool,
    /// Why it is to be held once its worker has made a checkpoint.
    pub(crate) hold_asked: Option<HoldReason>,
    /// The database's clock when it was read.
    pub(crate) now: DateTime<Utc>,
}

impl Loaded {
    /// Whether it is not to stay once it is on no worker.
    pub(crate) fn is_unwanted(&self) -> bool {
        self.withdrawn || !self.interest.keeps_jobs()
    }
}

/// The columns of [`Loaded`], as stored.
pub(crate) struct JobRow {
    job_id: Uuid,
    state: String,
    state_since: DateTime<Utc>,
    attempt: i32,
    budgets: Json<Budgets>,
    not_before: Option<DateTime<Utc>>,
    claim_id: Option<Vec<u8>>,
    session_id: Option<Uuid>,
    worker: Option<String>,
    hold: Option<Json<HoldReason>>,
    failure: Option<Json<Failure>>,
    is_source: bool,
    interest: String,
    withdrawn: bool,
    hold_asked: Option<Json<HoldReason>>,
    now: DateTime<Utc>,
}

impl JobRow {
    fn lease(&self) -> Result<Lease, StoreError> {
        let (Some(claim), Some(session), Some(worker)) = (&self.claim_id, self.session_id, &self.worker)
        else {
            return Err(self.corrupt());
        };
        let lease =
            Lease { claim_id: claim_id(claim)?, session_id: SessionId(session), worker: worker.clone() };
        Ok(lease)
    }

    fn state(&self) -> Result<JobState, StoreError> {
        let since = self.state_since;
        Ok(match state_kind(&self.state)? {
            StateKind::Waiting => JobState::Waiting,
            StateKind::Ready => {
                JobState::Ready { not_before: self.not_before.ok_or_else(|| self.corrupt())? }
            }
            StateKind::Leased => JobState::Leased { lease: self.lease()?, leased_at: since },
            StateKind::Running => JobState::Running { lease: self.lease()?, started_at: since },
            StateKind::Suspect => JobState::Suspect { lease: self.lease()?, since },
            StateKind::Held => {
                let reason = self.hold.as_ref().ok_or_else(|| self.corrupt())?.0.clone();
                JobState::Held { reason }
            }
            StateKind::Succeeded => JobState::Succeeded,
            StateKind::Failed => {
                let failure = self.failure.as_ref().ok_or_else(|| self.corrupt())?.0.clone();
                JobState::Failed { failure }
            }
            StateKind::Cancelled => JobState::Cancelled,
        })
    }

    fn corrupt(&self) -> StoreError {
        let problem = format!("job {} is {} without what that needs", self.job_id, self.state);
        StoreError::Corrupt { what: "a job's state", problem }
    }

    fn load(self) -> Result<Loaded, StoreError> {
        let attempt = AttemptNumber(from_i32(self.attempt));
        let job = Job { state: self.state()?, attempt, budgets: self.budgets.0 };
        Ok(Loaded {
            job_id: JobId(self.job_id),
            job,
            is_source: self.is_source,
            interest: interest(&self.interest)?,
            withdrawn: self.withdrawn,
            hold_asked: self.hold_asked.map(|reason| reason.0),
            now: self.now,
        })
    }
}

/// Reads a job without a lock: whoever changes it first wins.
pub(crate) async fn read(connection: &mut PgConnection, job_id: JobId) -> Result<Option<Loaded>, StoreError> {
    Ok(read_all(connection, &[job_id.0]).await?.remove(&job_id))
}

/// The same for several; those that are not there are left out.
pub(crate) async fn read_all(
    connection: &mut PgConnection,
    job_ids: &[Uuid],
) -> Result<HashMap<JobId, Loaded>, StoreError> {
    let rows = sqlx::query_as!(
        JobRow,
        r#"SELECT job_id, state, state_since, attempt, budgets AS "budgets: Json<Budgets>",
               not_before, claim_id, session_id, worker, hold AS "hold: Json<HoldReason>",
               failure AS "failure: Json<Failure>", is_source, interest,
               withdrawn_at IS NOT NULL AS "withdrawn!",
               hold_asked AS "hold_asked: Json<HoldReason>", clock_timestamp() AS "now!"
           FROM jobs
           WHERE job_id = ANY($1)"#,
        job_ids,
    );
    let rows = rows.fetch_all(connection).await?.into_iter();
    rows.map(|row| row.load().map(|loaded| (loaded.job_id, loaded))).collect()
}

/// Reads a job and keeps others from changing it until the transaction ends. A key-share
/// lock of a foreign key (a new metric, a new dependant) does not wait for it.
pub(crate) async fn lock(connection: &mut PgConnection, job_id: JobId) -> Result<Option<Loaded>, StoreError> {
    Ok(lock_all(connection, &[job_id.0]).await?.pop())
}

/// Reads jobs and keeps others from changing them until the transaction ends.
pub(crate) async fn lock_all(
    connection: &mut PgConnection,
    job_ids: &[Uuid],
) -> Result<Vec<Loaded>, StoreError> {
    if job_ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query_as!(
        JobRow,
        r#"SELECT job_id, state, state_since, attempt, budgets AS "budgets: Json<Budgets>",
               not_before, claim_id, session_id, worker, hold AS "hold: Json<HoldReason>",
               failure AS "failure: Json<Failure>", is_source, interest,
               withdrawn_at IS NOT NULL AS "withdrawn!",
               hold_asked AS "hold_asked: Json<HoldReason>", clock_timestamp() AS "now!"
           FROM jobs
           WHERE job_id = ANY($1)
           ORDER BY source_job_id IS NOT NULL, key
           FOR NO KEY UPDATE"#,
        job_ids,
    );
    rows.fetch_all(connection).await?.into_iter().map(JobRow::load).collect()
}

/// Which dependants of a source an effect is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dependants {
    /// Those that wait for it.
    Waiting,
    /// Those that are held because it ended.
    HeldForIt,
    /// Those that can start. All are locked: one that is at work must not come back unseen.
    Ready,
    /// Those that have not ended.
    Open,
}

/// Locks dependants of a source, by index `jobs_by_source`.
pub(crate) async fn lock_dependants(
    connection: &mut PgConnection,
    source: JobId,
    which: Dependants,
) -> Result<Vec<Loaded>, StoreError> {
    let (state, hold) = match which {
        Dependants::Waiting => (Some(StateKind::Waiting), None),
        Dependants::HeldForIt => (Some(StateKind::Held), Some("source_ended")),
        Dependants::Ready | Dependants::Open => (None, None),
    };
    let rows = sqlx::query_as!(
        JobRow,
        r#"SELECT job_id, state, state_since, attempt, budgets AS "budgets: Json<Budgets>",
               not_before, claim_id, session_id, worker, hold AS "hold: Json<HoldReason>",
               failure AS "failure: Json<Failure>", is_source, interest,
               withdrawn_at IS NOT NULL AS "withdrawn!",
               hold_asked AS "hold_asked: Json<HoldReason>", clock_timestamp() AS "now!"
           FROM jobs
           WHERE source_job_id = $1
             AND ($2::text IS NULL OR state = $2 AND hold->>'kind' IS NOT DISTINCT FROM $3)
           ORDER BY key
           FOR NO KEY UPDATE"#,
        source.0,
        state.map(StateKind::as_str),
        hold,
    );
    let locked = rows.fetch_all(connection).await?.into_iter().map(JobRow::load);
    let mut locked = locked.collect::<Result<Vec<_>, _>>()?;
    // The others were only to be locked.
    match which {
        Dependants::Ready => locked.retain(|one| one.job.state.kind() == StateKind::Ready),
        Dependants::Open => locked.retain(|one| !one.job.state.kind().is_terminal()),
        Dependants::Waiting | Dependants::HeldForIt => {}
    }
    Ok(locked)
}

/// The jobs that a session holds, in the order in which several are locked. Not locked.
pub(crate) async fn held_by(
    connection: &mut PgConnection,
    session_id: SessionId,
) -> Result<Vec<JobId>, StoreError> {
    let held = sqlx::query_scalar!(
        r#"SELECT job_id
           FROM jobs
           WHERE session_id = $1
           ORDER BY source_job_id IS NOT NULL, key"#,
        session_id.0,
    );
    Ok(held.fetch_all(connection).await?.into_iter().map(JobId).collect())
}
