//! What time does. A sweep finds what is overdue, then takes it up row by row, each looked at
//! again under its lock; anything may happen between.
//!
//! Silence is judged as of the moment at which the brake looked: what was not overdue then is
//! not taken now, however long the sweep was interrupted and whatever the clock did meanwhile.

use chrono::{DateTime, TimeDelta, Utc};
use selffer_core::{
    brake::Allowed,
    ids::{ClaimId, SessionId},
    interest::Interest,
    job::{Event, Failure, FailureClass, StateKind},
    limits::{CANCEL_WITHIN_S, CONFIRM_WITHIN_S, LOST_AFTER_S, SESSION_TTL_S},
};

use super::{Model, Party, Refusal, Without};

/// How long what may last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) ttl: TimeDelta,
    pub(crate) confirm_within: TimeDelta,
    pub(crate) lost_after: TimeDelta,
    pub(crate) cancel_within: TimeDelta,
}

/// One thing that is overdue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overdue {
    Session(SessionId),
    Confirmation(usize),
    Worker(usize),
    /// Its session lives, but has forgotten it.
    Listing(usize),
    Withdrawal(usize),
    Unwanted(usize),
}

/// Something overdue and the moment as of which it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Due {
    pub(crate) what: Overdue,
    /// The claim that the job had when it was found.
    pub(crate) claim: Option<ClaimId>,
    pub(crate) as_of: DateTime<Utc>,
}

impl Bounds {
    /// The defaults of `core::limits`.
    pub(crate) fn default_ones() -> Self {
        let seconds = |s: u64| TimeDelta::seconds(s as i64);
        Self {
            ttl: seconds(SESSION_TTL_S),
            confirm_within: seconds(CONFIRM_WITHIN_S),
            lost_after: seconds(LOST_AFTER_S),
            cancel_within: seconds(CANCEL_WITHIN_S),
        }
    }
}

impl Model {
    /// Living sessions that were heard of within the bound, and those that were not.
    pub(crate) fn liveness(&self, bounds: &Bounds, now: DateTime<Utc>) -> (u32, u32) {
        let living = self.sessions.values().filter(|row| !row.ended && !row.expired);
        living.fold((0, 0), |(live, silent), row| {
            if row.heard_at > now - bounds.ttl { (live + 1, silent) } else { (live, silent + 1) }
        })
    }

    /// What people's words leave to end; the brake does not hold it.
    pub(crate) fn withdrawn(&self, bounds: &Bounds, now: DateTime<Utc>) -> Vec<Overdue> {
        let jobs = || 0..self.jobs.len();
        let withdrawals = jobs().map(Overdue::Withdrawal).chain(jobs().map(Overdue::Unwanted));
        withdrawals.filter(|what| self.is_overdue(*what, bounds, now)).collect()
    }

    /// What silence has made overdue, of what it may lead to.
    pub(crate) fn silent(&self, bounds: &Bounds, now: DateTime<Utc>, allowed: Allowed) -> Vec<Overdue> {
        let jobs = || 0..self.jobs.len();
        let sessions = self.sessions.keys().copied().map(Overdue::Session);
        let suspicions = sessions.chain(jobs().map(Overdue::Confirmation));
        let losses = jobs().map(Overdue::Worker).chain(jobs().map(Overdue::Listing));
        let of = |least: Allowed| allowed >= least;
        let all = suspicions.filter(|_| of(Allowed::Suspicion)).chain(losses.filter(|_| of(Allowed::Loss)));
        all.filter(|what| self.is_overdue(*what, bounds, now)).collect()
    }

