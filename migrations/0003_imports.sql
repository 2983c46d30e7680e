-- Packs and weights are imports: both are announced, stored and named in the same way.

ALTER TABLE packs RENAME TO imports;
ALTER TABLE imports
    ADD COLUMN kind text NOT NULL DEFAULT 'pack' CHECK (kind IN ('pack', 'weights')),
    -- What a name's digest and kind refer to.
    ADD CONSTRAINT imports_digest_kind UNIQUE (digest, kind);
ALTER TABLE imports ALTER COLUMN kind DROP DEFAULT;
ALTER TABLE imports RENAME CONSTRAINT packs_pkey TO imports_pkey;
ALTER TABLE imports RENAME CONSTRAINT packs_digest_check TO imports_digest_check;

ALTER TABLE pack_names RENAME TO import_names;
ALTER TABLE import_names ADD COLUMN kind text NOT NULL DEFAULT 'pack';
ALTER TABLE import_names ALTER COLUMN kind DROP DEFAULT;
-- A pack and weights may have the same name.
ALTER TABLE import_names
    DROP CONSTRAINT pack_names_pkey,
    ADD CONSTRAINT import_names_pkey PRIMARY KEY (kind, name),
    DROP CONSTRAINT pack_names_digest_fkey,
    ADD CONSTRAINT import_names_digest_fkey FOREIGN KEY (digest, kind) REFERENCES imports (digest, kind);
ALTER TABLE import_names RENAME CONSTRAINT pack_names_digest_check TO import_names_digest_check;
ALTER INDEX pack_names_digest RENAME TO import_names_digest;
