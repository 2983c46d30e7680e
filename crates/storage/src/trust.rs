//! Which of a pool's connections are looked at before they are used.
//!
//! A look costs as much as a statement. One that was used a moment ago is taken to be there;
//! but once some connection was found to be broken, all that were idle then are looked at.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use sqlx::error::DatabaseError;

/// For how long an idle connection is taken to be there.
const TRUSTED_FOR: Duration = Duration::from_secs(1);
/// SQLSTATEs of a server that ends connections.
const ENDED: &str = "57P";

/// When some connection of this program was last found to be broken.
static BROKE_AT: Mutex<Option<Instant>> = Mutex::new(None);

/// Takes note if this is what failed.
pub(crate) fn note(error: &sqlx::Error) {
    let code = error.as_database_error().and_then(DatabaseError::code);
    if matches!(error, sqlx::Error::Io(_)) || code.is_some_and(|code| code.starts_with(ENDED)) {
        *BROKE_AT.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }
}

/// Whether a connection that was idle for so long is to be looked at.
pub(crate) fn is_doubtful(idle_for: Duration) -> bool {
    let broke_at = *BROKE_AT.lock().unwrap_or_else(PoisonError::into_inner);
    idle_for > TRUSTED_FOR || broke_at.is_some_and(|at| at.elapsed() <= idle_for)
}
