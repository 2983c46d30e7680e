//! How fast each kind of device has trained: what plans are counted with.

use selffer_core::plan::MeasuredSpeed;

use crate::{Store, StoreError, convert::from_i64};

/// Results that speeds are taken from, the newest.
const RESULTS_MAX: i64 = 5_000;

impl Store {
    /// The median speed of each kind of device on each network, by device kind and network.
    ///
    /// First attempts only: the times of a resumed training are those of its last part.
    ///
    /// # Errors
    /// The database.
    pub async fn device_speeds(&self) -> Result<Vec<MeasuredSpeed>, StoreError> {
        // A scan of the results: plans are rare, and an index would be paid for by every one.
        let rows = sqlx::query!(
            r#"SELECT r.device_kind, network.name AS "network!", COUNT(*) AS "jobs!",
                   PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY j.flops / r.training_s) AS "flops_per_s!"
               FROM (
                   SELECT job_id, attempt, device_kind, training_s
                   FROM results
                   WHERE attempt = 1
                     AND training_s > 0
                   ORDER BY committed_at DESC
                   LIMIT $1) AS r
               JOIN jobs j ON j.job_id = r.job_id AND j.succeeded_attempt = r.attempt
               JOIN LATERAL (
                   SELECT s.network AS name
                   FROM study_jobs sj JOIN studies s USING (study_id)
                   WHERE sj.job_id = r.job_id
                   ORDER BY s.created_at
                   LIMIT 1) AS network ON true
               WHERE j.flops > 0
               GROUP BY r.device_kind, network.name
               ORDER BY r.device_kind, network.name"#,
            RESULTS_MAX,
        );
        let speeds = rows.fetch_all(&self.main).await?.into_iter().map(|row| MeasuredSpeed {
            device_kind: row.device_kind,
            network: row.network,
            jobs: from_i64(row.jobs),
            flops_per_s: row.flops_per_s,
        });
        Ok(speeds.collect())
    }
}
