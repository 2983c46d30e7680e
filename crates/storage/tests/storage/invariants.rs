//! What must hold of any database at any time, checked at the end of every test.

use sqlx::PgConnection;

/// What the schema's constraints cannot say, as queries that must find nothing.
const CONTRADICTIONS: [(&str, &str); 7] = [
    (
        "a job waits for a source that succeeded",
        "SELECT j.job_id::text FROM jobs j JOIN jobs s ON s.job_id = j.source_job_id
         WHERE j.state = 'waiting' AND s.state = 'succeeded'",
    ),
    (
        "a job waits for a source that ended, so for ever",
        "SELECT j.job_id::text FROM jobs j JOIN jobs s ON s.job_id = j.source_job_id
         WHERE j.state = 'waiting' AND s.state IN ('failed', 'cancelled', 'held')",
    ),
    (
        "a job can start although its source has not succeeded",
        "SELECT j.job_id::text FROM jobs j JOIN jobs s ON s.job_id = j.source_job_id
         WHERE j.state IN ('ready', 'leased', 'running') AND s.state <> 'succeeded'",
    ),
    (
        "a lease without an open attempt of its number",
        "SELECT j.job_id::text FROM jobs j WHERE j.claim_id IS NOT NULL AND NOT EXISTS (
             SELECT 1 FROM attempts a WHERE a.claim_id = j.claim_id AND a.job_id = j.job_id
                 AND a.attempt = j.attempt AND a.ended_at IS NULL)",
    ),
    (
        "an open attempt that is not its job's lease",
        "SELECT a.job_id::text FROM attempts a JOIN jobs j USING (job_id)
         WHERE a.ended_at IS NULL AND a.claim_id IS DISTINCT FROM j.claim_id",
    ),
    (
        "a result whose checkpoint is not its published final",
        "SELECT r.job_id::text FROM results r JOIN checkpoints c USING (checkpoint_id)
         WHERE c.job_id <> r.job_id OR c.kind <> 'final' OR c.state = 'begun'",
    ),
    (
        "a succeeded attempt without a result, or the other way round",
        "SELECT a.job_id::text FROM attempts a LEFT JOIN results r USING (job_id, attempt)
         WHERE (a.outcome = 'succeeded') IS DISTINCT FROM (r.job_id IS NOT NULL)
           AND (a.outcome = 'succeeded' OR r.job_id IS NOT NULL)",
    ),
];

pub(crate) async fn assert_invariants(connection: &mut PgConnection) {
    for (claim, sql) in CONTRADICTIONS {
        let found: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut *connection).await.unwrap();
        assert!(found.is_empty(), "{claim}: {found:?}");
    }
}
