//! The best ready jobs, for the dispatcher to match with waiting workers.

use selffer_core::{
    ids::{Digest, JobId, JobKey},
    job::StateKind,
    placement::Candidate,
};

use crate::{Store, StoreError, convert};

impl Store {
    /// The best `limit` jobs whose time has come, without locks: somebody may be faster.
    /// Ordered as `core::placement` orders them.
    ///
    /// # Errors
    /// The database.
    pub async fn candidates(&self, limit: usize) -> Result<Vec<Candidate>, StoreError> {
        // Sources apart from the others (indexes `jobs_ready_sources`, `jobs_ready_others`):
        // what they unlock is summed for each of them, which must not happen for every job.
        let rows = sqlx::query!(
            r#"SELECT best.job_id AS "job_id!", best.key AS "key!", best.priority AS "priority!",
                   best.flops AS "flops!", best.unlocks_flops AS "unlocks_flops!",
                   best.not_before AS "not_before!",
                   (SELECT r.weights_digest
                       FROM jobs source
                       JOIN results r ON r.job_id = source.job_id AND r.attempt = source.succeeded_attempt
                       WHERE source.job_id = best.source_job_id) AS source_weights,
                   (SELECT a.worker
                       FROM attempts a
                       WHERE a.job_id = best.job_id
                         AND a.attempt = best.attempt
                         AND a.outcome IN ('failed', 'worker_lost')) AS avoid_worker
               FROM (
                   (SELECT j.job_id, j.key, j.priority, j.flops, j.not_before, j.source_job_id, j.attempt,
                           COALESCE(waiting.flops, 0) AS unlocks_flops
                       FROM jobs j
                       CROSS JOIN LATERAL (
                           SELECT SUM(d.flops) AS flops
                           FROM jobs d
                           WHERE d.source_job_id = j.job_id AND d.state = 'waiting') AS waiting
                       WHERE j.state = 'ready' AND j.is_source AND j.not_before <= clock_timestamp()
                       ORDER BY j.priority DESC, unlocks_flops DESC, j.flops DESC, j.key
                       LIMIT $1)
                   UNION ALL
                   (SELECT j.job_id, j.key, j.priority, j.flops, j.not_before, j.source_job_id, j.attempt, 0
                       FROM jobs j
                       WHERE j.state = 'ready' AND NOT j.is_source AND j.not_before <= clock_timestamp()
                       ORDER BY j.priority DESC, j.flops DESC, j.key
                       LIMIT $1)
               ) AS best
               ORDER BY best.priority DESC, best.unlocks_flops DESC, best.flops DESC, best.key
               LIMIT $1"#,
            limit as i64,
        );
        let rows = rows.fetch_all(&self.main).await?;
        let candidates = rows.into_iter().map(|row| {
            let source_weights: Option<Digest> =
                row.source_weights.as_deref().map(convert::digest).transpose()?;
            Ok(Candidate {
                job_id: JobId(row.job_id),
                key: convert::job_key(&row.key)?,
                priority: row.priority,
                flops: row.flops,
                unlocks_flops: row.unlocks_flops,
                not_before: row.not_before,
                source_weights,
                avoid_worker: row.avoid_worker,
            })
        });
        candidates.collect()
    }

    /// Which of these networks exist, and how far they are.
    ///
    /// # Errors
    /// The database.
    pub async fn look_up(&self, keys: &[JobKey]) -> Result<Vec<(JobKey, StateKind)>, StoreError> {
        let keys: Vec<Vec<u8>> = keys.iter().map(|key| key.0.to_vec()).collect();
        let rows = sqlx::query!("SELECT key, state FROM jobs WHERE key = ANY($1)", &keys);
        let rows = rows.fetch_all(&self.main).await?;
        rows.iter().map(|row| Ok((convert::job_key(&row.key)?, convert::state_kind(&row.state)?))).collect()
    }
}
