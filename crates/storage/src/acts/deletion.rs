//! Deleting trained networks: their checkpoints go, what they were found to be stays.
//!
//! Only what has ended can go, and nothing that a network which has not ended copies from. Rows
//! first; the chunks that nothing else has are collected after a while. A study that needs a
//! deleted network again has it trained again.

use selffer_core::job::StateKind;
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use selffer_core::artifact::Manifest;

use super::{Act, OtherStudy};
use crate::{
    JobRef, Store, StoreError,
    again::again,
    checkpoints::{self, StoredCheckpoint},
    convert::{state_kind, to_i32, to_i64},
    jobs,
    studies::{LockedStudy, lock_jobs_of, lock_study, note},
};

/// Dependants that a refusal names.
const NAMED_MAX: usize = 5;

/// Whose trained networks go.
#[derive(Clone, Debug)]
pub enum Deleting {
    /// A study's: those that no other study wants.
    Study(String),
    /// One job's, whoever wants it.
    Job(JobRef),
}

/// Whether to do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Only say what would go.
    DryRun,
    /// Do it.
    Delete,
}

/// What goes, and what stays for whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// The study, or the job as `STUDY:NAME`.
    pub name: String,
    /// Networks whose checkpoints go.
    pub networks: u32,
    /// Those checkpoints.
    pub checkpoints: u32,
    /// Their bytes; what they share with others stays.
    pub bytes: u64,
    /// Networks of the study that have not ended; they stay.
    pub unended: u32,
    /// Networks of the study that stay because networks copy from them that have not ended.
    pub needed: u32,
    /// Of a study: others that want its networks, and how many stay for each. Of a job: all
    /// that have it.
    pub others: Vec<OtherStudy>,
    /// Networks that were copied from these and have ended: what they were copied from can no
    /// longer be compared byte by byte.
    pub copies: u32,
}

/// One network that may go.
struct Candidate {
    job_id: Uuid,
    state: String,
    /// Other studies that want it.
    others: Vec<String>,
    /// Networks that copy from it and have not ended.
    waiting: Vec<String>,
    /// Networks that were copied from it and have ended.
    copies: i64,
}

impl Store {
    /// Deletes checkpoints of networks that have ended, or says what would go.
    ///
    /// # Errors
    /// There is no such study or job; or the one job has not ended, or is needed.
    pub async fn delete_networks(
        &self,
        what: &Deleting,
        act: &Act<'_>,
        mode: Mode,
    ) -> Result<Deleted, StoreError> {
        again(|| self.try_delete_networks(what, act, mode)).await
    }

    async fn try_delete_networks(
        &self,
        what: &Deleting,
        act: &Act<'_>,
        mode: Mode,
    ) -> Result<Deleted, StoreError> {
        let mut tx = self.main.begin().await?;
        let (mut deleted, going, study) = match what {
            Deleting::Study(study) => {
                let study = lock_study(&mut tx, study).await?;
                let (deleted, going) = of_study(&mut tx, &study).await?;
                (deleted, going, Some(study))
            }
            Deleting::Job(job) => {
                let (deleted, going) = of_job(&mut tx, job).await?;
                (deleted, going, None)
            }
        };
        let gone = delete_rows(&mut tx, &going).await?;
        let mut networks: Vec<Uuid> = gone.iter().map(|row| row.claim.job_id.0).collect();
        networks.sort_unstable();
        networks.dedup();
        deleted.networks = networks.len() as u32;
        deleted.checkpoints = gone.len() as u32;
        deleted.bytes = gone.iter().map(|row| row.manifest.bytes()).sum();
        if mode == Mode::DryRun || gone.is_empty() {
            tx.rollback().await?;
            return Ok(deleted);
        }
        record(&mut tx, (&deleted, &networks, study.as_ref()), act).await?;
        tx.commit().await?;
        Ok(deleted)
    }
}

async fn of_study(
    connection: &mut PgConnection,
    study: &LockedStudy,
) -> Result<(Deleted, Vec<Uuid>), StoreError> {
    let all = lock_jobs_of(connection, study.study_id).await?;
    let mut deleted = Deleted { name: study.name.clone(), ..Deleted::default() };
    let mut going = Vec::new();
    for candidate in candidates(connection, &all, Some(study.study_id.0)).await? {
        if !candidate.has_ended()? {
            deleted.unended += 1;
        } else if !candidate.others.is_empty() {
            candidate.others.iter().for_each(|other| deleted.count_for(other));
        } else if !candidate.waiting.is_empty() {
            deleted.needed += 1;
        } else {
            deleted.copies += u32::try_from(candidate.copies).unwrap_or(u32::MAX);
            going.push(candidate.job_id);
        }
    }
    Ok((deleted, going))
}

async fn of_job(connection: &mut PgConnection, job: &JobRef) -> Result<(Deleted, Vec<Uuid>), StoreError> {
    let name = format!("{}:{}", job.study, job.name);
    let gone = || StoreError::NotFound { what: "job", name: name.clone() };
    jobs::lock(connection, job.job_id).await?.ok_or_else(gone)?;
    let candidate = candidates(connection, &[job.job_id.0], None).await?.pop().ok_or_else(gone)?;
    if !candidate.has_ended()? {
        let reason = format!("it is {}; cancel it first", candidate.state);
        return Err(StoreError::StillNeeded { name, reason });
    }
    if !candidate.waiting.is_empty() {
        let count = candidate.waiting.len();
        let named = candidate.waiting[..count.min(NAMED_MAX)].join(", ");
        let more = if count > NAMED_MAX { ", …" } else { "" };
        let reason = format!("networks copy from it and have not ended: {named}{more} ({count})");
        return Err(StoreError::StillNeeded { name, reason });
    }
    let mut deleted = Deleted { name, ..Deleted::default() };
    candidate.others.iter().for_each(|other| deleted.count_for(other));
    deleted.copies = u32::try_from(candidate.copies).unwrap_or(u32::MAX);
    Ok((deleted, vec![candidate.job_id]))
}

