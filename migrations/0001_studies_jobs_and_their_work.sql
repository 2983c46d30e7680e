-- Everything a fleet knows: studies and their jobs, who works on them, and what came of it.
--
-- Written so that a bug cannot store a contradiction: a lease exists exactly in the three
-- states that have one, an outcome exactly when an attempt has ended, a result exactly for a
-- job that succeeded. Counts and progress are never stored beside the rows they count.
-- Times are the database's own; no other clock is ever compared with them.
-- Unsigned integers of the programs rest as bigint or, where a bound allows it, as integer.

-- Packs ---------------------------------------------------------------------------------------

CREATE TABLE packs (
    digest bytea PRIMARY KEY CHECK (octet_length(digest) = 32),
    -- Canonical JSON, whose BLAKE3 is the digest: text, so that not a byte of it changes.
    manifest text NOT NULL,
    -- Shards and their chunks.
    objects jsonb NOT NULL,
    begun_at timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz
);

CREATE TABLE pack_names (
    name text PRIMARY KEY,
    digest bytea NOT NULL REFERENCES packs CHECK (octet_length(digest) = 32),
    named_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX pack_names_digest ON pack_names (digest);

-- Sessions and workers ------------------------------------------------------------------------

CREATE TABLE sessions (
    session_id uuid PRIMARY KEY,
    node text NOT NULL,
    protocol_version integer NOT NULL CHECK (protocol_version >= 0),
    program_version text NOT NULL,
    opened_at timestamptz NOT NULL DEFAULT now(),
    -- Silent for too long; a heartbeat revives it.
    expired_at timestamptz,
    -- Over for good.
    ended_at timestamptz,
    end_reason text CHECK (end_reason IN ('closed', 'superseded')),
    CHECK ((ended_at IS NULL) = (end_reason IS NULL))
);
-- One living session a node: a second one supersedes the first in the same transaction.
CREATE UNIQUE INDEX sessions_one_per_node ON sessions (node) WHERE ended_at IS NULL;

-- Apart from `sessions` and without any index but its key, so that a heartbeat rewrites a few
-- bytes in place.
CREATE TABLE heartbeats (
    session_id uuid PRIMARY KEY REFERENCES sessions ON DELETE CASCADE,
    last_at timestamptz NOT NULL,
    -- An earlier session of this node left jobs; the first heartbeat says which still live.
    inherits boolean NOT NULL DEFAULT false
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 500);

CREATE TABLE workers (
    session_id uuid NOT NULL REFERENCES sessions ON DELETE CASCADE,
    worker text NOT NULL,
    device_kind text NOT NULL,
    threads integer NOT NULL CHECK (threads >= 0),
    memory_bytes bigint NOT NULL CHECK (memory_bytes >= 0),
    PRIMARY KEY (session_id, worker)
);

-- Jobs ----------------------------------------------------------------------------------------

CREATE TABLE jobs (
    job_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    key bytea NOT NULL UNIQUE CHECK (octet_length(key) = 32),
    -- Canonical JSON, whose BLAKE3 is the key.
    spec text NOT NULL,
    source_job_id uuid REFERENCES jobs CHECK (source_job_id <> job_id),
    -- Whether some job copies from this one; set when the first such job is submitted.
    is_source boolean NOT NULL DEFAULT false,
    flops double precision NOT NULL CHECK (flops >= 0),
    -- The largest of its studies'.
    priority integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),

    -- Parts of the spec that lists show and sort by; written once, together with it.
    split text NOT NULL,
    layers_copied integer NOT NULL CHECK (layers_copied >= 0),
    source_half text CHECK (source_half IN ('A', 'B', 'W')),
    target_half text NOT NULL CHECK (target_half IN ('A', 'B', 'W')),
    -- The 64 bits of an unsigned number.
    seed bigint NOT NULL,
    images_per_class integer CHECK (images_per_class > 0),
    iterations integer NOT NULL CHECK (iterations >= 0),
    batch integer NOT NULL CHECK (batch > 0),

    -- The state machine's part: only what `core::job::apply` returned is written here.
    state text NOT NULL CHECK (state IN (
        'waiting', 'ready', 'leased', 'running', 'suspect', 'held', 'succeeded', 'failed', 'cancelled')),
    state_since timestamptz NOT NULL DEFAULT now(),
    attempt integer NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    budgets jsonb NOT NULL,
    not_before timestamptz,
    claim_id bytea UNIQUE CHECK (octet_length(claim_id) = 16),
    session_id uuid REFERENCES sessions,
    worker text,
    hold jsonb,
    failure jsonb,
    -- Whose result counts.
    succeeded_attempt integer,

    CHECK ((state = 'ready') = (not_before IS NOT NULL)),
    CHECK ((state IN ('leased', 'running', 'suspect')) = (claim_id IS NOT NULL)),
    CHECK ((claim_id IS NULL) = (session_id IS NULL) AND (claim_id IS NULL) = (worker IS NULL)),
    CHECK ((state = 'held') = (hold IS NOT NULL)),
    CHECK ((state = 'failed') = (failure IS NOT NULL)),
    CHECK ((state = 'succeeded') = (succeeded_attempt IS NOT NULL)),
    CHECK (state <> 'waiting' OR source_job_id IS NOT NULL),
    CHECK (claim_id IS NULL OR attempt > 0)
);
-- Best ready jobs first, for `candidates`; sources and the others apart, because sources are
-- few and are ordered by the work they unlock.
CREATE INDEX jobs_ready_sources ON jobs (priority DESC) WHERE state = 'ready' AND is_source;
CREATE INDEX jobs_ready_others ON jobs (priority DESC, flops DESC, key)
    WHERE state = 'ready' AND NOT is_source;
