//! How many to wait for before a transaction that serves several.
//!
//! Those who were served together are heard again together, a moment later. Whoever began with
//! the first of them would serve it alone and let all others wait for that. So under load the
//! next transaction waits, for a moment at most, until all are there whom the last one served or
//! who came meanwhile.

use std::time::Duration;

use tokio::time::Instant;

/// The longest wait.
const MOMENT: Duration = Duration::from_millis(2);
/// Those who were served longer ago are not expected back.
const RECENT: Duration = Duration::from_millis(20);

/// Who is expected back, and since when.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Gathering {
    expected: Option<(usize, Instant)>,
}

impl Gathering {
    /// How many are worth waiting for, and until when.
    pub(crate) fn expected(&self, now: Instant) -> (usize, Instant) {
        let count = self.expected.filter(|(_, at)| now - *at < RECENT).map_or(1, |(count, _)| count);
        (count, now + MOMENT)
    }

    /// So many were just served together or came meanwhile.
    pub(crate) fn expect(&mut self, count: usize, now: Instant) {
        self.expected = Some((count, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_are_waited_for_who_were_served_a_moment_ago() {
        let (mut gathering, now) = (Gathering::default(), Instant::now());
        assert_eq!(gathering.expected(now), (1, now + MOMENT));

        gathering.expect(16, now);

        let soon = now + Duration::from_millis(1);
        assert_eq!(gathering.expected(soon), (16, soon + MOMENT));
        assert_eq!(gathering.expected(now + RECENT).0, 1, "they are busy elsewhere by now");
    }
}