impl Deleted {
    fn count_for(&mut self, study: &str) {
        match self.others.iter_mut().find(|other| other.study == study) {
            Some(other) => other.jobs += 1,
            None => self.others.push(OtherStudy { study: study.to_owned(), jobs: 1 }),
        }
    }
}

impl Candidate {
    fn has_ended(&self) -> Result<bool, StoreError> {
        let kind = state_kind(&self.state)?;
        Ok(matches!(kind, StateKind::Succeeded | StateKind::Failed | StateKind::Cancelled))
    }
}

/// These locked jobs with who needs them, in one order; studies that were cancelled want nothing.
async fn candidates(
    connection: &mut PgConnection,
    job_ids: &[Uuid],
    but: Option<Uuid>,
) -> Result<Vec<Candidate>, StoreError> {
    let rows = sqlx::query_as!(
        Candidate,
        r#"SELECT j.job_id, j.state,
               ARRAY(
                   SELECT s.name
                   FROM study_jobs sj JOIN studies s USING (study_id)
                   WHERE sj.job_id = j.job_id
                     AND s.study_id IS DISTINCT FROM $2
                     AND s.interest <> 'cancelled'
                   ORDER BY s.name) AS "others!",
               ARRAY(
                   SELECT COALESCE((
                       SELECT s.name || ':' || sj.name
                       FROM study_jobs sj JOIN studies s USING (study_id)
                       WHERE sj.job_id = copy.job_id
                       ORDER BY s.created_at DESC
                       LIMIT 1), copy.job_id::text)
                   FROM jobs copy
                   WHERE copy.source_job_id = j.job_id
                     AND copy.state NOT IN ('succeeded', 'failed', 'cancelled')
                   ORDER BY 1) AS "waiting!",
               (SELECT COUNT(*)
                FROM jobs copy
                WHERE copy.source_job_id = j.job_id
                  AND copy.state = 'succeeded') AS "copies!"
           FROM jobs j
           WHERE j.job_id = ANY($1)
           ORDER BY j.key"#,
        job_ids,
        but,
    );
    Ok(rows.fetch_all(connection).await?)
}

/// Deletes the rows of these jobs' checkpoints; one that is a result's only says so from now on.
async fn delete_rows(
    connection: &mut PgConnection,
    job_ids: &[Uuid],
) -> Result<Vec<checkpoints::CheckpointRow>, StoreError> {
    let rows = sqlx::query_as!(
        StoredCheckpoint,
        r#"WITH marked AS (
               UPDATE checkpoints c
               SET state = 'deleted'
               WHERE c.job_id = ANY($1)
                 AND c.state <> 'deleted'
                 AND EXISTS (SELECT 1 FROM results r WHERE r.checkpoint_id = c.checkpoint_id)
               RETURNING checkpoint_id, job_id, claim_id, kind, state, iteration, manifest),
           removed AS (
               DELETE FROM checkpoints c
               WHERE c.job_id = ANY($1)
                 AND NOT EXISTS (SELECT 1 FROM results r WHERE r.checkpoint_id = c.checkpoint_id)
               RETURNING checkpoint_id, job_id, claim_id, kind, state, iteration, manifest)
           SELECT checkpoint_id AS "checkpoint_id!", job_id AS "job_id!", claim_id AS "claim_id!",
               kind AS "kind!", state AS "state!", iteration AS "iteration!",
               manifest AS "manifest!: Json<Manifest>"
           FROM (SELECT * FROM marked UNION ALL SELECT * FROM removed) AS gone"#,
        job_ids,
    );
    let rows = rows.fetch_all(&mut *connection).await?;
    checkpoints::dropped(connection, rows).await
}

/// For whoever looks later: on each job, on the study, and on a list of its own.
async fn record(
    connection: &mut PgConnection,
    (deleted, networks, study): (&Deleted, &[Uuid], Option<&LockedStudy>),
    act: &Act<'_>,
) -> Result<(), StoreError> {
    sqlx::query!(
        r#"INSERT INTO events (job_id, at, what, detail)
           SELECT job_id, clock_timestamp(), 'network deleted', $2
           FROM UNNEST($1::uuid[]) AS gone (job_id)"#,
        networks,
        act.words(study.map(|study| study.name.as_str())),
    )
    .execute(&mut *connection)
    .await?;
    if let Some(study) = study {
        let detail = format!("{} networks {}", deleted.networks, act.reason);
        note(connection, study.study_id, act.actor, ("delete", detail.trim_end())).await?;
    }
    sqlx::query!(
        r#"INSERT INTO deletions (at, actor, name, reason, networks, checkpoints, bytes)
           VALUES (clock_timestamp(), $1, $2, $3, $4, $5, $6)"#,
        act.actor,
        deleted.name,
        act.reason,
        to_i32("networks", deleted.networks)?,
        to_i32("checkpoints", deleted.checkpoints)?,
        to_i64("bytes", deleted.bytes)?,
    )
    .execute(connection)
    .await?;
    Ok(())
}
