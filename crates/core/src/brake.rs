//! When the sweeper must hold still: the mass-expiry brake.
//!
//! A session is expired because it was silent, and its jobs are lost because it stayed so. If we
//! were away (started just now, paused, cut off from the database) or the database's clock jumped,
//! then silence says nothing, and everyone gets as long as ever to be heard again: one TTL before
//! anybody is suspect, and the whole of what a worker may be away before any of its work is lost.
//! Pure: the time on the caller's own clock, which only ever runs forward, is a parameter, as the
//! time since some moment that stays the same.

use std::time::Duration;

use chrono::{DateTime, Utc};

/// Sessions that would expire together and are more than a slip of one machine.
const MASS_SESSIONS_MIN: u32 = 3;

/// What one look at the store showed.
#[derive(Clone, Copy, Debug)]
pub struct Sight {
    /// The database's clock.
    pub database_now: DateTime<Utc>,
    /// Sessions heard of within the TTL.
    pub live: u32,
    /// Sessions that would be expired now.
    pub silent: u32,
}

/// For how long a worker may be silent.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Before its session expires.
    pub ttl: Duration,
    /// Before its jobs are lost.
    pub lost_after: Duration,
}

/// What silence may lead to now; each allows what stands before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Allowed {
    /// Nothing.
    Nothing,
    /// Sessions may expire, whose jobs become suspect, and leases that nobody confirmed return.
    Suspicion,
    /// Jobs may be lost.
    Loss,
}

/// Decides whether silence may count.
#[derive(Debug)]
pub struct Brake {
    patience: Patience,
    /// Since when we have seen what is going on.
    undisturbed_since: Duration,
    /// A mass expiry waits until this.
    mass_waits_until: Duration,
    /// When we last tried to look.
    last_tried: Duration,
    /// The database's clock then; none if it did not answer.
    last_database: Option<DateTime<Utc>>,
    /// This mass expiry has had its delay.
    mass_delayed: bool,
}

impl Brake {
    /// A brake that holds from `now`, when the program starts.
    #[must_use]
    pub fn new(patience: Patience, now: Duration) -> Self {
        Self {
            patience,
            undisturbed_since: now,
            mass_waits_until: now,
            last_tried: now,
            last_database: None,
            mass_delayed: false,
        }
    }

    /// We could not see what is going on.
    pub fn disturbed(&mut self, now: Duration) {
        self.undisturbed_since = now;
        self.last_tried = now;
        self.last_database = None;
    }

    /// What the silence that we see may lead to.
    pub fn allows(&mut self, sight: Sight, now: Duration) -> Allowed {
        if self.missed_something(sight, now) {
            self.undisturbed_since = now;
        }
        self.last_tried = now;
        self.last_database = Some(sight.database_now);
        let undisturbed = now - self.undisturbed_since;
        if undisturbed < self.patience.ttl || now < self.mass_waits_until {
            return Allowed::Nothing;
        }
        let is_mass = sight.silent >= MASS_SESSIONS_MIN && sight.silent > sight.live;
        if is_mass && !self.mass_delayed {
            self.mass_delayed = true;
            self.mass_waits_until = now + self.patience.ttl;
            return Allowed::Nothing;
        }
        self.mass_delayed = is_mass;
        if undisturbed < self.patience.lost_after { Allowed::Suspicion } else { Allowed::Loss }
    }

