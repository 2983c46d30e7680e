//! Whether a running job still gets further, or hangs under a daemon that is well.
//!
//! A heartbeat says that the daemon lives; only progress says that the trainer does. What is
//! progress depends on the phase: an iteration, a test batch, a chunk. All bounds grow from
//! one grace. Time is always a parameter, and a watcher that was paused itself accuses nobody.

use std::{collections::VecDeque, fmt, time::Duration};

use crate::{
    job::Phase,
    limits::{STALL_GRACE_S, STALL_ITERATIONS},
};

/// Graces for what has no pace yet: the first iterations of a training.
const GRACES_WITHOUT_PACE: u32 = 6;
/// Graces for fetching and starting: a pack is verified and its mean image made in one piece,
/// and 24 times 5 minutes are enough for 235 GB at 33 MB/s.
const GRACES_TO_FETCH: u32 = 24;
/// Graces for one chunk of an upload.
const GRACES_TO_SEND: u32 = 2;
/// Iteration times of which the median is taken.
const TIMES_MAX: usize = 31;

/// How long a job may go without progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StallRule {
    /// Added to ten iterations while training; the other bounds are multiples of it.
    pub grace: Duration,
}

impl StallRule {
    /// That of the reliability page.
    pub const DEFAULT: Self = Self { grace: Duration::from_secs(STALL_GRACE_S) };

    /// The longest that a job in this phase may go without progress; `iteration` is how long
    /// its median iteration takes, once there is one.
    #[must_use]
    pub fn longest(self, phase: Phase, iteration: Option<Duration>) -> Duration {
        match (phase, iteration) {
            (Phase::Training | Phase::Testing, Some(iteration)) => {
                self.grace.saturating_add(iteration.saturating_mul(STALL_ITERATIONS))
            }
            (Phase::Training | Phase::Testing, None) => self.grace.saturating_mul(GRACES_WITHOUT_PACE),
            (Phase::Fetching, _) => self.grace.saturating_mul(GRACES_TO_FETCH),
            (Phase::Uploading, _) => self.grace.saturating_mul(GRACES_TO_SEND),
        }
    }
}

/// How long the latest iterations of a training took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pace(VecDeque<Duration>);

impl Pace {
    /// So many iterations were done in this time.
    pub fn note(&mut self, iterations: u32, took: Duration) {
        if iterations == 0 {
            return;
        }
        if self.0.len() == TIMES_MAX {
            self.0.pop_front();
        }
        self.0.push_back(took / iterations);
    }

    /// The median; none before the first.
    #[must_use]
    pub fn median(&self) -> Option<Duration> {
        let mut times: Vec<Duration> = self.0.iter().copied().collect();
        times.sort_unstable();
        times.get(times.len() / 2).copied()
    }
}

/// Where a job is; another one than at the last look is progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// What it is doing.
    pub phase: Phase,
    /// Everything it has done so far, in steps of whatever kind.
    pub steps: u64,
}

/// Looks at one job now and then.
#[derive(Clone, Debug)]
pub struct Watch {
    rule: StallRule,
    seen: Option<Place>,
    idle: Duration,
}

/// A job that hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stall {
    /// What it was doing.
    pub phase: Phase,
    /// How long it has done nothing.
    pub idle: Duration,
    /// How long it may.
    pub longest: Duration,
}

impl Watch {
    /// Nothing was seen yet.
    #[must_use]
    pub fn new(rule: StallRule) -> Self {
        Self { rule, seen: None, idle: Duration::ZERO }
    }

    /// The job is there, `awake` after the last look. A watcher that was paused meanwhile must
    /// say how long it was awake, not how long it was away.
    pub fn look(&mut self, at: Place, iteration: Option<Duration>, awake: Duration) -> Option<Stall> {
        self.idle = match self.seen.replace(at) {
            Some(before) if before == at => self.idle.saturating_add(awake),
            _ => Duration::ZERO,
        };
        let longest = self.rule.longest(at.phase, iteration);
        (self.idle > longest).then_some(Stall { phase: at.phase, idle: self.idle, longest })
    }
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { phase, idle, longest } = self;
        let doing = match phase {
            Phase::Fetching => "fetching its data or starting",
            Phase::Training => "training",
            Phase::Testing => "testing",
            Phase::Uploading => "sending its checkpoint",
        };
        write!(f, "no progress in {:.1} s of {doing}", idle.as_secs_f64())?;
        write!(f, ", {:.1} s are allowed", longest.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: StallRule = StallRule::DEFAULT;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_training_may_take_ten_median_iterations_and_five_minutes() {
        let longest = |phase, iteration| RULE.longest(phase, iteration);
        assert_eq!(longest(Phase::Training, Some(seconds(3))), seconds(330));
        assert_eq!(longest(Phase::Testing, Some(seconds(3))), seconds(330));
        assert_eq!(longest(Phase::Training, None), seconds(1_800), "nobody knows its pace yet");
        assert_eq!(longest(Phase::Fetching, None), seconds(7_200));
        assert_eq!(longest(Phase::Uploading, Some(seconds(3))), seconds(600));
    }

    #[test]
    fn one_slow_iteration_changes_no_pace() {
        let mut pace = Pace::default();
        assert_eq!(pace.median(), None);
        (0..9).for_each(|_| pace.note(20, seconds(10)));
        pace.note(1, seconds(600));
        pace.note(0, seconds(600));
        assert_eq!(pace.median(), Some(Duration::from_millis(500)));
        (0..TIMES_MAX).for_each(|_| pace.note(1, seconds(2)));
        assert_eq!(pace.median(), Some(seconds(2)), "only the latest count");
    }

    #[test]
    fn only_what_does_nothing_for_longer_than_it_may_is_stalled() {
        let mut watch = Watch::new(RULE);
        let at = |steps| Place { phase: Phase::Training, steps };
        let mut look = |steps, awake| watch.look(at(steps), Some(seconds(1)), seconds(awake));
        assert_eq!(look(7, 1_000), None, "what was before the first look does not count");
        assert_eq!(look(7, 310), None);
        assert_eq!(look(8, 1_000), None, "it got further");
        assert_eq!(look(8, 300), None);
        let stall = look(8, 11).unwrap();
        assert_eq!(stall.to_string(), "no progress in 311.0 s of training, 310.0 s are allowed");
    }

    #[test]
    fn another_phase_is_progress() {
        let mut watch = Watch::new(RULE);
        for phase in [Phase::Training, Phase::Testing, Phase::Training, Phase::Uploading] {
            assert_eq!(watch.look(Place { phase, steps: 3 }, None, seconds(100_000)), None);
        }
        assert!(watch.look(Place { phase: Phase::Uploading, steps: 3 }, None, seconds(601)).is_some());
    }
}
