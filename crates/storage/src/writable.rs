//! Connections to a server that takes no writes any more are dropped, not kept.
//!
//! After a failover a pool may still be connected to the server that was demoted: it answers,
//! and every write fails. So once a write failed for that reason, connections are looked at
//! before they are used, and the pool makes new ones, until one takes writes.

use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::{PgConnection, error::DatabaseError};

/// SQLSTATE of a write in a transaction that only reads.
const READ_ONLY: &str = "25006";

/// Whether some connection of this program was found to take no writes.
static SUSPECTED: AtomicBool = AtomicBool::new(false);

/// Takes note if this is what failed.
pub(crate) fn note(error: &sqlx::Error) {
    let code = error.as_database_error().and_then(DatabaseError::code);
    if code.as_deref() == Some(READ_ONLY) {
        SUSPECTED.store(true, Ordering::Relaxed);
    }
}

/// Whether a pool's connection may be used; it is closed if not.
///
/// # Errors
/// The connection is broken.
pub(crate) async fn is_fit(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    if !SUSPECTED.load(Ordering::Relaxed) {
        return Ok(true);
    }
    let takes_writes =
        sqlx::query_scalar!(r#"SELECT current_setting('transaction_read_only') = 'off' AS "takes_writes!""#);
    let takes_writes = takes_writes.fetch_one(connection).await?;
    if takes_writes {
        // Others may still be connected to the old one: they find out by themselves.
        SUSPECTED.store(false, Ordering::Relaxed);
    }
    Ok(takes_writes)
}
