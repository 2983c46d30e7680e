//! Who leads: which of several coordinators sweeps, and which one collects.
//!
//! A leader has a row with its id, the number of its term and a time until which it leads;
//! it renews that time while it lives. A term ends by itself when it is not renewed, and the
//! next one has the next number, also when the same coordinator gets it again: what it began
//! under an earlier term stays fenced. Pure: `now` is the database's clock.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::ids::CoordinatorId;

/// What only one coordinator at a time should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Duty {
    /// Expiring sessions, taking jobs from lost workers.
    Sweep,
    /// Removing chunks that nothing refers to.
    Collect,
}

impl Duty {
    /// Its name, as stored and logged.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sweep => "sweep",
            Self::Collect => "collect",
        }
    }
}

/// A leader as its row says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leader {
    /// Who.
    pub coordinator_id: CoordinatorId,
    /// From 1; never comes twice.
    pub term: u64,
    /// It leads before this.
    pub until: DateTime<Utc>,
}

/// What a coordinator is with regard to one duty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It leads, or may.
    Lead {
        /// Under this term.
        term: u64,
        /// Whether the row is to be written: the term begins, or half of it is over.
        write: bool,
    },
    /// Another one leads.
    Follow {
        /// Before this, unless it renews.
        until: DateTime<Utc>,
    },
}

/// What `me` is, when the duty's row says `leader` and a term lasts for `ttl` without renewal.
///
/// A row that promises more than `ttl` from now was written before the clock was put back. It
/// would keep everybody from leading for as long as that, so it does not count; all
/// coordinators of a database must have the same `ttl`.
#[must_use]
pub fn stand(leader: Option<Leader>, me: CoordinatorId, ttl: Duration, now: DateTime<Utc>) -> Standing {
    let Some(leader) = leader else { return Standing::Lead { term: 1, write: true } };
    let ttl = TimeDelta::from_std(ttl).unwrap_or(TimeDelta::MAX);
    let lasts = now < leader.until && leader.until - now <= ttl;
    match (lasts, leader.coordinator_id == me) {
        (true, true) => Standing::Lead { term: leader.term, write: leader.until - now <= ttl / 2 },
        (true, false) => Standing::Follow { until: leader.until },
        (false, _) => Standing::Lead { term: leader.term + 1, write: true },
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const TTL: Duration = Duration::from_secs(10);
    const ME: CoordinatorId = CoordinatorId(Uuid::from_u128(1));
    const OTHER: CoordinatorId = CoordinatorId(Uuid::from_u128(2));

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
    }

    fn led_by(coordinator_id: CoordinatorId) -> Option<Leader> {
        Some(Leader { coordinator_id, term: 7, until: at(10) })
    }

    #[test]
    fn the_first_leads_and_keeps_its_term_while_it_renews() {
        assert_eq!(stand(None, ME, TTL, at(0)), Standing::Lead { term: 1, write: true });
        assert_eq!(stand(led_by(ME), ME, TTL, at(4)), Standing::Lead { term: 7, write: false });
        assert_eq!(stand(led_by(ME), ME, TTL, at(5)), Standing::Lead { term: 7, write: true });
    }

    #[test]
    fn another_follows_until_the_term_has_ended_and_then_leads_the_next() {
        assert_eq!(stand(led_by(OTHER), ME, TTL, at(9)), Standing::Follow { until: at(10) });
        assert_eq!(stand(led_by(OTHER), ME, TTL, at(10)), Standing::Lead { term: 8, write: true });
    }

    #[test]
    fn a_leader_that_slept_past_its_term_leads_only_under_a_new_one() {
        assert_eq!(stand(led_by(ME), ME, TTL, at(10)), Standing::Lead { term: 8, write: true });
    }

    #[test]
    fn a_clock_that_is_put_back_does_not_leave_the_fleet_without_a_leader() {
        assert_eq!(stand(led_by(OTHER), ME, TTL, at(-7_200)), Standing::Lead { term: 8, write: true });
        assert_eq!(stand(led_by(OTHER), ME, TTL, at(0)), Standing::Follow { until: at(10) });
    }
}
