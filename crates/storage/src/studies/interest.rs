//! Interest and priority: written on a study, and kept with each job as the strongest and the
//! largest of its studies'.
//!
//! A study's row is locked before its jobs', and a job's interest is computed anew under that
//! job's lock: of two studies that are paused at once, the second sees the first.

use selffer_core::{ids::StudyId, interest::Interest};
use sqlx::PgConnection;
use uuid::Uuid;

use super::ROWS_PER_STATEMENT;
use crate::{StoreError, convert::interest};

/// A study's row, locked.
#[derive(Clone, Debug)]
pub(crate) struct LockedStudy {
    pub(crate) study_id: StudyId,
    pub(crate) name: String,
    pub(crate) dataset: String,
    pub(crate) pack_digest: Vec<u8>,
    pub(crate) network: String,
    pub(crate) interest: Interest,
    pub(crate) priority: i32,
}

/// Locks a study, by name or as `last`; nobody else changes it or extends it meanwhile.
pub(crate) async fn lock_study(
    connection: &mut PgConnection,
    study: &str,
) -> Result<LockedStudy, StoreError> {
    let row = sqlx::query!(
        r#"SELECT study_id, name, dataset, pack_digest, network, interest, priority
           FROM studies
           WHERE name = $1
              OR $1 = 'last'
           ORDER BY (name = $1) DESC, created_at DESC
           LIMIT 1
           FOR NO KEY UPDATE"#,
        study,
    );
    let row = row.fetch_optional(connection).await?;
    let row = row.ok_or_else(|| StoreError::NotFound { what: "study", name: study.to_owned() })?;
    Ok(LockedStudy {
        study_id: StudyId(row.study_id),
        name: row.name,
        dataset: row.dataset,
        pack_digest: row.pack_digest,
        network: row.network,
        interest: interest(&row.interest)?,
        priority: row.priority,
    })
}

