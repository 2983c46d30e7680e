//! When the database is older than the fleet: a backup was restored, a standby promoted that
//! had missed the last second, a machine's snapshot gone back to.
//!
//! Numbers go backwards then, random claim ids do not: a worker that shows a claim which the
//! database does not know, for a job that exists, is how it is noticed. From then on nothing is
//! handed out and nothing expires (the *freeze*), until every living session has said what it
//! holds. Work under a job that is free goes on; the rest is reported. Pure: `now` and what
//! was seen are parameters.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::job::{Job, JobState};

/// What becomes of a claim that the database does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The job is free: it goes on under this claim.
    Adopted,
    /// It does not; the worker is told to end it.
    Refused {
        /// Why, for people.
        reason: String,
    },
}

/// What becomes of work on `job` under a claim that the database does not know.
///
/// Only a job that anybody could claim is free. One that somebody has, that waits for its
/// source, or that has ended is as the database says: what the database knows was acknowledged
/// too, and of two stories it tells the one that everybody else can be told.
#[must_use]
pub fn judge(job: &Job) -> Fate {
    let reason = match &job.state {
        JobState::Ready { .. } => return Fate::Adopted,
        JobState::Leased { lease, .. }
        | JobState::Running { lease, .. }
        | JobState::Suspect { lease, .. } => {
            format!("the database says that {} has it under another claim", lease.worker)
        }
        JobState::Waiting => "the database says that its source is not trained yet".to_owned(),
        state => format!("the database says that it is {}", state.kind()),
    };
    Fate::Refused { reason }
}

/// A freeze as the database shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freeze {
    /// When it began.
    pub since: DateTime<Utc>,
    /// Open sessions that were not heard of since.
    pub unheard: u32,
}

/// How long a freeze lasts.
#[derive(Clone, Copy, Debug)]
pub struct FreezeBounds {
    /// At least: sessions that the database does not know must open anew first.
    pub least: Duration,
    /// At most: sessions that the database still has may be long dead.
    pub most: Duration,
}

/// Whether a freeze is over. One that began later than now ends too once that is more than a
/// slip: the clock was put back.
#[must_use]
pub fn is_over(freeze: Freeze, bounds: FreezeBounds, now: DateTime<Utc>) -> bool {
    let delta = |duration| TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX);
    let lasted = now - freeze.since;
    let heard_all = freeze.unheard == 0 && lasted >= delta(bounds.least);
    heard_all || lasted >= delta(bounds.most) || -lasted > delta(bounds.least)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{
        ids::{AttemptNumber, ClaimId, SessionId},
        job::{Budgets, HoldReason, Lease},
    };

    const BOUNDS: FreezeBounds =
        FreezeBounds { least: Duration::from_secs(45), most: Duration::from_secs(180) };

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
    }

    fn fate(state: JobState) -> Fate {
        judge(&Job { state, attempt: AttemptNumber(3), budgets: Budgets::default() })
    }

    fn is_over_after(second: i64, unheard: u32) -> bool {
        is_over(Freeze { since: at(0), unheard }, BOUNDS, at(second))
    }

    #[test]
    fn only_work_on_a_free_job_is_adopted() {
        let worker = "node/cpu0".to_owned();
        let lease = Lease { claim_id: ClaimId([1; 16]), session_id: SessionId(Uuid::nil()), worker };

        assert_eq!(fate(JobState::Ready { not_before: at(600) }), Fate::Adopted);
        let running = JobState::Running { lease, started_at: at(0) };
        let reason = "the database says that node/cpu0 has it under another claim".to_owned();
        assert_eq!(fate(running), Fate::Refused { reason });
        let held = JobState::Held { reason: HoldReason::Operator { reason: "wait".into() } };
        for state in [JobState::Waiting, JobState::Succeeded, JobState::Cancelled, held] {
            assert!(matches!(fate(state.clone()), Fate::Refused { .. }), "{state:?}");
        }
    }

    #[test]
    fn it_thaws_when_all_were_heard_but_not_before_strangers_could_open_a_session() {
        assert!(!is_over_after(44, 0));
        assert!(is_over_after(45, 0));
        assert!(!is_over_after(45, 1));
    }

    #[test]
    fn sessions_that_are_never_heard_of_again_do_not_freeze_it_for_ever() {
        assert!(!is_over_after(179, 5));
        assert!(is_over_after(180, 5));
    }

    #[test]
    fn a_clock_that_is_put_back_does_not_freeze_it_for_ever() {
        assert!(!is_over_after(-1, 0));
        assert!(is_over_after(-46, 3));
    }
}
