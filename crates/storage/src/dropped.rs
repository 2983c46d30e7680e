//! Chunks that nothing refers to any more: noted when a checkpoint's row goes, collected after
//! a while.
//!
//! The order is row, grace, re-check, file. A chunk that a new checkpoint wants again in the
//! meantime is safe: who begins a checkpoint takes its chunks off the list in the transaction
//! that stores the row, so it either comes before the collector has locked them (which then
//! leaves them out, or sees the row), or waits until their files are gone and is told that they
//! are missing. A file whose note outlived a crash is looked up again; removing one that is
//! gone is harmless.

use std::time::Duration;

use selffer_core::{artifact::Manifest, ids::Digest};
use sqlx::{PgConnection, Postgres, Transaction};

use crate::{
    Store, StoreError,
    checkpoints::CheckpointRow,
    convert::{digest, from_i64, seconds, to_i64},
};

/// Chunks of one round: their files must be gone long before the transaction times out.
const CHUNKS_PER_ROUND: i64 = 200;
/// Rows of announced checkpoints that one round gives up.
const ROWS_PER_ROUND: i64 = 200;

/// Chunks that may be removed, locked against everybody who would want them again.
#[derive(Debug)]
pub struct Collection {
    tx: Transaction<'static, Postgres>,
    /// Which, and their sizes in bytes.
    pub chunks: Vec<(Digest, u64)>,
}

impl Store {
    /// Chunks dropped longer ago than `grace` that no checkpoint and no import refers to; `None`
    /// when there is nothing to do. Remove their files, then call [`Collection::removed`].
    ///
    /// # Errors
    /// The database.
    pub async fn collect(&self, grace: Duration) -> Result<Option<Collection>, StoreError> {
        let mut tx = self.begin_leading().await?;
        // Whoever else collects takes others.
        let noted = sqlx::query!(
            r#"SELECT digest, bytes
               FROM dropped_chunks
               WHERE dropped_at <= clock_timestamp() - make_interval(secs => $1)
               ORDER BY dropped_at
               LIMIT $2
               FOR UPDATE SKIP LOCKED"#,
            seconds(grace),
            CHUNKS_PER_ROUND,
        );
        let noted = noted.fetch_all(&mut *tx).await?;
        if noted.is_empty() {
            return Ok(None);
        }
        let digests: Vec<Vec<u8>> = noted.iter().map(|chunk| chunk.digest.clone()).collect();
        let referred = referred_to(&mut tx, &digests).await?;
        forget(&mut tx, &referred).await?;
        let free = noted.into_iter().filter(|chunk| !referred.contains(&chunk.digest));
        let chunks = free.map(|chunk| Ok((digest(&chunk.digest)?, from_i64(chunk.bytes))));
        Ok(Some(Collection { chunks: chunks.collect::<Result<_, StoreError>>()?, tx }))
    }

    /// Gives up checkpoints that were announced longer ago than `grace` by attempts that have
    /// ended: nobody can publish them. Returns how many.
    ///
    /// # Errors
    /// The database.
    pub async fn drop_abandoned_checkpoints(&self, grace: Duration) -> Result<u32, StoreError> {
        let mut tx = self.begin_leading().await?;
        let dropped = crate::checkpoints::drop_abandoned(&mut tx, seconds(grace), ROWS_PER_ROUND).await?;
        tx.commit().await?;
        Ok(dropped.len() as u32)
    }
}

impl Collection {
    /// The files of these chunks are gone; the rest is tried again later.
    ///
    /// # Errors
    /// The database; then all are looked at again.
    pub async fn removed(mut self, digests: &[Digest]) -> Result<(), StoreError> {
        let digests: Vec<Vec<u8>> = digests.iter().map(|digest| digest.0.to_vec()).collect();
        forget(&mut self.tx, &digests).await?;
        self.tx.commit().await?;
        Ok(())
    }
}

/// Notes the chunks of rows that were just deleted, in the same transaction.
pub(crate) async fn note(connection: &mut PgConnection, rows: &[CheckpointRow]) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let chunks: Vec<_> = rows.iter().flat_map(|row| row.manifest.chunks()).collect();
    let digests: Vec<Vec<u8>> = chunks.iter().map(|chunk| chunk.digest.0.to_vec()).collect();
    let bytes = chunks.iter().map(|chunk| to_i64("chunk bytes", chunk.bytes));
    // In one order, so that two who note the same chunks do not deadlock.
    sqlx::query!(
        r#"INSERT INTO dropped_chunks (digest, bytes, dropped_at)
           SELECT digest, MAX(bytes), clock_timestamp()
           FROM UNNEST($1::bytea[], $2::bigint[]) AS dropped (digest, bytes)
           GROUP BY digest
           ORDER BY digest
           ON CONFLICT (digest) DO UPDATE SET dropped_at = EXCLUDED.dropped_at"#,
        &digests,
        &bytes.collect::<Result<Vec<_>, _>>()?,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes the chunks of a row that was just stored off the list. Waits for a collector that is
/// removing one of them; the caller must look afterwards which chunks are there.
pub(crate) async fn want_again(connection: &mut PgConnection, manifest: &Manifest) -> Result<(), StoreError> {
    let mut digests: Vec<Vec<u8>> = manifest.chunks().map(|chunk| chunk.digest.0.to_vec()).collect();
    digests.sort_unstable();
    digests.dedup();
    forget(connection, &digests).await
}

async fn forget(connection: &mut PgConnection, digests: &[Vec<u8>]) -> Result<(), StoreError> {
    if digests.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        r#"DELETE FROM dropped_chunks
           WHERE digest IN (
               SELECT digest
               FROM dropped_chunks
               WHERE digest = ANY($1)
               ORDER BY digest
               FOR UPDATE)"#,
        digests,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Which of these some manifest has, by indexes `checkpoints_chunks` and `imports_chunks`.
async fn referred_to(connection: &mut PgConnection, digests: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, StoreError> {
    let referred = sqlx::query_scalar!(
        r#"SELECT digest AS "digest!"
           FROM UNNEST($1::bytea[]) AS chunk (digest)
           WHERE EXISTS (
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
        digests,
    );
    Ok(referred.fetch_all(connection).await?)
}
