//! Waiting for a condition with a deadline: the only place in the tests that sleeps.

use std::{
    thread,
    time::{Duration, Instant},
};

const POLL: Duration = Duration::from_millis(50);
/// For what is over within an instant.
const CLOSE_POLL: Duration = Duration::from_millis(2);

/// Returns as soon as `condition` holds.
///
/// # Panics
/// When it does not hold within `deadline`; the message says what was waited for.
pub fn until(what: &str, deadline: Duration, condition: impl FnMut() -> bool) {
    assert!(holds_within(deadline, condition), "waited {deadline:?} in vain for: {what}");
}

/// Whether `condition` came to hold within `deadline`.
pub fn holds_within(deadline: Duration, condition: impl FnMut() -> bool) -> bool {
    poll(POLL, deadline, condition)
}

/// As [`holds_within`], looking every 2 ms: for what must be caught in the act, and for
/// deadlines that are themselves what is waited for. `condition` should be cheap.
pub fn closely(deadline: Duration, condition: impl FnMut() -> bool) -> bool {
    poll(CLOSE_POLL, deadline, condition)
}

/// A moment of a seeded schedule: returns when `after` has passed.
pub fn moment(after: Duration) {
    closely(after, || false);
}

/// A moment that is part of what a test sets up, within a task: the delay of a slow network.
pub async fn later(after: Duration) {
    tokio::time::sleep(after).await;
}

fn poll(every: Duration, deadline: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let started = Instant::now();
    while !condition() {
        let left = deadline.saturating_sub(started.elapsed());
        if left.is_zero() {
            return false;
        }
        thread::sleep(every.min(left));
    }
    true
}
