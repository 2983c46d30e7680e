//! What intermediate checkpoints may take, of the whole fleet together.
//!
//! Each counts with all its bytes, announced or published, though layers may be shared: what is
//! counted is never less than what is taken. Final ones are never counted and never refused.

use sqlx::{PgConnection, types::Json};

use selffer_core::artifact::Manifest;

use crate::{
    Claim, StoreError,
    checkpoints::{self, StoredCheckpoint},
    convert::{from_i64, to_i64},
};

/// The lock under which announcements are counted; of nobody else.
const LOCK: i64 = 0x73656c_66666572;

/// Makes room for one more of these bytes, within the transaction that announces it: if need be
/// the oldest go that a newer and further one of their job has replaced.
///
/// # Errors
/// There is no room all the same.
pub(crate) async fn make_room(
    connection: &mut PgConnection,
    claim: Claim,
    (given, max): (u64, u64),
) -> Result<(), StoreError> {
    // One at a time, or two would both take the last of it.
    sqlx::query!("SELECT pg_advisory_xact_lock($1)", LOCK).execute(&mut *connection).await?;
    let used = used(connection, claim).await?;
    let over = used.saturating_add(given).saturating_sub(max);
    if over == 0 {
        return Ok(());
    }
    let freed = drop_replaced(connection, over).await?;
    if freed < over {
        return Err(StoreError::QuotaReached { used: used.saturating_sub(freed), max, given });
    }
    Ok(())
}

/// Bytes of all intermediate ones, but for what this claim has announced and not published: it
/// is about to announce the same again, or a newer one in its place. By the index
/// `checkpoints_intermediate`.
async fn used(connection: &mut PgConnection, claim: Claim) -> Result<u64, StoreError> {
    let used = sqlx::query_scalar!(
        r#"SELECT COALESCE(SUM(bytes), 0)::bigint AS "used!"
           FROM checkpoints
           WHERE kind = 'intermediate'
             AND NOT (claim_id = $1 AND state = 'begun')"#,
        &claim.claim_id.0[..],
    );
    Ok(from_i64(used.fetch_one(connection).await?))
}

/// Deletes the oldest that are replaced until at least so many bytes are free; how many are.
async fn drop_replaced(connection: &mut PgConnection, over: u64) -> Result<u64, StoreError> {
    let rows = sqlx::query_as!(
        StoredCheckpoint,
        r#"WITH replaced AS (
               SELECT checkpoint_id, SUM(bytes) OVER (ORDER BY published_at, checkpoint_id) - bytes AS before
               FROM checkpoints old
               WHERE kind = 'intermediate'
                 AND state = 'published'
                 AND EXISTS (
                     SELECT 1
                     FROM checkpoints newer
                     WHERE newer.job_id = old.job_id
                       AND newer.kind = 'intermediate'
                       AND newer.state = 'published'
                       AND newer.iteration > old.iteration
                       AND newer.published_at > old.published_at))
           DELETE FROM checkpoints
           WHERE checkpoint_id IN (SELECT checkpoint_id FROM replaced WHERE before < $1)
           RETURNING checkpoint_id, job_id, claim_id, kind, state, iteration,
               manifest AS "manifest: Json<Manifest>""#,
        to_i64("bytes over the quota", over)? as _,
    );
    let rows = rows.fetch_all(&mut *connection).await?;
    let dropped = checkpoints::dropped(connection, rows).await?;
    Ok(dropped.iter().map(|row| row.manifest.bytes()).sum())
}
