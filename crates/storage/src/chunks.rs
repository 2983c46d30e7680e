//! What the database knows of the chunk store as a whole: what it is used for, and chunks
//! in it that nobody knows.

use std::time::Duration;

use selffer_core::artifact::Chunk;

use crate::{
    Store, StoreError,
    convert::{from_i64, seconds, to_i64},
};

/// Things that are kept in the chunk store for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// `final`, `intermediate`, `announced`, `damaged`, `pack` or `weights`.
    pub what: String,
    /// How many.
    pub count: u64,
    /// Of all of them; what several share counts with each.
    pub bytes: u64,
}

/// What the chunk store is used for, as the rows say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// What is kept, and why.
    pub kept: Vec<Kept>,
    /// Chunks that nothing refers to and that are due.
    pub due_chunks: u64,
    /// Their bytes.
    pub due_bytes: u64,
    /// Chunks that nothing referred to when they were dropped, and that stay for a while.
    pub waiting_chunks: u64,
    /// Their bytes.
    pub waiting_bytes: u64,
}

impl Store {
    /// Which of these stored chunks nobody knows: no manifest, and not the list of dropped ones.
    ///
    /// # Errors
    /// The database.
    pub async fn unknown_chunks(&self, stored: &[Chunk]) -> Result<Vec<Chunk>, StoreError> {
        let digests: Vec<Vec<u8>> = stored.iter().map(|chunk| chunk.digest.0.to_vec()).collect();
        let known = sqlx::query_scalar!(
            r#"SELECT digest AS "digest!"
               FROM UNNEST($1::bytea[]) AS chunk (digest)
               WHERE EXISTS (SELECT 1 FROM dropped_chunks d WHERE d.digest = chunk.digest)
                  OR EXISTS (
                       SELECT 1
                       FROM checkpoints
                       WHERE jsonb_path_query_array(manifest, '$.objects[*].chunks[*].digest')
                               ? encode(chunk.digest, 'hex')
                           AND state <> 'deleted')
                  OR EXISTS (
                       SELECT 1
                       FROM imports
                       WHERE jsonb_path_query_array(objects, '$.objects[*].chunks[*].digest')
                           ? encode(chunk.digest, 'hex'))"#,
            &digests,
        );
        let known = known.fetch_all(&self.main).await?;
        let is_unknown = |chunk: &&Chunk| !known.iter().any(|digest| digest[..] == chunk.digest.0[..]);
        Ok(stored.iter().filter(is_unknown).cloned().collect())
    }

    /// Puts chunks that nobody knows on the list of dropped ones. Whoever begins to want one
    /// meanwhile is seen when it is collected.
    ///
    /// # Errors
    /// The database.
    pub async fn note_unknown_chunks(&self, unknown: &[Chunk]) -> Result<(), StoreError> {
        let digests: Vec<Vec<u8>> = unknown.iter().map(|chunk| chunk.digest.0.to_vec()).collect();
        // An empty file is no chunk, but must go all the same.
        let bytes = unknown.iter().map(|chunk| to_i64("chunk bytes", chunk.bytes.max(1)));
        sqlx::query!(
            r#"INSERT INTO dropped_chunks (digest, bytes, dropped_at)
               SELECT digest, bytes, clock_timestamp()
               FROM UNNEST($1::bytea[], $2::bigint[]) AS stored (digest, bytes)
               ORDER BY digest
               ON CONFLICT (digest) DO NOTHING"#,
            &digests,
            &bytes.collect::<Result<Vec<_>, _>>()?,
        )
        .execute(&self.main)
        .await?;
        Ok(())
    }

    /// What the chunk store is used for, and what of it is due after `grace`.
    ///
    /// # Errors
    /// The database.
    pub async fn chunk_usage(&self, grace: Duration) -> Result<Usage, StoreError> {
        let kept = sqlx::query_as!(
            StoredKept,
            r#"SELECT CASE state WHEN 'published' THEN kind WHEN 'begun' THEN 'announced' ELSE 'damaged' END
                   AS "what!", COUNT(*) AS "count!", COALESCE(SUM(bytes), 0)::bigint AS "bytes!"
               FROM checkpoints
               WHERE state <> 'deleted'
               GROUP BY 1
               UNION ALL
               SELECT kind, COUNT(*), COALESCE(SUM(bytes), 0)::bigint
               FROM imports
               GROUP BY kind
               ORDER BY 1"#,
        );
        let kept = kept.fetch_all(&self.main).await?.into_iter().map(StoredKept::read).collect();
        let dropped = sqlx::query!(
            r#"SELECT COUNT(*) FILTER (WHERE due) AS "due_chunks!",
                   COALESCE(SUM(bytes) FILTER (WHERE due), 0)::bigint AS "due_bytes!",
                   COUNT(*) FILTER (WHERE NOT due) AS "waiting_chunks!",
                   COALESCE(SUM(bytes) FILTER (WHERE NOT due), 0)::bigint AS "waiting_bytes!"
               FROM (
                   SELECT bytes, dropped_at <= clock_timestamp() - make_interval(secs => $1) AS due
                   FROM dropped_chunks d
                   WHERE NOT EXISTS (
                           SELECT 1
                           FROM checkpoints
                           WHERE jsonb_path_query_array(manifest, '$.objects[*].chunks[*].digest')
                                   ? encode(d.digest, 'hex')
                               AND state <> 'deleted')
                     AND NOT EXISTS (
                           SELECT 1
                           FROM imports
                           WHERE jsonb_path_query_array(objects, '$.objects[*].chunks[*].digest')
                               ? encode(d.digest, 'hex'))) AS free"#,
            seconds(grace),
        );
        let dropped = dropped.fetch_one(&self.main).await?;
        Ok(Usage {
            kept,
            due_chunks: from_i64(dropped.due_chunks),
            due_bytes: from_i64(dropped.due_bytes),
            waiting_chunks: from_i64(dropped.waiting_chunks),
            waiting_bytes: from_i64(dropped.waiting_bytes),
        })
    }
}

struct StoredKept {
    what: String,
    count: i64,
    bytes: i64,
}

impl StoredKept {
    fn read(self) -> Kept {
        Kept { what: self.what, count: from_i64(self.count), bytes: from_i64(self.bytes) }
    }
}