-- Dependants of a source, with what they weigh.
CREATE INDEX jobs_by_source ON jobs (source_job_id, state) INCLUDE (flops) WHERE source_job_id IS NOT NULL;
-- Jobs of a session, and leases whose time may be up.
CREATE INDEX jobs_by_session ON jobs (session_id) WHERE session_id IS NOT NULL;
CREATE INDEX jobs_leased ON jobs (state, state_since) WHERE state IN ('leased', 'running', 'suspect');
ALTER TABLE jobs SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);

-- How far a running job is. Rewritten by every heartbeat, so narrow and without other indexes.
CREATE TABLE progress (
    job_id uuid PRIMARY KEY REFERENCES jobs ON DELETE CASCADE,
    -- Of another claim than the job's: an older attempt's, not to be shown.
    claim_id bytea NOT NULL CHECK (octet_length(claim_id) = 16),
    phase text CHECK (phase IN ('fetching', 'training', 'testing', 'uploading')),
    iteration integer NOT NULL CHECK (iteration >= 0),
    images_per_s real NOT NULL,
    progress_age_s real NOT NULL,
    phase_done bigint NOT NULL CHECK (phase_done >= 0),
    reported_at timestamptz NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 500);

-- One execution of a job under one lease.
CREATE TABLE attempts (
    claim_id bytea PRIMARY KEY CHECK (octet_length(claim_id) = 16),
    job_id uuid NOT NULL REFERENCES jobs,
    attempt integer NOT NULL CHECK (attempt > 0),
    session_id uuid NOT NULL REFERENCES sessions,
    worker text NOT NULL,
    device_kind text NOT NULL,
    claimed_at timestamptz NOT NULL DEFAULT now(),
    confirmed_at timestamptz,
    ended_at timestamptz,
    outcome text CHECK (outcome IN (
        'succeeded', 'failed', 'given_back', 'not_confirmed', 'worker_lost', 'withdrawn')),
    failure_class text,
    message text,
    -- Where it had got to, if it ended badly.
    iteration integer CHECK (iteration >= 0),
    UNIQUE (job_id, attempt),
    CHECK ((ended_at IS NULL) = (outcome IS NULL)),
    CHECK ((failure_class IS NOT NULL) = COALESCE(outcome = 'failed', false))
);

-- An attempt's log, as it came; the oldest parts go when it grows too long.
CREATE TABLE log_parts (
    claim_id bytea NOT NULL REFERENCES attempts ON DELETE CASCADE CHECK (octet_length(claim_id) = 16),
    start_bytes bigint NOT NULL CHECK (start_bytes >= 0),
    text bytea NOT NULL CHECK (octet_length(text) > 0),
    PRIMARY KEY (claim_id, start_bytes)
);

-- One point of a learning curve: a training loss or a test.
CREATE TABLE metrics (
    job_id uuid NOT NULL,
    attempt integer NOT NULL,
    sequence integer NOT NULL CHECK (sequence >= 0),
    iteration integer NOT NULL CHECK (iteration >= 0),
    training_loss double precision,
    test_images bigint CHECK (test_images >= 0),
    test_top1_correct bigint CHECK (test_top1_correct >= 0),
    test_top5_correct bigint CHECK (test_top5_correct >= 0),
    test_loss double precision,
    PRIMARY KEY (job_id, attempt, sequence),
    FOREIGN KEY (job_id, attempt) REFERENCES attempts (job_id, attempt) ON DELETE CASCADE,
    CHECK (num_nonnulls(test_images, test_top1_correct, test_top5_correct, test_loss)
        = CASE WHEN training_loss IS NULL THEN 4 ELSE 0 END)
);
-- The newest test of a job, for lists.
CREATE INDEX metrics_tests ON metrics (job_id, attempt DESC, sequence DESC) WHERE test_images IS NOT NULL;

