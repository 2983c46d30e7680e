-- Who wants what: studies lose and regain interest in their networks, have priorities, and grow.

-- Studies -------------------------------------------------------------------------------------

ALTER TABLE studies
    ADD COLUMN interest text NOT NULL DEFAULT 'active'
        CHECK (interest IN ('active', 'paused', 'stopped', 'cancelled')),
    -- Of the last change; a person's words, or nothing.
    ADD COLUMN interest_reason text NOT NULL DEFAULT '' CHECK (octet_length(interest_reason) <= 4096),
    ADD COLUMN interest_since timestamptz NOT NULL DEFAULT now();
-- Until now every study had the same interest, since its submission.
UPDATE studies SET interest_since = created_at;

-- The grids that a study was made of: the first, and those that extended it. Each of them,
-- submitted again, is this study.
CREATE TABLE study_grids (
    study_id uuid NOT NULL REFERENCES studies ON DELETE CASCADE,
    number integer NOT NULL CHECK (number >= 0),
    -- Over the names and keys of its cells: equal digests, equal grids.
    content_digest bytea NOT NULL CHECK (octet_length(content_digest) = 32),
    grid_yaml text NOT NULL,
    -- What it names beside itself, by path as written: network files.
    files jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(files) = 'object'),
    submitted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (study_id, number),
    UNIQUE (study_id, content_digest)
);
INSERT INTO study_grids (study_id, number, content_digest, grid_yaml, submitted_at)
SELECT study_id, 0, content_digest, grid_yaml, created_at FROM studies;
ALTER TABLE studies DROP COLUMN content_digest, DROP COLUMN grid_yaml;

-- What was done to a study, by whom.
CREATE TABLE study_events (
    event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    study_id uuid NOT NULL REFERENCES studies ON DELETE CASCADE,
    at timestamptz NOT NULL DEFAULT now(),
    actor text NOT NULL,
    what text NOT NULL,
    detail text NOT NULL
);
CREATE INDEX study_events_by_study ON study_events (study_id, event_id);

-- Jobs ----------------------------------------------------------------------------------------

ALTER TABLE jobs
    -- The strongest of its studies'; kept with each change of theirs, under this row's lock.
    ADD COLUMN interest text NOT NULL DEFAULT 'active'
        CHECK (interest IN ('active', 'paused', 'stopped', 'cancelled')),
    ADD COLUMN claimable boolean NOT NULL GENERATED ALWAYS AS (interest = 'active') STORED,
    -- Since when its worker is asked to end it: it was cancelled while it ran.
    ADD COLUMN withdrawn_at timestamptz,
    ADD CHECK (withdrawn_at IS NULL OR state IN ('running', 'suspect')),
    ADD CHECK (interest <> 'cancelled' OR state NOT IN ('running', 'suspect') OR withdrawn_at IS NOT NULL);
ALTER TABLE jobs ALTER COLUMN interest DROP DEFAULT;

-- Best ready jobs first, for `candidates`; sources and the others apart, because sources are
-- few and are ordered by the work they unlock. Only what some active study wants.
DROP INDEX jobs_ready_sources, jobs_ready_others;
CREATE INDEX jobs_claimable_sources ON jobs (priority DESC)
    WHERE state = 'ready' AND claimable AND is_source;
CREATE INDEX jobs_claimable_others ON jobs (priority DESC, flops DESC, key)
    WHERE state = 'ready' AND claimable AND NOT is_source;
-- Dependants of a source, with what they weigh; a paused study's unlock nothing.
DROP INDEX jobs_by_source;
CREATE INDEX jobs_by_source ON jobs (source_job_id, state) INCLUDE (flops, claimable)
    WHERE source_job_id IS NOT NULL;
-- What the sweeper ends: running too long after it was cancelled, and left although nobody
-- wants it. Nearly always empty.
CREATE INDEX jobs_withdrawn ON jobs (withdrawn_at) WHERE withdrawn_at IS NOT NULL;
CREATE INDEX jobs_unwanted ON jobs (job_id)
    WHERE interest IN ('stopped', 'cancelled') AND state IN ('waiting', 'ready', 'held');

-- Requests ------------------------------------------------------------------------------------

ALTER TABLE requests
    ADD COLUMN jobs integer NOT NULL DEFAULT 0 CHECK (jobs >= 0),
    -- Networks that an extension brought.
    ADD COLUMN added integer NOT NULL DEFAULT 0 CHECK (added >= 0),
    -- Networks that had failed, been cancelled or held, and start anew.
    ADD COLUMN reopened integer NOT NULL DEFAULT 0 CHECK (reopened >= 0);
UPDATE requests
SET jobs = (SELECT COUNT(*) FROM study_jobs WHERE study_jobs.study_id = requests.study_id);