    /// Were we away, or did the two clocks run apart, for a good part of a TTL?
    fn missed_something(&self, sight: Sight, now: Duration) -> bool {
        let ours = now.saturating_sub(self.last_tried);
        let tolerance = self.patience.ttl / 2;
        let jumped = |last: DateTime<Utc>| {
            let theirs = (sight.database_now - last).to_std();
            theirs.map_or(true, |theirs| theirs.abs_diff(ours) > tolerance)
        };
        ours > tolerance || self.last_database.is_some_and(jumped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience =
        Patience { ttl: Duration::from_secs(40), lost_after: Duration::from_secs(150) };

    struct Scene {
        brake: Brake,
    }

    impl Scene {
        fn new() -> Self {
            Self { brake: Brake::new(PATIENCE, Duration::ZERO) }
        }

        /// Looks at `at_s`, when the database's clock is `skew_s` ahead.
        fn looks_with_skew(&mut self, at_s: u64, skew_s: i64, live: u32, silent: u32) -> Allowed {
            let seconds = 1_700_000_000 + at_s as i64 + skew_s;
            let database_now = DateTime::from_timestamp(seconds, 0).unwrap();
            self.brake.allows(Sight { database_now, live, silent }, Duration::from_secs(at_s))
        }

        /// Whether anything may expire.
        fn allows_with_skew(&mut self, at_s: u64, skew_s: i64, live: u32, silent: u32) -> bool {
            self.looks_with_skew(at_s, skew_s, live, silent) >= Allowed::Suspicion
        }

        fn allows(&mut self, at_s: u64, live: u32, silent: u32) -> bool {
            self.allows_with_skew(at_s, 0, live, silent)
        }

        /// Whether anything may be lost.
        fn loses(&mut self, at_s: u64) -> bool {
            self.looks_with_skew(at_s, 0, 1, 1) == Allowed::Loss
        }

        /// Looks every 10 s, so that no gap arises; the last look is at `to_s`.
        fn quiet(&mut self, from_s: u64, to_s: u64) {
            for at_s in (from_s..=to_s).step_by(10) {
                self.allows(at_s, 5, 0);
            }
        }
    }

    #[test]
    fn nothing_expires_until_it_ran_undisturbed_for_one_ttl() {
        let mut scene = Scene::new();
        assert!(!scene.allows(0, 1, 1));
        assert!(!scene.allows(20, 1, 1));
        assert!(!scene.allows(39, 1, 1));
        assert!(scene.allows(40, 1, 1));
    }

    #[test]
    fn after_a_gap_nothing_expires_for_one_ttl() {
        let mut scene = Scene::new();
        scene.quiet(0, 50);

        assert!(!scene.allows(100, 1, 1));

        assert!(!scene.allows(120, 1, 1));
        assert!(scene.allows(140, 1, 1));
    }

    #[test]
    fn after_trouble_with_the_store_nothing_expires_for_one_ttl() {
        let mut scene = Scene::new();
        scene.quiet(0, 50);

        scene.brake.disturbed(Duration::from_secs(50));

        assert!(!scene.allows(51, 1, 1));
        assert!(!scene.allows(70, 1, 1));
        assert!(scene.allows(90, 1, 1));
    }

    #[test]
    fn nothing_is_lost_until_it_ran_undisturbed_for_as_long_as_a_worker_may_be_away() {
        let mut scene = Scene::new();
        scene.quiet(0, 140);
        assert!(!scene.loses(149));
        assert!(scene.loses(150));

        scene.brake.disturbed(Duration::from_secs(160));

        scene.quiet(170, 300);
        assert!(!scene.loses(309), "a worker is suspect, but nothing is taken from it");
        assert!(scene.loses(310));
    }

    #[test]
    fn a_pause_that_begins_in_trouble_is_a_gap_too() {
        let mut scene = Scene::new();
        scene.quiet(0, 50);

        scene.brake.disturbed(Duration::from_secs(50));

        assert!(!scene.allows(200, 0, 1), "it saw nothing of what happened since");
        assert!(!scene.allows(220, 0, 1));
        assert!(scene.allows(240, 0, 1));
    }

    #[test]
    fn a_clock_that_jumps_either_way_expires_nobody() {
        for skew_s in [7_200, -7_200] {
            let mut scene = Scene::new();
            scene.quiet(0, 50);

            assert!(!scene.allows_with_skew(60, skew_s, 0, 1), "{skew_s}");
            assert!(!scene.allows_with_skew(80, skew_s, 0, 1), "{skew_s}");
            assert!(scene.allows_with_skew(100, skew_s, 0, 1), "{skew_s}");
        }
    }

    #[test]
    fn a_mass_expiry_is_delayed_by_one_ttl_once() {
        let mut scene = Scene::new();
        scene.quiet(0, 50);

        assert!(!scene.allows(60, 2, 3));
        assert!(!scene.allows(80, 2, 3));
        assert!(scene.allows(100, 2, 3));
    }

    #[test]
    fn few_silent_sessions_expire_at_once() {
        let mut scene = Scene::new();
        scene.quiet(0, 50);

        assert!(scene.allows(60, 0, 2));
        assert!(scene.allows(70, 3, 3));
    }
}
