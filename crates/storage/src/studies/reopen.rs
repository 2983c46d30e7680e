//! Jobs opened again: what failed, was cancelled or is held starts anew, with its source.

use selffer_core::job::{Event, StateKind};
use sqlx::PgConnection;
use uuid::Uuid;

use super::ROWS_PER_STATEMENT;
use crate::{Store, StoreError, changes, jobs};

/// From which of its ends a job is opened again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reopen {
    /// Only what failed, with what is held because of that.
    Failed,
    /// Whatever ended without success or is held.
    Everything,
}

impl Reopen {
    fn states(self) -> Vec<String> {
        let kinds: &[StateKind] = match self {
            Self::Failed => &[StateKind::Failed],
            Self::Everything => &[StateKind::Failed, StateKind::Cancelled, StateKind::Held],
        };
        kinds.iter().map(|kind| kind.as_str().to_owned()).collect()
    }
}

impl Store {
    /// Opens again those of these jobs that `which` is about, and the sources that they then
    /// need. Returns how many of them and of those start anew.
    pub(crate) async fn reopen(
        &self,
        connection: &mut PgConnection,
        job_ids: &[Uuid],
        which: Reopen,
    ) -> Result<u32, StoreError> {
        let closed = with_sources(connection, job_ids, &which.states()).await?;
        // Before anything changes: a source that starts anew wakes those held because of it.
        let mut reopened = 0;
        for ids in closed.chunks(ROWS_PER_STATEMENT) {
            let loaded = jobs::lock_all(connection, ids).await?;
            reopened += loaded.iter().filter(|one| is_closed(one)).count() as u32;
        }
        for which in [Which::Sources, Which::Dependants] {
            for ids in closed.chunks(ROWS_PER_STATEMENT) {
                self.reopen_some(connection, ids, which).await?;
            }
        }
        let lost = self.reopen_lost_sources(connection, job_ids).await?;
        Ok(reopened + lost)
    }

    async fn reopen_some(
        &self,
        connection: &mut PgConnection,
        job_ids: &[Uuid],
        which: Which,
    ) -> Result<(), StoreError> {
        let rows = sqlx::query!(
            r#"SELECT j.job_id, COALESCE(source.state = 'succeeded', true) AS "source_ready!"
               FROM jobs j LEFT JOIN jobs source ON source.job_id = j.source_job_id
               WHERE j.job_id = ANY($1)
                 AND j.state IN ('failed', 'cancelled', 'held')
                 AND (j.source_job_id IS NULL) = $2"#,
            job_ids,
            which == Which::Sources,
        );
        let rows = rows.fetch_all(&mut *connection).await?;
        for source_ready in [true, false] {
            let ids = rows.iter().filter(|row| row.source_ready == source_ready).map(|row| row.job_id);
            let loaded = jobs::lock_all(connection, &ids.collect::<Vec<_>>()).await?;
            changes::change_all(connection, &self.policy, loaded, &Event::Reopened { source_ready }).await?;
        }
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    Sources,
    Dependants,
}

fn is_closed(loaded: &jobs::Loaded) -> bool {
    matches!(loaded.job.state.kind(), StateKind::Failed | StateKind::Cancelled | StateKind::Held)
}

/// Those of these jobs that are in these states, after the closed sources that they need.
async fn with_sources(
    connection: &mut PgConnection,
    job_ids: &[Uuid],
    states: &[String],
) -> Result<Vec<Uuid>, StoreError> {
    let closed = sqlx::query_scalar!(
        r#"WITH closed AS (
               SELECT job_id, source_job_id
               FROM jobs
               WHERE job_id = ANY($1)
                 AND (state = ANY($2)
                     OR (state = 'held' AND hold->>'kind' = 'source_ended' AND EXISTS (
                         SELECT 1
                         FROM jobs source
                         WHERE source.job_id = jobs.source_job_id AND source.state = 'failed'))))
           SELECT j.job_id AS "job_id!"
           FROM jobs j
           WHERE j.state IN ('failed', 'cancelled', 'held')
             AND j.job_id IN (
                 SELECT job_id FROM closed
                 UNION
                 SELECT source_job_id FROM closed WHERE source_job_id IS NOT NULL)
           ORDER BY j.source_job_id IS NOT NULL, j.key"#,
        job_ids,
        states,
    );
    Ok(closed.fetch_all(connection).await?)
}
