//! Attempts: claimed, confirmed, given back, failed, completed.

use chrono::{DateTime, Utc};
use selffer_core::{
    ids::{AttemptNumber, ClaimId, SessionId},
    interest::Interest,
    job::{AttemptOutcome, Event, Failure, GiveBackReason, Job, JobState, Lease},
};

use super::{Change, Kind, Model, Party, Refusal, Stage, Without};

/// What a worker asks for.
#[derive(Clone, Debug)]
pub(crate) struct NewClaim {
    pub(crate) job: usize,
    pub(crate) claim: ClaimId,
    pub(crate) session: SessionId,
    pub(crate) worker: String,
}

/// What a worker gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Assignment {
    pub(crate) job: usize,
    pub(crate) attempt: AttemptNumber,
    /// The iteration that it goes on from; 0 where there is nothing.
    pub(crate) resume_iteration: u32,
}

impl Model {
    /// The lease that this claim id has got already; none if it is new.
    pub(crate) fn assignment(
        &self,
        claim: ClaimId,
        session: SessionId,
    ) -> Result<Option<Assignment>, Refusal> {
        if self.without == Without::Replay {
            return Ok(None);
        }
        let Some(attempt) = self.attempts.get(&claim) else { return Ok(None) };
        let lease = self.jobs[attempt.job].job.state.lease();
        match lease.filter(|lease| lease.claim_id == claim && lease.session_id == session) {
            Some(_) => Ok(Some(self.assigned(attempt.job))),
            None => Err(Refusal::StaleClaim),
        }
    }

    fn assigned(&self, job: usize) -> Assignment {
        let published =
            self.checkpoints.iter().filter(|row| row.job == job && row.kind == Kind::Intermediate);
        let newest = published.filter_map(|row| match row.stage {
            Stage::Published(order) => Some((order, row.iteration)),
            _ => None,
        });
        let resume_iteration = newest.max().map_or(0, |(_, iteration)| iteration);
        Assignment { job, attempt: self.jobs[job].job.attempt, resume_iteration }
    }

    /// The first half of a claim: what the job was when it was looked at, without a lock.
    pub(crate) fn read_claimable(&self, job: usize, now: DateTime<Utc>) -> Option<Job> {
        self.is_claimable(job, now).then(|| self.jobs[job].job.clone())
    }

