-- What the database knows of the chunk store beside manifests: how much of it intermediate
-- checkpoints take, and what people deleted from it.

-- Of all objects of the manifest; a fact of it, which can never change.
ALTER TABLE checkpoints ADD COLUMN bytes bigint CHECK (bytes >= 0);
UPDATE checkpoints
SET bytes = (
    SELECT COALESCE(SUM((object ->> 'bytes')::bigint), 0)
    FROM jsonb_array_elements(manifest -> 'objects') AS object);
ALTER TABLE checkpoints ALTER COLUMN bytes SET NOT NULL;
-- What the quota of intermediate ones sums, at each announcement.
CREATE INDEX checkpoints_intermediate ON checkpoints (published_at) INCLUDE (job_id, iteration, bytes)
    WHERE kind = 'intermediate';

-- A person deleted the trained network; its result stays, and its row says what it consisted of.
ALTER TABLE checkpoints DROP CONSTRAINT checkpoints_state_check;
ALTER TABLE checkpoints ADD CONSTRAINT checkpoints_state_check
    CHECK (state IN ('begun', 'published', 'quarantined', 'deleted'));

-- Who deleted what. Rows are never changed.
CREATE TABLE deletions (
    deletion_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    at timestamptz NOT NULL DEFAULT now(),
    actor text NOT NULL,
    -- A study, or a job as STUDY:NAME.
    name text NOT NULL,
    reason text NOT NULL,
    networks integer NOT NULL CHECK (networks > 0),
    checkpoints integer NOT NULL CHECK (checkpoints > 0),
    bytes bigint NOT NULL CHECK (bytes >= 0)
);
CREATE INDEX deletions_newest ON deletions (at DESC);