-- Checkpoints and results ---------------------------------------------------------------------

CREATE TABLE checkpoints (
    checkpoint_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    job_id uuid NOT NULL REFERENCES jobs,
    claim_id bytea NOT NULL REFERENCES attempts CHECK (octet_length(claim_id) = 16),
    kind text NOT NULL CHECK (kind IN ('intermediate', 'final')),
    state text NOT NULL DEFAULT 'begun' CHECK (state IN ('begun', 'published', 'quarantined')),
    iteration integer NOT NULL CHECK (iteration >= 0),
    -- Objects and their chunks.
    manifest jsonb NOT NULL,
    manifest_digest bytea NOT NULL CHECK (octet_length(manifest_digest) = 32),
    begun_at timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz,
    -- Beginning again is the same checkpoint.
    UNIQUE (claim_id, kind, iteration, manifest_digest),
    CHECK ((state = 'begun') = (published_at IS NULL))
);
CREATE INDEX checkpoints_by_job ON checkpoints (job_id, kind, state, iteration DESC);

-- What a succeeded attempt found.
CREATE TABLE results (
    job_id uuid NOT NULL,
    attempt integer NOT NULL,
    checkpoint_id uuid NOT NULL REFERENCES checkpoints,
    committed_at timestamptz NOT NULL DEFAULT now(),
    test_images bigint NOT NULL CHECK (test_images >= 0),
    test_top1_correct bigint NOT NULL CHECK (test_top1_correct >= 0),
    test_top5_correct bigint NOT NULL CHECK (test_top5_correct >= 0),
    test_loss double precision NOT NULL,
    tests integer NOT NULL CHECK (tests >= 0),
    top1_best10 double precision,
    correct_bits bytea NOT NULL,
    weights_digest bytea NOT NULL CHECK (octet_length(weights_digest) = 32),
    layer_digests jsonb NOT NULL,
    copied_layers_unchanged boolean,
    stuck_at_chance boolean NOT NULL,
    training_s double precision NOT NULL,
    testing_s double precision NOT NULL,
    device_kind text NOT NULL,
    PRIMARY KEY (job_id, attempt),
    FOREIGN KEY (job_id, attempt) REFERENCES attempts (job_id, attempt),
    CHECK (test_top1_correct <= test_top5_correct AND test_top5_correct <= test_images)
);
ALTER TABLE jobs ADD FOREIGN KEY (job_id, succeeded_attempt) REFERENCES results (job_id, attempt);

-- Studies -------------------------------------------------------------------------------------

CREATE TABLE studies (
    study_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL UNIQUE,
    dataset text NOT NULL,
    pack_digest bytea NOT NULL CHECK (octet_length(pack_digest) = 32),
    network text NOT NULL,
    priority integer NOT NULL DEFAULT 0,
    grid_yaml text NOT NULL,
    -- Over the names and keys of its cells: equal digests, equal studies.
    content_digest bytea NOT NULL CHECK (octet_length(content_digest) = 32),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX studies_newest ON studies (created_at DESC);

CREATE TABLE study_jobs (
    study_id uuid NOT NULL REFERENCES studies ON DELETE CASCADE,
    -- In the grid's order.
    position integer NOT NULL CHECK (position >= 0),
    job_id uuid NOT NULL REFERENCES jobs,
    name text NOT NULL,
    -- The paper's name of the treatment, as this study calls it.
    treatment text NOT NULL,
    -- The grid did not list it; another of its networks copies from it.
    added_as_source boolean NOT NULL,
    PRIMARY KEY (study_id, position),
    UNIQUE (study_id, name),
    UNIQUE (study_id, job_id)
);
CREATE INDEX study_jobs_by_job ON study_jobs (job_id);

-- Answers to submissions, so that a repeat answers the same.
CREATE TABLE requests (
    request_id uuid PRIMARY KEY,
    body_digest bytea NOT NULL CHECK (octet_length(body_digest) = 32),
    study_id uuid REFERENCES studies ON DELETE CASCADE,
    existed boolean NOT NULL DEFAULT false,
    shared integer NOT NULL DEFAULT 0,
    succeeded integer NOT NULL DEFAULT 0,
    answered_at timestamptz NOT NULL DEFAULT now()
);

-- What happened to a job, for people.
CREATE TABLE events (
    event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id uuid NOT NULL REFERENCES jobs ON DELETE CASCADE,
    at timestamptz NOT NULL DEFAULT now(),
    what text NOT NULL,
    detail text NOT NULL
);
CREATE INDEX events_by_job ON events (job_id, event_id);
