//! An outage of the database is told once when it begins and once when it is over, however
//! many calls meet it meanwhile; a start waits until it is over.

use std::{
    error::Error,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use anyhow::Result;
use selffer_storage::StoreError;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How long a start waits for a database that answered and then went away.
const START_WITHIN: Duration = Duration::from_secs(60);
/// Between two tries of it.
const START_AGAIN_EVERY: Duration = Duration::from_millis(200);

/// Whether the one database of this program is known to be away.
static AWAY: AtomicBool = AtomicBool::new(false);

/// Logs what kept something from being done, unless everybody knows why.
pub(crate) fn note(failure: &StoreError, what: &'static str) {
    if failure.is_outage() {
        begins(failure);
    } else {
        warn!(error = failure as &dyn Error, "{what}");
    }
}

fn begins(failure: &StoreError) {
    if !AWAY.swap(true, Ordering::Relaxed) {
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

/// Does a part of the start, again and again while the database is away and nobody is there yet to
/// be told to try again.
///
/// # Errors
/// It is away for too long or until `stopping`, or something else is wrong.
pub(crate) async fn outlast<T>(
    stopping: &CancellationToken,
    mut part: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    let began_at = Instant::now();
    loop {
        let failure = match part().await {
            Err(failure) if began_at.elapsed() < START_WITHIN => failure,
            settled => return settled,
        };
        match failure.downcast_ref::<StoreError>() {
            Some(outage) if outage.is_outage() => begins(outage),
            _ => return Err(failure),
        }
        tokio::select! {
            () = stopping.cancelled() => return Err(failure),
            () = tokio::time::sleep(START_AGAIN_EVERY) => {}
        }
    }
}
