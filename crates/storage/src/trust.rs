//! Which of a pool's connections are looked at before they are used.
//!
//! A look costs as much as a statement. One that was used a moment ago is taken to be there;
//! but once some connection was found to be broken, so many are looked at that none is left out.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use sqlx::error::DatabaseError;

/// For how long an idle connection is taken to be there.
const TRUSTED_FOR: Duration = Duration::from_secs(1);
/// SQLSTATEs of a server that ends connections.
const ENDED: &str = "57P";

/// More than the connections of all pools, each of which may be used several times meanwhile.
const LOOKS: u32 = 200;

/// Looks that are due since some connection of this program was found to be broken.
static DUE: AtomicU32 = AtomicU32::new(0);

/// Takes note if this is what failed.
pub(crate) fn note(error: &sqlx::Error) {
    let code = error.as_database_error().and_then(DatabaseError::code);
    if matches!(error, sqlx::Error::Io(_)) || code.is_some_and(|code| code.starts_with(ENDED)) {
        DUE.store(LOOKS, Ordering::Relaxed);
    }
}

/// Whether a connection that was idle for so long is to be looked at.
pub(crate) fn is_doubtful(idle_for: Duration) -> bool {
    let one_less = |due: u32| due.checked_sub(1);
    let is_due = DUE.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok();
    is_due || idle_for > TRUSTED_FOR
}
