-- Writes jobs over what they were when they were read, with the attempts that begin or end by that
-- and a note for people; how many of each. A worker that succeeds again is no longer failing in a
-- row. One statement, because claims and completions wait for each.
WITH written AS (
    UPDATE jobs
    SET state = new.state, state_since = new.since, attempt = new.attempt,
        budgets = new.budgets, not_before = new.not_before, claim_id = new.claim_id,
        session_id = new.session_id, worker = new.worker, hold = new.hold,
        failure = new.failure, succeeded_attempt = new.succeeded_attempt,
        withdrawn_at = CASE WHEN new.state IN ('running', 'suspect') THEN jobs.withdrawn_at END,
        hold_asked = CASE WHEN new.state IN ('leased', 'running', 'suspect') THEN jobs.hold_asked END
    FROM UNNEST($1::uuid[], $2::text[], $3::bytea[], $4::integer[], $5::text[], $6::timestamptz[],
            $7::integer[], $8::jsonb[], $9::timestamptz[], $10::bytea[], $11::uuid[], $12::text[],
            $13::jsonb[], $14::jsonb[], $15::integer[], $16::text[], $17::text[], $18::boolean[],
            $19::text[], $20::text[], $21::text[])
        AS new (job_id, state_before, claim_before, attempt_before, state, since, attempt, budgets,
            not_before, claim_id, session_id, worker, hold, failure, succeeded_attempt, what, detail,
            opens, outcome, failure_class, message)
    WHERE jobs.job_id = new.job_id
      AND jobs.state = new.state_before
      AND jobs.claim_id IS NOT DISTINCT FROM new.claim_before
      AND jobs.attempt = new.attempt_before
      -- A pause since it was read: nothing new is handed out.
      AND (jobs.claimable OR new.state <> 'leased' OR new.state_before <> 'ready')
    RETURNING new.*),
noted AS (
    INSERT INTO events (job_id, at, what, detail)
    SELECT job_id, clock_timestamp(), what, detail
    FROM written),
opened AS (
    INSERT INTO attempts (claim_id, job_id, attempt, session_id, worker, device_kind)
    SELECT claim_id, job_id, attempt, session_id, worker, w.device_kind
    FROM written JOIN workers w USING (session_id, worker)
    WHERE opens
    RETURNING 1),
closed AS (
    UPDATE attempts
    SET ended_at = clock_timestamp(), outcome = written.outcome,
        failure_class = written.failure_class, message = written.message
    FROM written
    WHERE attempts.claim_id = written.claim_before
      AND attempts.ended_at IS NULL
      AND written.outcome IS NOT NULL
    RETURNING attempts.worker, attempts.outcome),
acquitted AS (
    UPDATE bad_endings
    SET in_a_row = false
    FROM closed
    WHERE bad_endings.worker = closed.worker
      AND bad_endings.in_a_row
      AND closed.outcome = 'succeeded')
SELECT (SELECT COUNT(*) FROM written) AS "jobs!", (SELECT COUNT(*) FROM opened) AS "opened!",
    (SELECT COUNT(*) FROM closed) AS "closed!"
