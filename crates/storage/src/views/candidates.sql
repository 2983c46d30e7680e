-- The best ready jobs that some active study wants and whose time has come. Sources apart from
-- the others (indexes jobs_claimable_sources, jobs_claimable_others): what they unlock is summed
-- for each of them, which must not happen for every job. Without those whose packs have more than
-- $2 bytes (none: no bound) and are none of $3: jobs that no waiting worker may take must not fill
-- the list in front of others. Packs are few, so what is left out is found once, not for each job.
-- The same for jobs whose studies have as many at work as they may.
-- In a freeze there are none: that is asked once, before anything else.
-- COALESCE only keeps the planner from guessing: it takes a bare `<> ALL` to leave next to nothing
-- and reads the whole table (measured with 100,000 ready jobs: 160 ms instead of 2).
SELECT best.job_id AS "job_id!", best.key AS "key!", best.priority AS "priority!",
    best.flops AS "flops!", best.unlocks_flops AS "unlocks_flops!",
    best.not_before AS "not_before!", best.pack AS "pack!",
    COALESCE((SELECT i.bytes FROM imports i WHERE i.digest = best.pack AND i.kind = 'pack'), 0)
        AS "pack_bytes!",
    (SELECT r.weights_digest
        FROM jobs source
        JOIN results r ON r.job_id = source.job_id AND r.attempt = source.succeeded_attempt
        WHERE source.job_id = best.source_job_id) AS source_weights,
    (SELECT a.worker
        FROM attempts a
        WHERE a.job_id = best.job_id
          AND a.attempt = best.attempt
          AND a.outcome IN ('failed', 'worker_lost')) AS avoid_worker,
    -- Another device, or a larger one, if there is one.
    ARRAY(
        SELECT living.worker
        FROM attempts a
        JOIN workers its ON its.session_id = a.session_id AND its.worker = a.worker
        JOIN living_workers living ON CASE a.failure_class
            WHEN 'hardware' THEN living.worker = a.worker
            ELSE living.memory_bytes <= its.memory_bytes END
        WHERE best.attempt > 0
          AND a.job_id = best.job_id
          AND a.attempt = best.attempt
          AND a.failure_class IN ('hardware', 'out_of_memory')
          AND EXISTS (
              SELECT 1
              FROM living_workers other
              WHERE CASE a.failure_class
                  WHEN 'hardware' THEN other.worker <> a.worker
                  ELSE other.memory_bytes > its.memory_bytes END)) AS "kept_from!",
    COALESCE(best.limited_by, '{}') AS "limited_by!"
FROM (
    (SELECT j.job_id, j.key, j.priority, j.flops, j.not_before, j.source_job_id, j.attempt, j.pack,
            j.limited_by, COALESCE(waiting.flops, 0) AS unlocks_flops
        FROM jobs j
        CROSS JOIN LATERAL (
            SELECT SUM(d.flops) AS flops
            FROM jobs d
            WHERE d.source_job_id = j.job_id AND d.state = 'waiting' AND d.claimable) AS waiting
        WHERE j.state = 'ready' AND j.claimable AND j.is_source AND j.not_before <= clock_timestamp()
            AND NOT COALESCE(j.pack = ANY (ARRAY(
                SELECT i.digest
                FROM imports i
                WHERE i.kind = 'pack' AND i.bytes > $2 AND i.digest <> ALL ($3))), false)
            AND NOT COALESCE(j.limited_by <@ ARRAY(
                SELECT full_one.study_id FROM study_room full_one WHERE full_one.room <= 0), false)
        ORDER BY j.priority DESC, unlocks_flops DESC, j.flops DESC, j.key
        LIMIT $1)
    UNION ALL
    (SELECT j.job_id, j.key, j.priority, j.flops, j.not_before, j.source_job_id, j.attempt, j.pack,
            j.limited_by, 0
        FROM jobs j
        WHERE j.state = 'ready' AND j.claimable AND NOT j.is_source AND j.not_before <= clock_timestamp()
            AND NOT COALESCE(j.pack = ANY (ARRAY(
                SELECT i.digest
                FROM imports i
                WHERE i.kind = 'pack' AND i.bytes > $2 AND i.digest <> ALL ($3))), false)
            AND NOT COALESCE(j.limited_by <@ ARRAY(
                SELECT full_one.study_id FROM study_room full_one WHERE full_one.room <= 0), false)
        ORDER BY j.priority DESC, j.flops DESC, j.key
        LIMIT $1)
) AS best
WHERE NOT (SELECT frozen_at IS NOT NULL FROM fleet)
ORDER BY best.priority DESC, best.unlocks_flops DESC, best.flops DESC, best.key
LIMIT $1
