-- Several coordinators on one database: who leads, who lives, whose store it is; and what is
-- done when the database turns out to be older than the fleet.

-- One row. A fleet is what shares this database.
CREATE TABLE fleet (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    -- The identity of the chunk store that belongs to this database, as the store itself has it.
    store_id text CHECK (octet_length(store_id) BETWEEN 1 AND 64),
    -- The store has it too: from now on a store without it is another one.
    store_has_id boolean NOT NULL DEFAULT false,
    -- A worker showed a claim that this database does not know: nothing is handed out and
    -- nothing expires until everybody has been heard.
    frozen_at timestamptz,
    CHECK (store_id IS NOT NULL OR NOT store_has_id)
);
INSERT INTO fleet DEFAULT VALUES;

-- Who leads what, until when. A term is one coordinator's time as leader and never comes twice.
CREATE TABLE leaders (
    duty text PRIMARY KEY CHECK (duty IN ('sweep', 'collect')),
    coordinator_id uuid NOT NULL,
    term bigint NOT NULL CHECK (term > 0),
    until timestamptz NOT NULL
);

-- Coordinators that serve. A row that is not renewed is one of a coordinator that was killed.
CREATE TABLE coordinators (
    coordinator_id uuid PRIMARY KEY,
    seen_at timestamptz NOT NULL
);

-- Claims that workers showed and the database did not know, and what became of them.
CREATE TABLE divergences (
    claim_id bytea PRIMARY KEY CHECK (octet_length(claim_id) = 16),
    job_id uuid NOT NULL REFERENCES jobs ON DELETE CASCADE,
    node text NOT NULL,
    -- Whether the job goes on under this claim.
    adopted boolean NOT NULL,
    detail text NOT NULL,
    found_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX divergences_newest ON divergences (found_at DESC);
