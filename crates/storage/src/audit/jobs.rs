//! Jobs and what they wait for; studies and what they want.

use sqlx::PgConnection;

use super::{Violation, look_for};
use crate::StoreError;

/// I4, I5: everything that waits waits for something that will come, and nothing starts early.
pub(super) async fn waits(
    connection: &mut PgConnection,
    found: &mut Vec<Violation>,
) -> Result<(), StoreError> {
    look_for!(
        found,
        connection,
        "I4",
        "waits for its source, which has succeeded",
        r#"SELECT j.job_id AS "job_id?", '' AS "detail!"
           FROM jobs j JOIN jobs source ON source.job_id = j.source_job_id
           WHERE j.state = 'waiting'
             AND source.state = 'succeeded'
           LIMIT $1"#
    );
    look_for!(
        found,
        connection,
        "I5",
        "waits for its source, which has ended:",
        r#"SELECT j.job_id AS "job_id?", source.state AS "detail!"
           FROM jobs j JOIN jobs source ON source.job_id = j.source_job_id
           WHERE j.state = 'waiting'
             AND source.state IN ('failed', 'cancelled', 'held')
           LIMIT $1"#
    );
    look_for!(
        found,
        connection,
        "I5",
        "is held because its source ended, but that one is",
        r#"SELECT j.job_id AS "job_id?", source.state AS "detail!"
           FROM jobs j JOIN jobs source ON source.job_id = j.source_job_id
           WHERE j.state = 'held'
             AND j.hold->>'kind' = 'source_ended'
             AND source.state NOT IN ('failed', 'cancelled', 'held')
           LIMIT $1"#
    );
    look_for!(
        found,
        connection,
        "I4",
        "can start, but its source is",
        r#"SELECT j.job_id AS "job_id?", source.state AS "detail!"
           FROM jobs j JOIN jobs source ON source.job_id = j.source_job_id
           WHERE j.state = 'ready'
             AND source.state <> 'succeeded'
           LIMIT $1"#
    );
    look_for!(
        found,
        connection,
        "I6",
        "can start, but what it copies is damaged: checkpoint",
        r#"SELECT j.job_id AS "job_id?", c.checkpoint_id::text AS "detail!"
           FROM jobs j
           JOIN jobs source ON source.job_id = j.source_job_id
           JOIN results r ON r.job_id = source.job_id AND r.attempt = source.succeeded_attempt
           JOIN checkpoints c USING (checkpoint_id)
           WHERE j.state = 'ready'
             AND c.state <> 'published'
           LIMIT $1"#
    );
    Ok(())
}

/// I1: what was acknowledged is there, whole.
pub(super) async fn submissions(
    connection: &mut PgConnection,
    found: &mut Vec<Violation>,
) -> Result<(), StoreError> {
    look_for!(
        found,
        connection,
        "I1",
        "a request was answered, but its study is not there:",
        r#"SELECT NULL::uuid AS "job_id?", request_id::text AS "detail!"
           FROM requests
           WHERE study_id IS NULL
           LIMIT $1"#
    );
    look_for!(
        found,
        connection,
        "I1",
        "a study has lost networks:",
        r#"SELECT NULL::uuid AS "job_id?", name AS "detail!"
           FROM studies s
           WHERE (SELECT COALESCE(MAX(position) + 1, -1) FROM study_jobs sj WHERE sj.study_id = s.study_id)
               <> (SELECT COUNT(*) FROM study_jobs sj WHERE sj.study_id = s.study_id)
           LIMIT $1"#
    );
    look_for!(
        found,
        connection,
        "I5",
        "is not finished, and no study has it; it is",
        r#"SELECT j.job_id AS "job_id?", j.state AS "detail!"
           FROM jobs j
           WHERE j.state IN ('waiting', 'ready', 'held')
             AND NOT EXISTS (SELECT 1 FROM study_jobs sj WHERE sj.job_id = j.job_id)
           LIMIT $1"#
    );
    Ok(())
}
