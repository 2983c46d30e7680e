//! How often a worker is asked for its next heartbeat.
//!
//! They carry the progress that people watch, so a small fleet sends them every second; in
//! a large one the interval grows with the number of sessions, up to the ordinary one, so
//! that the whole fleet's heartbeats are a bounded load. Expiry does not depend on it.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use selffer_core::ids::SessionId;

/// The whole fleet's heartbeats are at least this far apart on average.
const FLEET_SPACING: Duration = Duration::from_millis(20);
/// One session's are at least this far apart.
const INTERVAL_MIN: Duration = Duration::from_secs(1);

/// Which sessions were heard lately.
#[derive(Debug, Default)]
pub(crate) struct HeartbeatPace {
    heard: Mutex<HashMap<SessionId, Instant>>,
}

impl HeartbeatPace {
    /// Notes a session's heartbeat and says when its next one is due: after `longest` at most.
    pub(crate) fn next_after(&self, session: SessionId, longest: Duration, now: Instant) -> Duration {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.insert(session, now);
        heard.retain(|_, at| now.saturating_duration_since(*at) <= 2 * longest);
        let sessions = u32::try_from(heard.len()).unwrap_or(u32::MAX);
        FLEET_SPACING.saturating_mul(sessions).max(INTERVAL_MIN).min(longest)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const LONGEST: Duration = Duration::from_secs(10);

    fn session(number: u128) -> SessionId {
        SessionId(Uuid::from_u128(number))
    }

    #[test]
    fn the_interval_grows_with_the_fleet_and_shrinks_when_it_leaves() {
        let (pace, start) = (HeartbeatPace::default(), Instant::now());
        assert_eq!(pace.next_after(session(0), LONGEST, start), INTERVAL_MIN);
        for number in 0..200 {
            pace.next_after(session(number), LONGEST, start);
        }
        assert_eq!(pace.next_after(session(0), LONGEST, start), Duration::from_secs(4));
        for number in 0..1_000 {
            pace.next_after(session(number), LONGEST, start);
        }
        assert_eq!(pace.next_after(session(0), LONGEST, start), LONGEST);

        let later = start + 3 * LONGEST;
        assert_eq!(pace.next_after(session(0), LONGEST, later), INTERVAL_MIN);
    }
}
