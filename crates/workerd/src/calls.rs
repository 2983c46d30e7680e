//! Calls to the coordinator: what their failures mean, and repeating them.
//!
//! Every changing call is idempotent, so a lost answer is repaired by the same call again.
//! While the coordinator is away a call is repeated for ever; what ends it then is the lease
//! or the daemon ending. Trouble inside a coordinator that answers is given up on at last.

use std::{future::Future, time::Duration};

use backon::{ExponentialBuilder, Retryable};
use tokio::time::timeout;
use tonic::{Code, Status};
use tracing::info;

/// How often trouble inside the coordinator is met with another try.
const TROUBLE_TRIES_MAX: u32 = 10;
/// How long one try of an ordinary call may take.
pub const CALL_WITHIN: Duration = Duration::from_secs(30);

/// Whether the claim in a call is not current any more.
#[must_use]
pub fn is_stale(status: &Status) -> bool {
    status.code() == Code::Aborted
}

/// Whether the coordinator cannot act now, or did not answer, so that nobody knows if it acted.
/// A token that it does not know is replaced by the heartbeat, with the session; room on its
/// disk is made by people.
fn is_away(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable
            | Code::DeadlineExceeded
            | Code::Cancelled
            | Code::Unauthenticated
            | Code::ResourceExhausted
    )
}

/// Whether it answered that something inside it is not in order just now.
fn is_trouble(status: &Status) -> bool {
    matches!(status.code(), Code::Internal | Code::Unknown)
}

/// Repeats a call until it is answered: 0.2 s, doubled to 5 s, with jitter.
///
/// # Errors
/// The answer that no repeat will change, or the trouble that outlasted the tries.
pub async fn patiently<T, F>(call_name: &'static str, call: impl FnMut() -> F) -> Result<T, Status>
where
    F: Future<Output = Result<T, Status>>,
{
    patiently_within(CALL_WITHIN, call_name, call).await
}

/// As [`patiently`], with this time for each try.
///
/// # Errors
/// As [`patiently`].
pub async fn patiently_within<T, F>(
    within: Duration,
    call_name: &'static str,
    mut call: impl FnMut() -> F,
) -> Result<T, Status>
where
    F: Future<Output = Result<T, Status>>,
{
    let mut troubles = 0;
    let mut told = false;
    let attempt = || {
        let answer = timeout(within, call());
        async move { answer.await.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer in time"))) }
    };
    let worth_repeating = |status: &Status| {
        troubles += u32::from(is_trouble(status));
        is_away(status) || (is_trouble(status) && troubles < TROUBLE_TRIES_MAX)
    };
    let tell_once = |status: &Status, _: Duration| {
        if !std::mem::replace(&mut told, true) {
            info!(call = call_name, code = ?status.code(), reason = status.message(), "repeating a call");
        }
    };
    attempt.retry(backoff()).when(worth_repeating).notify(tell_once).await
}

/// Delays between tries, without end.
#[must_use]
pub fn backoff() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(200))
        .with_max_delay(Duration::from_secs(5))
        .with_jitter()
        .without_max_times()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn a_call_is_repeated_while_the_coordinator_is_away() {
        let tries = Cell::new(0);
        let answer = patiently("test", || {
            tries.set(tries.get() + 1);
            let tries = tries.get();
            async move { if tries < 3 { Err(Status::unavailable("away")) } else { Ok(tries) } }
        });
        assert_eq!(answer.await.unwrap(), 3);
    }

    #[tokio::test]
    async fn a_refusal_is_not_repeated() {
        let tries = Cell::new(0);
        let answer = patiently("test", || {
            tries.set(tries.get() + 1);
            async { Err::<(), _>(Status::aborted("claim is not current")) }
        });
        assert!(is_stale(&answer.await.unwrap_err()));
        assert_eq!(tries.get(), 1);
    }
}
