//! Waiting for a condition with a deadline: the only place in the tests that sleeps.

use std::{
    thread,
    time::{Duration, Instant},
};

const POLL: Duration = Duration::from_millis(50);

/// Returns as soon as `condition` holds.
///
/// # Panics
/// When it does not hold within `deadline`; the message says what was waited for.
pub fn until(what: &str, deadline: Duration, condition: impl FnMut() -> bool) {
    assert!(holds_within(deadline, condition), "waited {deadline:?} in vain for: {what}");
}

/// Whether `condition` came to hold within `deadline`.
pub fn holds_within(deadline: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let started = Instant::now();
    while !condition() {
        if started.elapsed() >= deadline {
            return false;
        }
        thread::sleep(POLL);
    }
    true
}
