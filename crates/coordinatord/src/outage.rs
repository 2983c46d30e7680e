//! An outage of the database is told once when it begins and once when it is over, however
//! many calls meet it meanwhile.

use std::{
    error::Error,
    sync::atomic::{AtomicBool, Ordering},
};

use selffer_storage::StoreError;
use tracing::{info, warn};

/// Whether the one database of this program is known to be away.
static AWAY: AtomicBool = AtomicBool::new(false);

/// Logs what kept something from being done, unless everybody knows why.
pub(crate) fn note(failure: &StoreError, what: &'static str) {
    if !failure.is_outage() {
        warn!(error = failure as &dyn Error, "{what}");
    } else if !AWAY.swap(true, Ordering::Relaxed) {
        warn!(
            error = failure as &dyn Error,
            "the database does not answer; callers are asked to try again, and nothing expires meanwhile"
        );
    }
}

/// The database has answered.
pub(crate) fn is_over() {
    if AWAY.swap(false, Ordering::Relaxed) {
        info!("the database answers again");
    }
}