/// Writes a study's interest, with a person's words.
pub(crate) async fn set_interest(
    connection: &mut PgConnection,
    study_id: StudyId,
    interest: Interest,
    reason: &str,
) -> Result<(), StoreError> {
    sqlx::query!(
        // Whoever wants it again knows that its deadline has passed.
        r#"UPDATE studies
           SET interest = $2, interest_reason = $3, interest_since = clock_timestamp(),
               deadline = CASE
                   WHEN $2 <> 'active' OR interest IN ('active', 'paused') OR deadline > clock_timestamp()
                       THEN deadline
               END
           WHERE study_id = $1"#,
        study_id.0,
        interest.as_str(),
        reason,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes a study's priority.
pub(crate) async fn set_priority(
    connection: &mut PgConnection,
    study_id: StudyId,
    priority: i32,
) -> Result<(), StoreError> {
    sqlx::query!("UPDATE studies SET priority = $2 WHERE study_id = $1", study_id.0, priority)
        .execute(connection)
        .await?;
    Ok(())
}

/// Notes for people what was done to a study.
pub(crate) async fn note(
    connection: &mut PgConnection,
    study_id: StudyId,
    actor: &str,
    (what, detail): (&str, &str),
) -> Result<(), StoreError> {
    sqlx::query!(
        r#"INSERT INTO study_events (study_id, at, actor, what, detail)
           VALUES ($1, clock_timestamp(), $2, $3, $4)"#,
        study_id.0,
        actor,
        what,
        detail,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Locks all jobs of a study, in the order of [`crate::jobs`].
pub(crate) async fn lock_jobs_of(
    connection: &mut PgConnection,
    study_id: StudyId,
) -> Result<Vec<Uuid>, StoreError> {
    let locked = sqlx::query_scalar!(
        r#"SELECT j.job_id
           FROM study_jobs sj JOIN jobs j USING (job_id)
           WHERE sj.study_id = $1
           ORDER BY j.source_job_id IS NOT NULL, j.key
           FOR NO KEY UPDATE OF j"#,
        study_id.0,
    );
    Ok(locked.fetch_all(connection).await?)
}

/// Gives jobs, which the caller has locked, the strongest interest and the largest priority of
/// their studies, and says which limits hold for them. A running job that only cancelled studies want is withdrawn from its worker.
pub(crate) async fn settle(connection: &mut PgConnection, job_ids: &[Uuid]) -> Result<(), StoreError> {
    for job_ids in job_ids.chunks(ROWS_PER_STATEMENT) {
        sqlx::query!(
            r#"UPDATE jobs
               SET interest = wanted.interest,
                   priority = wanted.priority,
                   limited_by = wanted.limited_by,
                   withdrawn_at = CASE
                       WHEN wanted.interest = 'cancelled' AND jobs.state IN ('running', 'suspect')
                           THEN COALESCE(jobs.withdrawn_at, clock_timestamp())
                       ELSE jobs.withdrawn_at
                   END
               FROM (
                   SELECT sj.job_id,
                       (ARRAY['active', 'paused', 'stopped', 'cancelled'])[
                           MIN(array_position(ARRAY['active', 'paused', 'stopped', 'cancelled'], s.interest))
                       ] AS interest,
                       COALESCE(MAX(s.priority) FILTER (WHERE s.interest IN ('active', 'paused')), 0) AS priority,
                       CASE
                           WHEN NOT COALESCE(BOOL_OR(s.interest = 'active' AND s.parallel_max IS NULL), false)
                               THEN ARRAY_AGG(s.study_id ORDER BY s.study_id)
                                   FILTER (WHERE s.interest = 'active')
                       END AS limited_by
                   FROM study_jobs sj JOIN studies s USING (study_id)
                   WHERE sj.job_id = ANY($1)
                   GROUP BY sj.job_id) AS wanted
               WHERE jobs.job_id = wanted.job_id
                 AND (jobs.interest, jobs.priority, jobs.limited_by)
                     IS DISTINCT FROM (wanted.interest, wanted.priority, wanted.limited_by)"#,
            job_ids,
        )
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Lets workers go on with jobs, which the caller has locked and somebody wants again.
pub(crate) async fn want_again(connection: &mut PgConnection, job_ids: &[Uuid]) -> Result<(), StoreError> {
    for job_ids in job_ids.chunks(ROWS_PER_STATEMENT) {
        sqlx::query!(
            r#"UPDATE jobs
               SET withdrawn_at = NULL
               WHERE job_id = ANY($1)
                 AND withdrawn_at IS NOT NULL
                 AND interest <> 'cancelled'"#,
            job_ids,
        )
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Lets workers go on with jobs, which the caller has locked and which were to be held.
pub(crate) async fn let_go_on(connection: &mut PgConnection, job_ids: &[Uuid]) -> Result<(), StoreError> {
    for job_ids in job_ids.chunks(ROWS_PER_STATEMENT) {
        sqlx::query!(
            r#"UPDATE jobs
               SET hold_asked = NULL
               WHERE job_id = ANY($1)
                 AND hold_asked IS NOT NULL"#,
            job_ids,
        )
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Those of these jobs that no study keeps and no worker has begun, dependants before their
/// sources, so that each is cancelled for its own sake.
pub(crate) async fn unwanted(
    connection: &mut PgConnection,
    job_ids: &[Uuid],
) -> Result<Vec<Uuid>, StoreError> {
    let unwanted = sqlx::query_scalar!(
        r#"SELECT job_id
           FROM jobs
           WHERE job_id = ANY($1)
             AND ((interest IN ('stopped', 'cancelled') AND state IN ('waiting', 'ready', 'held'))
                 OR (interest = 'cancelled' AND state = 'leased'))
           ORDER BY source_job_id IS NULL, key"#,
        job_ids,
    );
    Ok(unwanted.fetch_all(connection).await?)
}
