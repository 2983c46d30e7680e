//! The part of a job's row that the state machine owns: written back, with the attempt that begins
//! or ends by it, and a note for people.
//!
//! Only with what `core::job::apply` returned, and only over the very state, claim and
//! attempt that were read: anything else in the row means that somebody was faster.

use chrono::{DateTime, Utc};
use selffer_core::job::{AttemptOutcome, Job, JobState};
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
    /// Whether an attempt begins, under the claim that it has then.
    pub(crate) opens: bool,
    /// How the attempt under the claim that it had ends, and with what message.
    pub(crate) closes: Option<(AttemptOutcome, Option<&'a str>)>,
}

/// Writes jobs, their attempts that begin or end, and for each of them an event.
///
/// # Errors
/// [`StoreError::Raced`] if one of them is not as it was read, [`StoreError::NotFound`] if the
/// session has no such worker; nothing may be committed then.
pub(crate) async fn persist(connection: &mut PgConnection, changes: &[Change<'_>]) -> Result<(), StoreError> {
    for changes in changes.chunks(ROWS_PER_STATEMENT) {
        let Some(first) = changes.first() else { continue };
        let Written { jobs, opened, closed } = write(connection, Columns::of(changes)?).await?;
        let closing = changes.iter().filter(|change| change.closes.is_some()).count();
        if (jobs, closed) != (changes.len() as i64, closing as i64) {
            return Err(StoreError::Raced { job_id: first.before.job_id });
        }
        let opening = changes.iter().filter(|change| change.opens);
        if opened != opening.clone().count() as i64 {
            let workers: Vec<_> =
                opening.filter_map(|change| Some(&*change.after.state.lease()?.worker)).collect();
            return Err(StoreError::NotFound { what: "worker of this session", name: workers.join(", ") });
        }
    }
    Ok(())
}

/// Rows that a statement wrote.
struct Written {
    jobs: i64,
    opened: i64,
    closed: i64,
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
    opens: Vec<bool>,
    outcome: Vec<Option<String>>,
    failure_class: Vec<Option<String>>,
    message: Vec<Option<String>>,
}

impl Columns {
    fn of(changes: &[Change<'_>]) -> Result<Self, StoreError> {
        let mut columns = Self::default();
        for Change { before, after, what, detail, opens, closes } in changes {
            columns.push_before(before)?;
            columns.push_after(after, before.now)?;
            columns.what.push((*what).to_owned());
            columns.detail.push(detail.clone());
            if *opens && after.state.lease().is_none() {
                let problem = format!("job {} begins an attempt without a lease", before.job_id);
                return Err(StoreError::Corrupt { what: "a transition", problem });
            }
            columns.opens.push(*opens);
            columns.push_ending(*closes);
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

    fn push_ending(&mut self, ending: Option<(AttemptOutcome, Option<&str>)>) {
        let outcome = ending.map(|(outcome, _)| outcome);
        self.outcome.push(outcome.map(|outcome| outcome.as_str().to_owned()));
        self.failure_class.push(match outcome {
            Some(AttemptOutcome::Failed(class)) => Some(class.as_str().to_owned()),
            _ => None,
        });
        self.message.push(ending.and_then(|(_, message)| message).map(str::to_owned));
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

// In a file of its own, because it fills a screen by itself.
async fn write(connection: &mut PgConnection, columns: Columns) -> Result<Written, StoreError> {
    let written = sqlx::query_file_as!(
        Written,
        "src/persist.sql",
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
        &columns.opens,
        &columns.outcome as _,
        &columns.failure_class as _,
        &columns.message as _,
    );
    Ok(written.fetch_one(connection).await?)
}
