//! `--idle-exit`: how long a daemon has had no job on any of its devices.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Counts the devices that have a job.
#[derive(Debug)]
pub struct Idle {
    longest: Option<Duration>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    busy: usize,
    since: Instant,
}

impl Idle {
    /// A daemon that is idle from now on, and may be for so long; for ever without that.
    #[must_use]
    pub fn new(longest: Option<Duration>, now: Instant) -> Self {
        Self { longest, state: Mutex::new(State { busy: 0, since: now }) }
    }

    /// A device has a job.
    pub fn begin(&self) {
        self.state().busy += 1;
    }

    /// It has none any more.
    pub fn end(&self, now: Instant) {
        let mut state = self.state();
        state.busy = state.busy.saturating_sub(1);
        state.since = now;
    }

    /// Whether it has been idle for longer than it may.
    #[must_use]
    pub fn is_over(&self, now: Instant) -> bool {
        let state = self.state();
        let idle = now.saturating_duration_since(state.since);
        state.busy == 0 && self.longest.is_some_and(|longest| idle >= longest)
    }

    /// The longest that anybody may wait for a job before asking [`Idle::is_over`] again.
    #[must_use]
    pub fn look_again_within(&self) -> Option<Duration> {
        self.longest
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_without_a_job_waits_for_the_others() {
        let now = crate::ambient::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        let idle = Idle::new(Some(Duration::from_secs(10)), now);
        assert!(!idle.is_over(at(9)) && idle.is_over(at(10)));
        idle.begin();
        idle.begin();
        idle.end(at(20));
        assert!(!idle.is_over(at(100)), "another device has a job");
        idle.end(at(110));
        assert!(!idle.is_over(at(119)) && idle.is_over(at(120)));
        assert!(!Idle::new(None, now).is_over(at(1_000_000)));
    }
}
