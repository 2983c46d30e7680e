//! Quarantine: when a worker, not the jobs that end badly on it, is to blame.
//!
//! A broken device fails whatever it is given, fast, and so draws one job after the other to
//! itself. It is set aside once several different jobs ended badly on it in a row in a short
//! time, or once the driver said of two that the device broke; what those attempts used of the
//! jobs' budgets is given back ([`crate::job::Event::Refunded`]). An attempt whose job ended
//! badly on another worker too says nothing about this one: then it is the job's fault, or
//! everybody's. Pure; who records endings and sets workers aside is storage's business.

use std::{collections::BTreeSet, fmt};

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    ids::JobId,
    job::FailureClass,
    limits::{BLACK_HOLE_JOBS, BLACK_HOLE_WITHIN_S, BROKEN_DEVICE_JOBS, BROKEN_DEVICE_WITHIN_S},
};

/// An attempt that ended badly on the worker without getting further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadEnding {
    /// Whose attempt it was.
    pub job_id: JobId,
    /// How it ended.
    pub class: FailureClass,
    /// When.
    pub ended_at: DateTime<Utc>,
    /// Whether the worker has succeeded with nothing since.
    pub in_a_row: bool,
    /// Whether the same job ended badly on another worker too.
    pub elsewhere_too: bool,
}

/// Why a worker is set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grounds {
    /// Different jobs in a row ended badly on it within a short time.
    BlackHole {
        /// How many.
        jobs: usize,
        /// In how many seconds.
        within_s: i64,
    },
    /// Its driver said of different jobs that the device broke.
    BrokenDevice {
        /// How many.
        jobs: usize,
    },
}

/// What such a class of failure may say about a worker. None: about the job alone (`invalid`,
/// `diverged`), about the coordinator's store as well as the worker's disk (`infrastructure`;
/// were it broken, every worker would be set aside), or nothing at all (`worker_lost`).
#[must_use]
pub fn may_be_the_workers(class: FailureClass) -> bool {
    use FailureClass as Class;
    matches!(class, Class::TrainerError | Class::OutOfMemory | Class::Hardware | Class::Stalled)
}

/// Whether the worker on which these attempts ended, in any order, is to be set aside.
#[must_use]
pub fn judge(endings: &[BadEnding], now: DateTime<Utc>) -> Option<Grounds> {
    let against = |ending: &&BadEnding| may_be_the_workers(ending.class) && !ending.elsewhere_too;
    let within = |seconds: u64| now - TimeDelta::seconds(seconds as i64);
    let broken = endings.iter().filter(against);
    let broken = broken.filter(|ending| {
        ending.class == FailureClass::Hardware && ending.ended_at >= within(BROKEN_DEVICE_WITHIN_S)
    });
    let jobs = different(broken);
    if jobs >= BROKEN_DEVICE_JOBS {
        return Some(Grounds::BrokenDevice { jobs });
    }
    let row = || {
        let row = endings.iter().filter(against);
        row.filter(|ending| ending.in_a_row && ending.ended_at >= within(BLACK_HOLE_WITHIN_S))
    };
    let jobs = different(row());
    if jobs < BLACK_HOLE_JOBS {
        return None;
    }
    let first = row().map(|ending| ending.ended_at).min().unwrap_or(now);
    Some(Grounds::BlackHole { jobs, within_s: (now - first).num_seconds().max(1) })
}

fn different<'a>(endings: impl Iterator<Item = &'a BadEnding>) -> usize {
    endings.map(|ending| ending.job_id).collect::<BTreeSet<_>>().len()
}

impl fmt::Display for Grounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BlackHole { jobs, within_s } => {
                write!(
                    f,
                    "{jobs} different jobs in a row ended badly on it within {within_s} s, without progress"
                )
            }
            Self::BrokenDevice { jobs } => {
                write!(f, "its device broke under {jobs} different jobs")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(100) + TimeDelta::seconds(second)
    }

    fn ending(job: u8, class: FailureClass, second: i64) -> BadEnding {
        let job_id = JobId(Uuid::from_bytes([job; 16]));
        BadEnding { job_id, class, ended_at: at(second), in_a_row: true, elsewhere_too: false }
    }

    fn five() -> Vec<BadEnding> {
        (1..=5).map(|job| ending(job, FailureClass::TrainerError, i64::from(job) * 10)).collect()
    }

    #[test]
    fn five_different_jobs_in_a_row_in_a_short_time_set_a_worker_aside() {
        let grounds = judge(&five(), at(55));
        assert_eq!(grounds, Some(Grounds::BlackHole { jobs: 5, within_s: 45 }));
        assert_eq!(
            grounds.unwrap().to_string(),
            "5 different jobs in a row ended badly on it within 45 s, without progress"
        );
        assert_eq!(judge(&five()[1..], at(55)), None, "four are not enough");
        assert_eq!(judge(&five(), at(55 + BLACK_HOLE_WITHIN_S as i64)), None, "a long time ago");
    }

    #[test]
    fn the_same_job_again_and_again_says_nothing_about_its_worker() {
        let again: Vec<_> = (0..9).map(|second| ending(1, FailureClass::Stalled, second)).collect();
        assert_eq!(judge(&again, at(9)), None);
    }

    #[test]
    fn a_success_in_between_ends_the_row() {
        let mut endings = five();
        endings[0].in_a_row = false;
        assert_eq!(judge(&endings, at(55)), None);
    }

    #[test]
    fn jobs_that_end_badly_everywhere_do_not_set_one_worker_after_the_other_aside() {
        let mut endings = five();
        endings[3].elsewhere_too = true;
        assert_eq!(judge(&endings, at(55)), None);
    }

    #[test]
    fn what_only_the_job_or_the_store_can_be_blamed_for_does_not_count() {
        for class in FailureClass::ALL.into_iter().filter(|class| !may_be_the_workers(*class)) {
            let endings: Vec<_> = (1..=9).map(|job| ending(job, class, 0)).collect();
            assert_eq!(judge(&endings, at(1)), None, "{class}");
        }
    }

    #[test]
    fn a_device_that_broke_under_two_jobs_is_set_aside_whatever_it_did_in_between() {
        let mut endings = vec![ending(1, FailureClass::Hardware, 0), ending(1, FailureClass::Hardware, 9)];
        assert_eq!(judge(&endings, at(10)), None, "one job");
        endings.push(ending(2, FailureClass::Hardware, 3_600));
        endings[0].in_a_row = false;
        assert_eq!(judge(&endings, at(3_601)), Some(Grounds::BrokenDevice { jobs: 2 }));
    }
}