    fn is_overdue(&self, what: Overdue, bounds: &Bounds, now: DateTime<Utc>) -> bool {
        let state = |job: usize| self.jobs[job].job.state.kind();
        match what {
            Overdue::Session(session) => self
                .sessions
                .get(&session)
                .is_some_and(|row| !row.ended && !row.expired && row.heard_at <= now - bounds.ttl),
            Overdue::Confirmation(job) => {
                state(job) == StateKind::Leased && self.jobs[job].since <= now - bounds.confirm_within
            }
            Overdue::Worker(job) => {
                let session = self.jobs[job].job.state.lease().map(|lease| lease.session_id);
                let heard = session.and_then(|session| self.sessions.get(&session)).map(|row| row.heard_at);
                state(job) == StateKind::Suspect && heard.is_none_or(|heard| heard <= now - bounds.lost_after)
            }
            Overdue::Listing(job) => {
                let row = &self.jobs[job];
                let claim = row.job.state.lease().map(|lease| lease.claim_id);
                let listed = row.listed.filter(|(listed, _)| Some(*listed) == claim).map(|(_, at)| at);
                let last = listed.map_or(row.since, |listed| listed.max(row.since));
                matches!(state(job), StateKind::Running | StateKind::Suspect)
                    && last <= now - bounds.lost_after
            }
            Overdue::Withdrawal(job) => {
                self.jobs[job].withdrawn_at.is_some_and(|at| at <= now - bounds.cancel_within)
            }
            Overdue::Unwanted(job) => {
                let is_left = matches!(state(job), StateKind::Waiting | StateKind::Ready | StateKind::Held);
                is_left && self.jobs[job].interest.is_some_and(|interest| interest > Interest::Paused)
            }
        }
    }

    /// The job's claim, with which it is taken up.
    pub(crate) fn claim_of(&self, what: Overdue) -> Option<ClaimId> {
        match what {
            Overdue::Session(_) => None,
            Overdue::Confirmation(job)
            | Overdue::Worker(job)
            | Overdue::Listing(job)
            | Overdue::Withdrawal(job)
            | Overdue::Unwanted(job) => self.jobs[job].job.state.lease().map(|lease| lease.claim_id),
        }
    }

    /// Takes one up, if it is still overdue as of that moment and its claim the same.
    pub(crate) fn take_up(&mut self, due: &Due, bounds: &Bounds, now: DateTime<Utc>) -> Result<(), Refusal> {
        let is_the_same = self.claim_of(due.what) == due.claim;
        let looks_again = self.without != Without::LookAgain;
        if looks_again && (!is_the_same || !self.is_overdue(due.what, bounds, due.as_of.min(now))) {
            return Ok(());
        }
        self.begins(Party::Sweeper);
        match due.what {
            Overdue::Session(session) => self.expire(session, now),
            Overdue::Confirmation(job) => self.end_lease(job, StateKind::Leased, now),
            Overdue::Worker(job) => self.end_lease(job, StateKind::Suspect, now),
            Overdue::Listing(job) => {
                self.end_lease(job, StateKind::Running, now)?;
                self.end_lease(job, StateKind::Suspect, now)
            }
            Overdue::Withdrawal(job) | Overdue::Unwanted(job) => self.change(job, &Event::Cancelled, now),
        }
    }

    fn expire(&mut self, session: SessionId, now: DateTime<Utc>) -> Result<(), Refusal> {
        if let Some(row) = self.sessions.get_mut(&session) {
            row.expired = true;
        }
        self.suspect_jobs_of(session, now)
    }

    fn end_lease(&mut self, job: usize, from: StateKind, now: DateTime<Utc>) -> Result<(), Refusal> {
        let state = &self.jobs[job].job.state;
        let Some(lease) = state.lease().filter(|_| state.kind() == from) else { return Ok(()) };
        let claim_id = lease.claim_id;
        let event = match from {
            StateKind::Leased => Event::ConfirmationTimedOut { claim_id },
            StateKind::Running => Event::SessionExpired { claim_id },
            _ if self.without == Without::OwnBudget => {
                let failure = Failure { class: FailureClass::TrainerError, message: String::new() };
                Event::AttemptFailed { claim_id, failure }
            }
            _ => Event::WorkerLost { claim_id },
        };
        self.change(job, &event, now)
    }
}
