//! The part of a job's row that the state machine owns: written back, with a note for people.
//!
//! Only with what `core::job::apply` returned, and only over the very state, claim and
//! attempt that were read: anything else in the row means that somebody was faster.

use chrono::{DateTime, Utc};
use selffer_core::job::{Job, JobState};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{StoreError, convert::to_i32, jobs::Loaded};

/// Rows that one statement writes.
const ROWS_PER_STATEMENT: usize = 5_000;

/// What becomes of a job.
#[derive(Debug)]
pub(crate) struct Change<'a> {
    /// As it was read.
    pub(crate) before: &'a Loaded,
    /// As it is to be.
    pub(crate) after: &'a Job,
    /// What happened, in a word.
    pub(crate) what: &'static str,
    /// And to what effect.
    pub(crate) detail: String,
}

/// Writes jobs, and for each of them an event.
///
/// # Errors
/// [`StoreError::Raced`] if one of them is not as it was read; nothing may be committed then.
pub(crate) async fn persist(connection: &mut PgConnection, changes: &[Change<'_>]) -> Result<(), StoreError> {
    for changes in changes.chunks(ROWS_PER_STATEMENT) {
        let written = persist_some(connection, Columns::of(changes)?).await?;
        if let (true, Some(change)) = (written != changes.len() as u64, changes.first()) {
            return Err(StoreError::Raced { job_id: change.before.job_id });
        }
    }
    Ok(())
}

/// Jobs as arrays, one for each column.
#[derive(Default)]
struct Columns {
    job_id: Vec<Uuid>,
    state_before: Vec<String>,
    claim_before: Vec<Option<Vec<u8>>>,
    attempt_before: Vec<i32>,
    state: Vec<String>,
    since: Vec<DateTime<Utc>>,
    attempt: Vec<i32>,
    budgets: Vec<serde_json::Value>,
    not_before: Vec<Option<DateTime<Utc>>>,
    claim_id: Vec<Option<Vec<u8>>>,
    session_id: Vec<Option<Uuid>>,
    worker: Vec<Option<String>>,
    hold: Vec<Option<serde_json::Value>>,
    failure: Vec<Option<serde_json::Value>>,
    succeeded_attempt: Vec<Option<i32>>,
    what: Vec<String>,
    detail: Vec<String>,
}

impl Columns {
    fn of(changes: &[Change<'_>]) -> Result<Self, StoreError> {
        let mut columns = Self::default();
        for Change { before, after, what, detail } in changes {
            columns.push_before(before)?;
            columns.push_after(after, before.now)?;
            columns.what.push((*what).to_owned());
            columns.detail.push(detail.clone());
        }
        Ok(columns)
    }

    fn push_before(&mut self, loaded: &Loaded) -> Result<(), StoreError> {
        let lease = loaded.job.state.lease();
        self.job_id.push(loaded.job_id.0);
        self.state_before.push(loaded.job.state.kind().as_str().to_owned());
        self.claim_before.push(lease.map(|lease| lease.claim_id.0.to_vec()));
        self.attempt_before.push(to_i32("attempt", loaded.job.attempt.0)?);
        Ok(())
    }

    fn push_after(&mut self, job: &Job, now: DateTime<Utc>) -> Result<(), StoreError> {
        let attempt = to_i32("attempt", job.attempt.0)?;
        let lease = job.state.lease();
        self.state.push(job.state.kind().as_str().to_owned());
        self.since.push(since(&job.state).unwrap_or(now));
        self.attempt.push(attempt);
        self.budgets.push(json(&job.budgets)?);
        self.claim_id.push(lease.map(|lease| lease.claim_id.0.to_vec()));
        self.session_id.push(lease.map(|lease| lease.session_id.0));
        self.worker.push(lease.map(|lease| lease.worker.clone()));
        let (mut not_before, mut hold, mut failure, mut succeeded) = (None, None, None, None);
        match &job.state {
            JobState::Ready { not_before: at } => not_before = Some(*at),
            JobState::Held { reason } => hold = Some(json(reason)?),
            JobState::Failed { failure: why } => failure = Some(json(why)?),
            JobState::Succeeded => succeeded = Some(attempt),
            _ => {}
        }
        self.not_before.push(not_before);
        self.hold.push(hold);
        self.failure.push(failure);
        self.succeeded_attempt.push(succeeded);
        Ok(())
    }
}

fn since(state: &JobState) -> Option<DateTime<Utc>> {
    match state {
        JobState::Leased { leased_at: at, .. }
        | JobState::Running { started_at: at, .. }
        | JobState::Suspect { since: at, .. } => Some(*at),
        _ => None,
    }
}

fn json<T: serde::Serialize>(value: &T) -> Result<serde_json::Value, StoreError> {
    serde_json::to_value(value)
        .map_err(|error| StoreError::Corrupt { what: "a job's state", problem: error.to_string() })
}

async fn persist_some(connection: &mut PgConnection, columns: Columns) -> Result<u64, StoreError> {
    let written = sqlx::query!(
        r#"WITH written AS (
               UPDATE jobs
               SET state = new.state, state_since = new.since, attempt = new.attempt,
                   budgets = new.budgets, not_before = new.not_before, claim_id = new.claim_id,
                   session_id = new.session_id, worker = new.worker, hold = new.hold,
                   failure = new.failure, succeeded_attempt = new.succeeded_attempt,
                   withdrawn_at = CASE WHEN new.state IN ('running', 'suspect') THEN jobs.withdrawn_at END,
                   hold_asked = CASE WHEN new.state IN ('leased', 'running', 'suspect') THEN jobs.hold_asked END
               FROM UNNEST($1::uuid[], $2::text[], $3::bytea[], $4::integer[], $5::text[],
                       $6::timestamptz[], $7::integer[], $8::jsonb[], $9::timestamptz[], $10::bytea[],
                       $11::uuid[], $12::text[], $13::jsonb[], $14::jsonb[], $15::integer[], $16::text[],
                       $17::text[])
                   AS new (job_id, state_before, claim_before, attempt_before, state, since, attempt,
                       budgets, not_before, claim_id, session_id, worker, hold, failure,
                       succeeded_attempt, what, detail)
               WHERE jobs.job_id = new.job_id
                 AND jobs.state = new.state_before
                 AND jobs.claim_id IS NOT DISTINCT FROM new.claim_before
                 AND jobs.attempt = new.attempt_before
                 -- A pause since it was read: nothing new is handed out.
                 AND (jobs.claimable OR new.state <> 'leased' OR new.state_before <> 'ready')
               RETURNING jobs.job_id, new.what, new.detail)
           INSERT INTO events (job_id, at, what, detail)
           SELECT job_id, clock_timestamp(), what, detail
           FROM written"#,
        &columns.job_id,
        &columns.state_before,
        &columns.claim_before as _,
        &columns.attempt_before,
        &columns.state,
        &columns.since,
        &columns.attempt,
        &columns.budgets,
        &columns.not_before as _,
        &columns.claim_id as _,
        &columns.session_id as _,
        &columns.worker as _,
        &columns.hold as _,
        &columns.failure as _,
        &columns.succeeded_attempt as _,
        &columns.what,
        &columns.detail,
    );
    Ok(written.execute(connection).await?.rows_affected())
}
