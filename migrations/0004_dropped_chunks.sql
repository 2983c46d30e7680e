-- Chunks that a checkpoint had whose row is gone. Nobody may need them any more: after a while
-- the collector looks whether anything still refers to them, and removes their files.

CREATE TABLE dropped_chunks (
    digest bytea PRIMARY KEY CHECK (octet_length(digest) = 32),
    bytes bigint NOT NULL CHECK (bytes > 0),
    dropped_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX dropped_chunks_oldest ON dropped_chunks (dropped_at);

-- Whether some manifest has a chunk, whatever its row's state: by the digests in it.
CREATE INDEX checkpoints_chunks ON checkpoints
    USING gin (jsonb_path_query_array(manifest, '$.objects[*].chunks[*].digest'));
CREATE INDEX imports_chunks ON imports
    USING gin (jsonb_path_query_array(objects, '$.objects[*].chunks[*].digest'));
-- Announced by attempts that have ended: never to be published.
CREATE INDEX checkpoints_begun ON checkpoints (begun_at) WHERE state = 'begun';
