//! Which failures are tried again, how often and when.
//!
//! Each class of failure has its own limit, counted in one of four budgets, so that
//! faults that are ours (a lost worker, a full disk) never use up the job's own retries.
//! Whatever the classes, a job that gets nowhere is not tried for ever.
//! Pure: jitter is a parameter. What a verdict does to a job is `job::apply`'s business.

use chrono::TimeDelta;

use crate::{
    job::{Budgets, FailureClass},
    limits::ATTEMPTS_MAX,
};

/// How often and how soon failures are tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Retries after a panic or assertion of the trainer.
    pub trainer_error_max: u32,
    /// Retries after device or host memory ran out.
    pub out_of_memory_max: u32,
    /// Retries after a worker was lost; `lost` budget.
    pub worker_lost_max: u32,
    /// Retries after a device broke; `lost` budget.
    pub hardware_max: u32,
    /// Retries after no progress; `lost` budget.
    pub stalled_max: u32,
    /// Retries after a full disk, or a fetch or upload that did not work.
    pub infrastructure_max: u32,
    /// Attempts in a row that may end badly without getting further, whatever their budgets;
    /// lost workers and infrastructure, which are not the job's fault, do not count.
    pub fruitless_max: u32,
    /// Longest delay before the first retry, in seconds.
    pub backoff_first_s: u32,
    /// Longest delay before any retry, in seconds.
    pub backoff_max_s: u32,
    /// Starts of one job, whatever they came to.
    pub starts_max: u32,
}

impl RetryPolicy {
    /// The values of the reliability page.
    pub const DEFAULT: Self = Self {
        trainer_error_max: 1,
        out_of_memory_max: 2,
        worker_lost_max: 5,
        hardware_max: 3,
        stalled_max: 2,
        infrastructure_max: 8,
        fruitless_max: 3,
        backoff_first_s: 10,
        backoff_max_s: 15 * 60,
        starts_max: ATTEMPTS_MAX,
    };
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What follows a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Try again.
    Retry {
        /// The budgets with this retry counted.
        budgets: Budgets,
        /// Which retry of its budget this is, from 1; for [`backoff`].
        retry: u32,
    },
    /// By the job's own fault: it has failed.
    Fail,
    /// Not by the job's fault, but often enough: a person decides.
    Hold,
    /// It gets nowhere, whatever the reasons: a person decides.
    HoldFruitless {
        /// How many attempts in a row, with this one.
        attempts: u32,
    },
}

/// What follows a failure of this class.
#[must_use]
pub fn decide(policy: &RetryPolicy, budgets: Budgets, class: FailureClass) -> Verdict {
    use FailureClass as Class;
    let mut spent = budgets;
    let (used, retries_max, exhausted) = match class {
        Class::Invalid | Class::Diverged => return Verdict::Fail,
        Class::TrainerError => (&mut spent.job, policy.trainer_error_max, Verdict::Fail),
        Class::OutOfMemory => (&mut spent.memory, policy.out_of_memory_max, Verdict::Fail),
        Class::WorkerLost => (&mut spent.lost, policy.worker_lost_max, Verdict::Hold),
        Class::Hardware => (&mut spent.lost, policy.hardware_max, Verdict::Hold),
        Class::Stalled => (&mut spent.lost, policy.stalled_max, Verdict::Hold),
        Class::Infrastructure => (&mut spent.infrastructure, policy.infrastructure_max, Verdict::Hold),
    };
    if *used >= retries_max {
        return exhausted;
    }
    *used += 1;
    let retry = *used;
    if class.is_ours() {
        return Verdict::Retry { retry, budgets: spent };
    }
    spent.fruitless += 1;
    match spent.fruitless {
        attempts if attempts >= policy.fruitless_max => Verdict::HoldFruitless { attempts },
        _ => Verdict::Retry { retry, budgets: spent },
    }
}

/// The budgets without one attempt that ended so, as if it had never been.
#[must_use]
pub fn give_back(budgets: Budgets, class: FailureClass) -> Budgets {
    use FailureClass as Class;
    let mut left = budgets;
    match class {
        Class::Invalid | Class::Diverged => return budgets,
        Class::TrainerError => left.job = left.job.saturating_sub(1),
        Class::OutOfMemory => left.memory = left.memory.saturating_sub(1),
        Class::WorkerLost | Class::Hardware | Class::Stalled => left.lost = left.lost.saturating_sub(1),
        Class::Infrastructure => left.infrastructure = left.infrastructure.saturating_sub(1),
    }
    if !class.is_ours() {
        left.fruitless = left.fruitless.saturating_sub(1);
    }
    left
}

