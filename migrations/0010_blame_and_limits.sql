-- Who is to blame when attempts end badly, who is handed nothing, and how much a study may have
-- at work and until when.

-- Workers -------------------------------------------------------------------------------------

-- Workers and nodes that are handed nothing: drained by a person, or quarantined by
-- `core::quarantine`. By name, so that it outlives the sessions. Rows stay when it is over: they
-- are the record of who did what, when and why.
CREATE TABLE set_aside (
    set_aside_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- `NODE/cpu0`, or `NODE` for all of it.
    name text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('drained', 'quarantined')),
    -- Of a quarantined worker: it ends when that has another device.
    device_kind text,
    -- What it runs is stopped too, after a checkpoint.
    at_once boolean NOT NULL DEFAULT false,
    reason text NOT NULL,
    actor text NOT NULL,
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz,
    ended_by text,
    end_reason text,
    CHECK ((kind = 'quarantined') = (device_kind IS NOT NULL)),
    CHECK (num_nonnulls(ended_at, ended_by, end_reason) IN (0, 3))
);
CREATE UNIQUE INDEX set_aside_in_force ON set_aside (name, kind) WHERE ended_at IS NULL;

-- Attempts that ended badly without getting further, of the last day: what a worker, or a job
-- that takes its workers with it, is judged by.
CREATE TABLE bad_endings (
    claim_id bytea PRIMARY KEY REFERENCES attempts ON DELETE CASCADE CHECK (octet_length(claim_id) = 16),
    job_id uuid NOT NULL REFERENCES jobs ON DELETE CASCADE,
    attempt integer NOT NULL CHECK (attempt > 0),
    worker text NOT NULL,
    class text NOT NULL,
    ended_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Its worker has succeeded with nothing since.
    in_a_row boolean NOT NULL DEFAULT true
);
CREATE INDEX bad_endings_by_worker ON bad_endings (worker, ended_at);
CREATE INDEX bad_endings_by_time ON bad_endings (ended_at);
CREATE INDEX bad_endings_by_job ON bad_endings (job_id);

-- Jobs ----------------------------------------------------------------------------------------

ALTER TABLE jobs
    -- A person holds it as soon as its worker has made a checkpoint; their words.
    ADD COLUMN hold_asked jsonb,
    ADD CHECK (hold_asked IS NULL OR state IN ('leased', 'running', 'suspect')),
    -- The active studies that want it, if each of them has a limit; null if one has none. Kept
    -- as `interest` is.
    ADD COLUMN limited_by uuid[];
CREATE INDEX jobs_to_be_held ON jobs (job_id) WHERE hold_asked IS NOT NULL;

-- With all that `candidates` reads.
DROP INDEX jobs_claimable_others;
CREATE INDEX jobs_claimable_others ON jobs (priority DESC, flops DESC, key)
    INCLUDE (job_id, pack, not_before, source_job_id, attempt, limited_by)
    WHERE state = 'ready' AND claimable AND NOT is_source;

-- Studies -------------------------------------------------------------------------------------

ALTER TABLE studies
    -- How many of its networks may be at work at once.
    ADD COLUMN parallel_max integer CHECK (parallel_max > 0),
    -- When it is stopped, if it has not ended.
    ADD COLUMN deadline timestamptz;
CREATE INDEX studies_limited ON studies (study_id) WHERE parallel_max IS NOT NULL;
CREATE INDEX studies_due ON studies (deadline) WHERE deadline IS NOT NULL AND interest IN ('active', 'paused');

-- Active studies with a limit, and how many more of their networks may start.
CREATE VIEW study_room AS
SELECT s.study_id, s.parallel_max - (
        SELECT COUNT(*)
        FROM jobs j
        WHERE j.state IN ('leased', 'running', 'suspect')
          AND EXISTS (SELECT 1 FROM study_jobs sj WHERE sj.study_id = s.study_id AND sj.job_id = j.job_id)
    ) AS room
FROM studies s
WHERE s.parallel_max IS NOT NULL
  AND s.interest = 'active';

-- Workers that are heard of and may be handed something.
CREATE VIEW living_workers AS
SELECT w.session_id, w.worker, w.device_kind, w.memory_bytes
FROM workers w JOIN sessions s USING (session_id)
WHERE s.ended_at IS NULL
  AND s.expired_at IS NULL
  AND NOT EXISTS (
      SELECT 1
      FROM set_aside a
      WHERE a.ended_at IS NULL AND a.name IN (w.worker, s.node));
