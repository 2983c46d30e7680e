//! Attempts and what they left: leases, results, checkpoints, learning curves.

use sqlx::PgConnection;

use super::{Violation, look_for};
use crate::StoreError;

/// I2, I3: at most one open attempt a job, and it is the job's claim, of a living session.
pub(super) async fn attempts(
    connection: &mut PgConnection,
    found: &mut Vec<Violation>,
) -> Result<(), StoreError> {
    look_for!(
        found,
        connection,
        "I3",
        "has a lease, but no open attempt of its claim, number and worker; it is",
        r#"SELECT j.job_id AS "job_id?", j.state AS "detail!"
           FROM jobs j
           LEFT JOIN attempts a ON a.claim_id = j.claim_id AND a.job_id = j.job_id
               AND a.attempt = j.attempt AND a.worker = j.worker AND a.ended_at IS NULL
           WHERE j.claim_id IS NOT NULL
             AND a.claim_id IS NULL
           LIMIT $1"#
    );
    look_for!(
        found,
        connection,
        "I3",
        "has an open attempt that is not its lease:",
        r#"SELECT a.job_id AS "job_id?", 'number ' || a.attempt AS "detail!"
           FROM attempts a JOIN jobs j USING (job_id)
           WHERE a.ended_at IS NULL
             AND a.claim_id IS DISTINCT FROM j.claim_id
           LIMIT $1"#
    );
    look_for!(
        found,
        connection,
        "I2",
        "has attempts that do not fit its count of them:",
        r#"SELECT j.job_id AS "job_id?",
               j.attempt || ' are counted, ' || COUNT(a.attempt) || ' stored, the last is number '
                   || COALESCE(MAX(a.attempt), 0) AS "detail!"
           FROM jobs j LEFT JOIN attempts a USING (job_id)
           GROUP BY j.job_id
           HAVING COUNT(a.attempt) <> j.attempt
               OR COALESCE(MAX(a.attempt), 0) <> j.attempt
           LIMIT $1"#
    );
    look_for!(
        found,
        connection,
        "I10",
        "is at work for a session that does not live; it is",
        r#"SELECT j.job_id AS "job_id?", j.state AS "detail!"
           FROM jobs j JOIN sessions s USING (session_id)
           WHERE j.state IN ('leased', 'running')
             AND (s.ended_at IS NOT NULL OR s.expired_at IS NOT NULL)
           LIMIT $1"#
    );
    Ok(())
}

/// I4: one result for each success, made by the attempt that counts, with its network.
pub(super) async fn results(
    connection: &mut PgConnection,
    found: &mut Vec<Violation>,
) -> Result<(), StoreError> {
    look_for!(
        found,
        connection,
        "I4",
        "has an attempt that succeeded without a result, or a result without that: number",
        r#"SELECT a.job_id AS "job_id?", a.attempt::text AS "detail!"
           FROM attempts a LEFT JOIN results r USING (job_id, attempt)
           WHERE COALESCE(a.outcome = 'succeeded', false) <> (r.job_id IS NOT NULL)
           LIMIT $1"#
    );
    look_for!(
        found,
        connection,
        "I4",
        "has more results than it was started for:",
        r#"SELECT r.job_id AS "job_id?", COUNT(*)::text AS "detail!"
           FROM results r JOIN jobs j USING (job_id)
           GROUP BY r.job_id, j.state
           HAVING COUNT(*) > (SELECT COUNT(*) FROM events e WHERE e.job_id = r.job_id AND e.what = 're-opened')
               + CASE WHEN j.state = 'succeeded' THEN 1 ELSE 0 END
           LIMIT $1"#
    );
    look_for!(
        found,
        connection,
        "I4",
        "counts the result of an attempt that is not its last:",
        r#"SELECT job_id AS "job_id?", succeeded_attempt || ' of ' || attempt AS "detail!"
           FROM jobs
           WHERE succeeded_attempt <> attempt
           LIMIT $1"#
    );
    look_for!(
        found,
        connection,
        "I6",
        "has a result whose checkpoint is not a published final of that attempt; it is",
        r#"SELECT r.job_id AS "job_id?", c.kind || ' and ' || c.state AS "detail!"
           FROM results r
           JOIN checkpoints c USING (checkpoint_id)
           JOIN attempts a ON a.job_id = r.job_id AND a.attempt = r.attempt
           WHERE c.job_id <> r.job_id
              OR c.kind <> 'final'
              OR c.state = 'begun'
              OR c.claim_id <> a.claim_id
           LIMIT $1"#
    );
    Ok(())
}

