//! Who is to blame when attempts end badly: a worker, which is set aside, or a job, which is held.
//!
//! `core::quarantine` and `core::poison` decide; here is what they are told, and what follows.
//! Both look only at attempts of the last day that ended without getting further. What a
//! quarantined worker's attempts used of their jobs' budgets is given back in the transaction
//! that sets it aside.

use std::{cmp::Reverse, collections::BTreeMap};

use chrono::{DateTime, Utc};
use selffer_core::{
    ids::{AttemptNumber, ClaimId, JobId},
    job::{AttemptOutcome, Event, FailureClass, JobState, StateKind},
    limits::{BROKEN_DEVICE_WITHIN_S, LOST_TOGETHER_S},
    poison,
    quarantine::{self, BadEnding},
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    Store, StoreError,
    again::again,
    changes::{self, Changed},
    convert::{failure_class, from_i32, to_i32},
    jobs,
};

/// Who sets workers aside, where no person does.
const COORDINATOR: &str = "coordinator";

/// Notes an attempt that ended badly, if it got no further than those before it.
pub(crate) async fn note_ending(
    connection: &mut PgConnection,
    claim_id: ClaimId,
    outcome: AttemptOutcome,
) -> Result<(), StoreError> {
    let class = match outcome {
        AttemptOutcome::Failed(class) if quarantine::may_be_the_workers(class) => class,
        AttemptOutcome::WorkerLost => FailureClass::WorkerLost,
        _ => return Ok(()),
    };
    sqlx::query!(
        r#"INSERT INTO bad_endings (claim_id, job_id, attempt, worker, class)
           SELECT a.claim_id, a.job_id, a.attempt, a.worker, $2
           FROM attempts a
           WHERE a.claim_id = $1
             AND (a.outcome = 'failed' OR a.confirmed_at IS NOT NULL)
             AND NOT EXISTS (
                 SELECT 1
                 FROM checkpoints c
                 WHERE c.claim_id = a.claim_id AND c.state = 'published')"#,
        &claim_id.0[..],
        class.as_str(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

impl Store {
    /// Judges the worker of an attempt that just ended badly, and sets it aside if it is to
    /// blame. Returns how many jobs can be claimed because of that.
    pub(crate) async fn judge_worker(&self, claim_id: ClaimId) -> Result<u32, StoreError> {
        again(|| self.try_judge_worker(claim_id)).await
    }

    async fn try_judge_worker(&self, claim_id: ClaimId) -> Result<u32, StoreError> {
        let mut tx = self.main.begin().await?;
        let Some(suspect) = suspect(&mut tx, claim_id).await? else { return Ok(0) };
        let endings = endings_of(&mut tx, &suspect.worker).await?;
        let endings_alone: Vec<BadEnding> = endings.iter().map(|noted| noted.ending.clone()).collect();
        if !suspect.quarantined {
            let Some(grounds) = quarantine::judge(&endings_alone, suspect.now) else { return Ok(0) };
            set_aside(&mut tx, &suspect, &grounds.to_string()).await?;
        }
        let made_ready = self.refund(&mut tx, &endings).await?;
        tx.commit().await?;
        Ok(made_ready)
    }

    /// Gives back what attempts used of their jobs' budgets, where the worker is to blame.
    async fn refund(&self, connection: &mut PgConnection, endings: &[Noted]) -> Result<u32, StoreError> {
        let mut by_job: BTreeMap<Uuid, Vec<&Noted>> = BTreeMap::new();
        for noted in endings.iter().filter(|noted| noted.is_the_workers()) {
            by_job.entry(noted.ending.job_id.0).or_default().push(noted);
        }
        let job_ids: Vec<Uuid> = by_job.keys().copied().collect();
        let mut made_ready = 0;
        for locked in jobs::lock_all(connection, &job_ids).await? {
            let mut of_job = by_job.remove(&locked.job_id.0).unwrap_or_default();
            of_job.sort_by_key(|noted| Reverse(noted.attempt));
            for noted in of_job {
                made_ready += self.refund_one(connection, noted).await?.made_ready;
            }
        }
        let claims: Vec<Vec<u8>> = endings.iter().map(|noted| noted.claim_id.clone()).collect();
        sqlx::query!("DELETE FROM bad_endings WHERE claim_id = ANY($1)", &claims).execute(connection).await?;
        Ok(made_ready)
    }

    async fn refund_one(&self, connection: &mut PgConnection, noted: &Noted) -> Result<Changed, StoreError> {
        let Some(loaded) = jobs::lock(connection, noted.ending.job_id).await? else {
            return Ok(Changed::default());
        };
        let is_over = match loaded.job.state.kind() {
            StateKind::Succeeded | StateKind::Cancelled => true,
            // Nobody wants it any more: it is not to start again by itself.
            StateKind::Failed | StateKind::Held => !loaded.interest.keeps_jobs(),
            _ => false,
        };
        if is_over {
            return Ok(Changed::default());
        }
        let event = Event::Refunded { attempt: noted.attempt, class: noted.ending.class };
        changes::change(connection, &self.policy, loaded, &event).await
    }

    /// Holds a job, which the caller has locked and just taken from a lost worker, if such
    /// losses are its doing.
    pub(crate) async fn hold_if_poison(
        &self,
        connection: &mut PgConnection,
        job_id: JobId,
        changed: Changed,
    ) -> Result<Changed, StoreError> {
        let Some(loaded) = jobs::lock(connection, job_id).await? else { return Ok(changed) };
        if !matches!(loaded.job.state, JobState::Ready { .. } | JobState::Waiting) {
            return Ok(changed);
        }
        let losses = losses_of(connection, job_id, loaded.job.budgets.since).await?;
        let Some(reason) = poison::judge(&losses) else { return Ok(changed) };
        changes::change(connection, &self.policy, loaded, &Event::Held { reason }).await
    }
}

/// A worker that may be to blame.
struct Suspect {
    worker: String,
    device_kind: String,
    quarantined: bool,
    now: DateTime<Utc>,
}

/// A bad ending as it is stored.
struct Noted {
    claim_id: Vec<u8>,
    attempt: AttemptNumber,
    ending: BadEnding,
}

impl Noted {
    // Of a worker that is set aside.
    fn is_the_workers(&self) -> bool {
        let BadEnding { class, in_a_row, elsewhere_too, .. } = self.ending;
        let counts = in_a_row || class == FailureClass::Hardware;
        quarantine::may_be_the_workers(class) && counts && !elsewhere_too
    }
}

async fn suspect(connection: &mut PgConnection, claim_id: ClaimId) -> Result<Option<Suspect>, StoreError> {
    // A node's name is what stands before the slash; it cannot hold one.
    let suspect = sqlx::query_as!(
        Suspect,
        r#"SELECT a.worker, a.device_kind, clock_timestamp() AS "now!",
               EXISTS (
                   SELECT 1
                   FROM set_aside q
                   WHERE q.ended_at IS NULL AND q.kind = 'quarantined' AND q.name = a.worker) AS "quarantined!"
           FROM attempts a JOIN bad_endings b USING (claim_id)
           WHERE a.claim_id = $1"#,
        &claim_id.0[..],
    );
    Ok(suspect.fetch_optional(connection).await?)
}

/// What ended badly on a worker in the last day; what is older is forgotten.
async fn endings_of(connection: &mut PgConnection, worker: &str) -> Result<Vec<Noted>, StoreError> {
    sqlx::query!(
        "DELETE FROM bad_endings WHERE ended_at < clock_timestamp() - make_interval(secs => $1)",
        BROKEN_DEVICE_WITHIN_S as f64,
    )
    .execute(&mut *connection)
    .await?;
    let classes = FailureClass::ALL.into_iter().filter(|class| quarantine::may_be_the_workers(*class));
    let classes: Vec<String> = classes.map(|class| class.as_str().to_owned()).collect();
    let rows = sqlx::query!(
        r#"SELECT b.claim_id, b.job_id, b.attempt, b.class, b.ended_at, b.in_a_row,
               EXISTS (
                   SELECT 1
                   FROM attempts other
                   WHERE other.job_id = b.job_id
                     AND other.worker <> b.worker
                     AND other.failure_class = ANY($2)
                     AND other.ended_at > clock_timestamp() - make_interval(secs => $3)) AS "elsewhere_too!"
           FROM bad_endings b
           WHERE b.worker = $1
           ORDER BY b.ended_at"#,
        worker,
        &classes,
        BROKEN_DEVICE_WITHIN_S as f64,
    );
    let rows = rows.fetch_all(connection).await?.into_iter().map(|row| {
        let ending = BadEnding {
            job_id: JobId(row.job_id),
            class: failure_class(&row.class)?,
            ended_at: row.ended_at,
            in_a_row: row.in_a_row,
            elsewhere_too: row.elsewhere_too,
        };
        Ok(Noted { claim_id: row.claim_id, attempt: AttemptNumber(from_i32(row.attempt)), ending })
    });
    rows.collect()
}

async fn set_aside(connection: &mut PgConnection, suspect: &Suspect, reason: &str) -> Result<(), StoreError> {
    // Two attempts that end at once: the second finds it done.
    sqlx::query!(
        r#"INSERT INTO set_aside (name, kind, device_kind, reason, actor)
           VALUES ($1, 'quarantined', $2, $3, $4)
           ON CONFLICT (name, kind) WHERE ended_at IS NULL DO NOTHING"#,
        suspect.worker,
        suspect.device_kind,
        reason,
        COORDINATOR,
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn losses_of(
    connection: &mut PgConnection,
    job_id: JobId,
    since: AttemptNumber,
) -> Result<Vec<poison::Loss>, StoreError> {
    let losses = sqlx::query_as!(
        poison::Loss,
        r#"SELECT b.worker, EXISTS (
               SELECT 1
               FROM bad_endings other
               WHERE other.class = b.class
                 AND other.job_id <> b.job_id
                 AND split_part(other.worker, '/', 1) <> split_part(b.worker, '/', 1)
                 AND other.ended_at BETWEEN b.ended_at - make_interval(secs => $3)
                     AND b.ended_at + make_interval(secs => $3)) AS "with_others!"
           FROM bad_endings b
           WHERE b.job_id = $1
             AND b.class = 'worker_lost'
             AND b.attempt > $2"#,
        job_id.0,
        to_i32("attempt", since.0)?,
        LOST_TOGETHER_S as f64,
    );
    Ok(losses.fetch_all(connection).await?)
}
