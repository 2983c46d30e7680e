//! Which of a pool's connections are looked at before they are used, and dropped if unfit.
//!
//! A look costs as much as a statement, so one that was used a moment ago is taken to be fit. It
//! may not be: its server may have ended it, or have been demoted in a failover; then it answers,
//! and every write fails. So once a call failed for such a reason, connections are looked at
//! until so many were found to be fit that none is left out, and the pool makes new ones for the
//! others.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use sqlx::PgConnection;

use crate::StoreError;

/// For how long an idle connection is taken to be fit.
const TRUSTED_FOR: Duration = Duration::from_secs(1);
/// More than the connections of all pools, each of which may be used several times meanwhile.
const LOOKS: u32 = 200;

/// How many must still be found to be fit, since some connection of this program was not.
static DUE: AtomicU32 = AtomicU32::new(0);

/// Takes note if this failed because of its connection.
pub(crate) fn note(failure: &StoreError) {
    if failure.is_of_connection() {
        DUE.store(LOOKS, Ordering::Relaxed);
    }
}

/// Whether a pool's connection that was idle for so long may be used; it is closed if not.
///
/// # Errors
/// The connection is broken.
pub(crate) async fn is_fit(connection: &mut PgConnection, idle_for: Duration) -> Result<bool, sqlx::Error> {
    if idle_for <= TRUSTED_FOR && DUE.load(Ordering::Relaxed) == 0 {
        return Ok(true);
    }
    let takes_writes =
        sqlx::query_scalar!(r#"SELECT current_setting('transaction_read_only') = 'off' AS "takes_writes!""#);
    let takes_writes = takes_writes.fetch_one(connection).await?;
    if takes_writes {
        // None is due when it was looked at only because it was idle.
        let _ = DUE.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |due| due.checked_sub(1));
    }
    Ok(takes_writes)
}