/// I3, I6: checkpoints belong to their attempt, came while it lived, and do not pile up.
pub(super) async fn checkpoints(
    connection: &mut PgConnection,
    found: &mut Vec<Violation>,
) -> Result<(), StoreError> {
    look_for!(
        found,
        connection,
        "I3",
        "has a checkpoint of another job's attempt:",
        r#"SELECT c.job_id AS "job_id?", c.checkpoint_id::text AS "detail!"
           FROM checkpoints c JOIN attempts a USING (claim_id)
           WHERE c.job_id <> a.job_id
           LIMIT $1"#
    );
    look_for!(
        found,
        connection,
        "I3",
        "has a checkpoint that an attempt published after its end:",
        r#"SELECT c.job_id AS "job_id?", c.checkpoint_id::text AS "detail!"
           FROM checkpoints c JOIN attempts a USING (claim_id)
           WHERE c.published_at > a.ended_at
           LIMIT $1"#
    );
    look_for!(
        found,
        connection,
        "I10",
        "keeps more than two intermediate checkpoints:",
        r#"SELECT job_id AS "job_id?", COUNT(*)::text AS "detail!"
           FROM checkpoints
           WHERE kind = 'intermediate'
             AND state = 'published'
           GROUP BY job_id
           HAVING COUNT(*) > 2
           LIMIT $1"#
    );
    look_for!(
        found,
        connection,
        "I10",
        "has succeeded, but keeps a checkpoint that is no result's:",
        r#"SELECT c.job_id AS "job_id?", c.checkpoint_id::text AS "detail!"
           FROM checkpoints c JOIN jobs j USING (job_id)
           WHERE j.state = 'succeeded'
             AND NOT EXISTS (SELECT 1 FROM results r WHERE r.checkpoint_id = c.checkpoint_id)
           LIMIT $1"#
    );
    Ok(())
}

/// I7: an attempt's points are stored without gaps, each thing once.
pub(super) async fn curves(
    connection: &mut PgConnection,
    found: &mut Vec<Violation>,
) -> Result<(), StoreError> {
    look_for!(
        found,
        connection,
        "I7",
        "has a gap in its learning curve: attempt",
        r#"SELECT job_id AS "job_id?", attempt::text AS "detail!"
           FROM metrics
           GROUP BY job_id, attempt
           HAVING MAX(sequence) - MIN(sequence) + 1 <> COUNT(*)
           LIMIT $1"#
    );
    look_for!(
        found,
        connection,
        "I7",
        "has a point twice in its learning curve: iteration",
        r#"SELECT job_id AS "job_id?", iteration || ' of attempt ' || attempt AS "detail!"
           FROM metrics
           GROUP BY job_id, attempt, iteration, test_images IS NULL
           HAVING COUNT(*) > 1
           LIMIT $1"#
    );
    Ok(())
}

/// I5, I10: nobody works any more, and nothing is withheld.
pub(super) async fn leftovers(
    connection: &mut PgConnection,
    found: &mut Vec<Violation>,
) -> Result<(), StoreError> {
    look_for!(
        found,
        connection,
        "I5",
        "the fleet is still frozen, since",
        r#"SELECT NULL::uuid AS "job_id?", frozen_at::text AS "detail!"
           FROM fleet
           WHERE frozen_at IS NOT NULL
           LIMIT $1"#
    );
    look_for!(
        found,
        connection,
        "I10",
        "is still leased, to a session that does not live; it is",
        r#"SELECT j.job_id AS "job_id?", j.state AS "detail!"
           FROM jobs j JOIN sessions s USING (session_id)
           WHERE s.ended_at IS NOT NULL
              OR s.expired_at IS NOT NULL
           LIMIT $1"#
    );
    look_for!(
        found,
        connection,
        "I10",
        "a session lives, but was silent for more than ten minutes: node",
        r#"SELECT NULL::uuid AS "job_id?", s.node AS "detail!"
           FROM sessions s JOIN heartbeats h USING (session_id)
           WHERE s.ended_at IS NULL
             AND s.expired_at IS NULL
             AND h.last_at < clock_timestamp() - INTERVAL '10 minutes'
           LIMIT $1"#
    );
    Ok(())
}
