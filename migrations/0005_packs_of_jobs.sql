-- Which pack a job reads and how large it is: a job goes only to a worker that has its pack or
-- can hold it.

ALTER TABLE jobs ADD COLUMN pack bytea
    GENERATED ALWAYS AS (decode(spec::json ->> 'pack', 'hex')) STORED;

-- Of all files of the import; a fact of its manifest, which can never change.
ALTER TABLE imports ADD COLUMN bytes bigint CHECK (bytes >= 0);
UPDATE imports
SET bytes = (
    SELECT COALESCE(SUM((object ->> 'bytes')::bigint), 0)
    FROM jsonb_array_elements(objects -> 'objects') AS object);
ALTER TABLE imports ALTER COLUMN bytes SET NOT NULL;

-- With all that `candidates` reads, so that leaving out jobs whose pack nobody can take costs a
-- walk along the index, however many they are (100,000: 45 ms; from the table 400 ms).
DROP INDEX jobs_claimable_others;
CREATE INDEX jobs_claimable_others ON jobs (priority DESC, flops DESC, key)
    INCLUDE (job_id, pack, not_before, source_job_id, attempt)
    WHERE state = 'ready' AND claimable AND NOT is_source;