    /// The second half: the guarded write. None if somebody was faster.
    pub(crate) fn claim(
        &mut self,
        read: &Job,
        new: &NewClaim,
        now: DateTime<Utc>,
    ) -> Result<Option<Assignment>, Refusal> {
        match self.sessions.get(&new.session) {
            Some(session) if !session.ended && session.expired => return Err(Refusal::SessionSilent),
            Some(session) if !session.ended => {}
            _ => return Err(Refusal::SessionEnded),
        }
        if self.attempts.contains_key(&new.claim) && self.without != Without::Replay {
            return self.assignment(new.claim, new.session);
        }
        let row = &self.jobs[new.job];
        let as_read = row.job.state.kind() == read.state.kind() && row.job.attempt == read.attempt;
        let may_start = row.interest == Some(Interest::Active) || self.without == Without::InterestGuard;
        if self.without == Without::ClaimGuard {
            self.overwrite(new, now);
            return Ok(Some(self.assigned(new.job)));
        }
        if !as_read || !may_start {
            return Ok(None);
        }
        let lease = Lease { claim_id: new.claim, session_id: new.session, worker: new.worker.clone() };
        self.begins(Party::Worker);
        match self.change(new.job, &Event::Claimed { lease }, now) {
            Ok(()) => Ok(Some(self.assigned(new.job))),
            Err(Refusal::NotPossible) => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    // As a statement without its WHERE would.
    fn overwrite(&mut self, new: &NewClaim, now: DateTime<Utc>) {
        let before = self.jobs[new.job].job.clone();
        let lease = Lease { claim_id: new.claim, session_id: new.session, worker: new.worker.clone() };
        let state = JobState::Leased { lease: lease.clone(), leased_at: now };
        let after = Job { state, attempt: before.attempt.next(), budgets: before.budgets };
        let row = super::AttemptRow { job: new.job, number: after.attempt, outcome: None };
        self.attempts.insert(new.claim, row);
        self.open.insert(new.claim);
        self.force(new.job, before, after, Event::Claimed { lease });
    }

    /// Writes past the state machine; only broken variants do.
    pub(super) fn force(&mut self, job: usize, before: Job, after: Job, event: Event) {
        self.jobs[job].job = after.clone();
        self.journal.push(Change { job, said: None, by: Party::Worker, event, before, after });
    }

    /// The claim under which what the holder says is heard; an error if it holds nothing.
    pub(super) fn held(
        &mut self,
        job: usize,
        claim: ClaimId,
        session: SessionId,
    ) -> Result<ClaimId, Refusal> {
        self.begins(Party::Worker);
        let lease = self.jobs[job].job.state.lease();
        if let (Without::Fence, Some(lease)) = (self.without, lease) {
            let heard = lease.claim_id;
            self.said = Some(claim);
            return Ok(heard);
        }
        let lease = lease.filter(|lease| lease.claim_id == claim).ok_or(Refusal::StaleClaim)?;
        let is_open = self.sessions.get(&session).is_some_and(|session| !session.ended);
        if lease.session_id != session || !is_open {
            return Err(Refusal::SessionEnded);
        }
        self.said = Some(claim);
        Ok(claim)
    }

    // None if the claim has ended with just this outcome, which makes the call a repeat.
    fn held_unless_ended(
        &mut self,
        (job, claim, session): (usize, ClaimId, SessionId),
        is_same: impl Fn(AttemptOutcome) -> bool,
    ) -> Result<Option<ClaimId>, Refusal> {
        match self.held(job, claim, session) {
            Ok(claim) => Ok(Some(claim)),
            Err(Refusal::StaleClaim) => {
                let attempt = self.attempts.get(&claim).filter(|attempt| attempt.job == job);
                let outcome = attempt.and_then(|attempt| attempt.outcome);
                if outcome.is_some_and(is_same) { Ok(None) } else { Err(Refusal::StaleClaim) }
            }
            Err(refusal) => Err(refusal),
        }
    }

    /// The worker has the lease and starts.
    pub(crate) fn confirm(
        &mut self,
        job: usize,
        claim: ClaimId,
        session: SessionId,
        now: DateTime<Utc>,
    ) -> Result<(), Refusal> {
        let claim_id = self.held(job, claim, session)?;
        self.change(job, &Event::Confirmed { claim_id }, now)
    }

    /// The worker gives the job back without a result.
    pub(crate) fn give_back(
        &mut self,
        holder: (usize, ClaimId, SessionId),
        now: DateTime<Utc>,
    ) -> Result<(), Refusal> {
        let same = |outcome| outcome == AttemptOutcome::GivenBack;
        if self.without == Without::Terminal && self.jobs[holder.0].job.state.kind().is_terminal() {
            let before = self.jobs[holder.0].job.clone();
            let after = Job { state: JobState::Ready { not_before: now }, ..before.clone() };
            let (claim_id, reason) = (holder.1, GiveBackReason::WorkerStopping);
            self.force(holder.0, before, after, Event::GivenBack { claim_id, reason });
        }
        let Some(claim_id) = self.held_unless_ended(holder, same)? else { return Ok(()) };
        self.change(holder.0, &Event::GivenBack { claim_id, reason: GiveBackReason::WorkerStopping }, now)
    }

    /// The attempt ended badly.
    pub(crate) fn fail(
        &mut self,
        holder: (usize, ClaimId, SessionId),
        failure: &Failure,
        now: DateTime<Utc>,
    ) -> Result<(), Refusal> {
        let same = |outcome| matches!(outcome, AttemptOutcome::Failed(_));
        let job = holder.0;
        let Some(claim_id) = self.held_unless_ended(holder, same)? else { return Ok(()) };
        self.change(job, &Event::AttemptFailed { claim_id, failure: failure.clone() }, now)
    }

    /// Trained, tested, published: the result, and those that waited for it.
    pub(crate) fn complete(
        &mut self,
        holder: (usize, ClaimId, SessionId),
        checkpoint: u32,
        now: DateTime<Utc>,
    ) -> Result<(), Refusal> {
        let same = |outcome| outcome == AttemptOutcome::Succeeded;
        let Some(claim_id) = self.held_unless_ended(holder, same)? else { return Ok(()) };
        let (job, claim, _) = holder;
        let is_final = self.checkpoints.iter().any(|row| {
            let is_published = matches!(row.stage, Stage::Published(_));
            row.id == checkpoint && row.claim == claim && row.kind == Kind::Final && is_published
        });
        if !is_final {
            return Err(Refusal::NotPublished);
        }
        self.results.insert((job, self.jobs[job].job.attempt), checkpoint);
        self.change(job, &Event::Completed { claim_id }, now)?;
        let results = &self.results;
        let is_result = |id: u32| results.iter().any(|((of, _), result)| *of == job && *result == id);
        self.checkpoints.retain(|row| row.job != job || is_result(row.id));
        Ok(())
    }
}