/// Delay before retry number `retry` (from 1): full jitter, `jitter_unit` (in `0..1`) of a
/// longest delay that starts at `backoff_first_s` and doubles up to `backoff_max_s`.
#[must_use]
pub fn backoff(policy: &RetryPolicy, retry: u32, jitter_unit: f64) -> TimeDelta {
    let doublings = retry.saturating_sub(1).min(31);
    let longest_s = (u64::from(policy.backoff_first_s) << doublings).min(policy.backoff_max_s.into());
    let delay_ms = (longest_s * 1_000) as f64 * jitter_unit.clamp(0.0, 1.0);
    TimeDelta::milliseconds(delay_ms as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy = RetryPolicy::DEFAULT;
    /// The budgets alone.
    const PATIENT: RetryPolicy = RetryPolicy { fruitless_max: u32::MAX, ..POLICY };

    // The last verdict after so many retries of one class, and how many there were.
    fn retries_until_the_end(class: FailureClass) -> (u32, Verdict) {
        let mut budgets = Budgets::default();
        for retries in 0.. {
            match decide(&PATIENT, budgets, class) {
                Verdict::Retry { budgets: spent, retry } => {
                    assert_eq!(retry, retries + 1);
                    budgets = spent;
                }
                end => return (retries, end),
            }
        }
        unreachable!("every class has a limit")
    }

    #[test]
    fn each_class_has_the_limit_of_the_retry_table() {
        let table = [
            (FailureClass::Invalid, 0, Verdict::Fail),
            (FailureClass::TrainerError, 1, Verdict::Fail),
            (FailureClass::Diverged, 0, Verdict::Fail),
            (FailureClass::OutOfMemory, 2, Verdict::Fail),
            (FailureClass::WorkerLost, 5, Verdict::Hold),
            (FailureClass::Hardware, 3, Verdict::Hold),
            (FailureClass::Stalled, 2, Verdict::Hold),
            (FailureClass::Infrastructure, 8, Verdict::Hold),
        ];
        assert_eq!(table.map(|(class, ..)| class), FailureClass::ALL);
        for (class, retries, end) in table {
            assert_eq!(retries_until_the_end(class), (retries, end), "{class}");
        }
    }

    #[test]
    fn lost_workers_use_nothing_of_the_jobs_own_budget() {
        let verdict = decide(&POLICY, Budgets::default(), FailureClass::WorkerLost);
        let budgets = Budgets { lost: 1, ..Budgets::default() };
        assert_eq!(verdict, Verdict::Retry { budgets, retry: 1 });
    }

    #[test]
    fn what_is_given_back_is_just_what_was_used() {
        let before = Budgets { job: 0, memory: 1, lost: 1, infrastructure: 2, ..Budgets::default() };
        for class in FailureClass::ALL {
            let Verdict::Retry { budgets, .. } = decide(&PATIENT, before, class) else { continue };
            assert_ne!(budgets, before, "{class}");
            assert_eq!(give_back(budgets, class), before, "{class}");
        }
    }

    #[test]
    fn the_third_attempt_in_a_row_that_gets_nowhere_is_the_last_whatever_the_budgets() {
        let mut budgets = Budgets::default();
        for class in [FailureClass::OutOfMemory, FailureClass::WorkerLost, FailureClass::Hardware] {
            let Verdict::Retry { budgets: spent, .. } = decide(&POLICY, budgets, class) else {
                panic!("{class} is tried again")
            };
            budgets = spent;
        }
        let third = |class| decide(&POLICY, budgets, class);
        assert_eq!(third(FailureClass::Hardware), Verdict::HoldFruitless { attempts: 3 });
        assert_eq!(third(FailureClass::Diverged), Verdict::Fail, "its own fault stays its own");
        assert!(matches!(third(FailureClass::Infrastructure), Verdict::Retry { .. }), "ours does not count");
    }

    #[test]
    fn delays_double_from_10_s_to_15_min() {
        let longest = |retry| backoff(&POLICY, retry, 1.0).num_seconds();
        assert_eq!([1, 2, 3, 7, 8, 50, u32::MAX].map(longest), [10, 20, 40, 640, 900, 900, 900]);
        assert_eq!(backoff(&POLICY, 1, 0.25), TimeDelta::milliseconds(2_500));
        assert_eq!(backoff(&POLICY, 9, 0.0), TimeDelta::zero());
    }
}
