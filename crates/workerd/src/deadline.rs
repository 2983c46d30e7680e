//! `--until`: a time by which the daemon must be gone, as at the end of a Slurm allocation.
//!
//! It stops as at a signal, early enough for a last checkpoint, and claims nothing before that
//! when a job could not even reach its first one.

use std::{
    str::FromStr,
    time::{Duration, Instant, SystemTime},
};

/// What stopping in good order may take.
const NOTICE_MAX: Duration = Duration::from_secs(30);
/// The least that is worth a claim, where trainings take no checkpoints on their way.
const WORTH_A_CLAIM: Duration = Duration::from_secs(60);

/// Nobody waits for longer; clocks have an end.
const LEFT_MAX: Duration = Duration::from_secs(100 * 366 * 24 * 3_600);

/// What the user said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// So long after the start.
    After(Duration),
    /// A moment of the wall clock.
    At(SystemTime),
}

impl FromStr for Until {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(seconds) = text.strip_prefix('@').and_then(|seconds| seconds.parse().ok()) {
            let at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
            return at.map(Self::At).ok_or_else(|| format!("{text} is beyond all clocks"));
        }
        if let Ok(after) = humantime::parse_duration(text) {
            return Ok(Self::After(after));
        }
        humantime::parse_rfc3339_weak(text).map(Self::At).map_err(|_| {
            "neither a duration as 90min, nor a UTC time as 2026-03-01T17:30:00Z, nor @SECONDS since 1970"
                .to_owned()
        })
    }
}

impl Until {
    /// How long that is from now; none if it is over.
    #[must_use]
    pub fn left(self, now: SystemTime) -> Option<Duration> {
        match self {
            Self::After(after) => Some(after),
            Self::At(at) => at.duration_since(now).ok(),
        }
    }
}

/// When a daemon that must be gone in time stops what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// Nothing is claimed any more.
    pub claims_end: Instant,
    /// It stops as at a signal.
    pub stop_at: Instant,
}

impl Deadline {
    /// For a daemon that must be gone this long after `now`: it stops 30 s before, and claims
    /// nothing when less than the time to a first checkpoint remains; of a short time each
    /// takes a quarter at most.
    #[must_use]
    pub fn new(left: Duration, checkpoint_every: Option<Duration>, now: Instant) -> Self {
        let left = left.min(LEFT_MAX);
        let quarter = left / 4;
        let notice = NOTICE_MAX.min(quarter);
        let worth = checkpoint_every.unwrap_or(WORTH_A_CLAIM).min(quarter);
        let stop_at = now + (left - notice);
        Self { claims_end: stop_at.checked_sub(worth).unwrap_or(now), stop_at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_times_and_seconds_are_read_and_anything_else_is_told_in_one_sentence() {
        let until = |text: &str| text.parse::<Until>();
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(until("90min"), Ok(Until::After(Duration::from_secs(5_400))));
        assert_eq!(until("@1767225600"), Ok(Until::At(at(1_767_225_600))));
        for text in ["2026-01-01T00:00:00Z", "2026-01-01 00:00:00"] {
            assert_eq!(until(text), Ok(Until::At(at(1_767_225_600))), "{text}");
        }
        for text in ["", "noon", "90", "@", "@99999999999999999999999", "2026-13-01T00:00:00Z"] {
            assert!(until(text).is_err(), "{text}");
        }
    }

    #[test]
    fn there_is_time_for_a_last_checkpoint_and_none_for_a_job_without_any() {
        let now = crate::ambient::now();
        let seconds = Duration::from_secs;
        let planned = |left, every| {
            let Deadline { claims_end, stop_at } = Deadline::new(seconds(left), every, now);
            (claims_end.duration_since(now).as_secs(), stop_at.duration_since(now).as_secs())
        };
        assert_eq!(planned(3_600, Some(seconds(60))), (3_510, 3_570));
        assert_eq!(planned(3_600, None), (3_510, 3_570));
        assert_eq!(planned(3_600, Some(seconds(600))), (2_970, 3_570));
        assert_eq!(planned(40, Some(seconds(60))), (20, 30));
        assert_eq!(planned(0, None), (0, 0));
    }

    #[test]
    fn a_time_that_is_over_leaves_nothing() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
        let at = |seconds| Until::At(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(160).left(now), Some(Duration::from_secs(60)));
        assert_eq!(at(99).left(now), None);
    }
}
