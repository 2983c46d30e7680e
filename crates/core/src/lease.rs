//! Leases: what silence and the coordinator's answers mean for what a worker holds.
//!
//! A lease is renewed by heartbeats and lapses by itself. Its worker and the coordinator judge
//! the same silence apart, each by its own clock; the worker gives up a tenth later than the
//! coordinator may hand the job to another, so that it never drops what is still its own, and
//! publishes nothing as soon as it may no longer be. Pure: whoever holds leases measures the
//! silence and carries out the orders.

use std::time::Duration;

/// Whether a worker may go on with a job, as the answer to a heartbeat says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Ok,
    /// The claim is not current: end it, publish nothing.
    Revoked,
    /// It was cancelled or is to be held, or its worker to stop at once: end it after a
    /// checkpoint, then give it back.
    Cancel,
}

/// What is to happen to a leased job. Orders only grow: a job that is to be dropped is never
/// continued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Order {
    /// Train it.
    GoOn,
    /// End after a checkpoint, then give the lease back.
    Stop,
    /// Nobody knows whose it is: end after a checkpoint that stays here, publish nothing, say
    /// nothing until the coordinator does.
    Park,
    /// The lease is gone: end the trainer, publish nothing, say nothing.
    Drop,
}

/// What a worker may believe of its leases after a silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trust {
    /// They are its own.
    Sure,
    /// Its session may have expired: train on, publish nothing.
    Doubtful,
    /// They may be others' by now: the coordinator is lost.
    Gone,
}

impl Verdict {
    /// What it orders.
    #[must_use]
    pub fn order(self) -> Order {
        match self {
            Self::Ok => Order::GoOn,
            Self::Cancel => Order::Stop,
            Self::Revoked => Order::Drop,
        }
    }

    /// Whether it says that the claim is current.
    #[must_use]
    pub fn affirms(self) -> bool {
        self != Self::Revoked
    }
}

impl Trust {
    /// After a silence since the last heartbeat that was answered was sent; a session lives for
    /// `ttl` and its jobs are lost after `lost_after`.
    #[must_use]
    pub fn after(silence: Duration, ttl: Duration, lost_after: Duration) -> Self {
        if silence > lost_after + lost_after / 10 {
            Self::Gone
        } else if silence > ttl {
            Self::Doubtful
        } else {
            Self::Sure
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_worker_stops_publishing_long_before_it_gives_up() {
        let (ttl, lost_after) = (Duration::from_secs(45), Duration::from_secs(180));
        let after = |silence_s| Trust::after(Duration::from_secs(silence_s), ttl, lost_after);
        assert_eq!([0, 45, 46, 198, 199].map(after), {
            use Trust::{Doubtful, Gone, Sure};
            [Sure, Sure, Doubtful, Doubtful, Gone]
        });
    }

    #[test]
    fn only_a_revoked_claim_is_not_affirmed() {
        let told = [Verdict::Ok, Verdict::Cancel, Verdict::Revoked].map(|v| (v.order(), v.affirms()));
        assert_eq!(told, [(Order::GoOn, true), (Order::Stop, true), (Order::Drop, false)]);
    }
}
