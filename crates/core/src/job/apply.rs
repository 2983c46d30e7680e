//! The job's state machine: the one function that decides what an event does to a job.
//!
//! Pure: storage persists what it returns, guarded by the old state and claim id. An
//! event of a claim that is not the current one changes nothing. A repeated `Claimed`,
//! `Confirmed` or `WorkerReturned` answers like the first; a repeated outcome finds its
//! claim ended, and storage, which keeps attempts by claim id, answers that.

use chrono::{DateTime, Utc};

use super::{
    event::Event,
    failure::{Failure, FailureClass, HoldReason},
    state::{Budgets, Job, JobState, Lease, StateKind},
    transition::{AttemptOutcome, Effect, Transition, TransitionError},
};
use crate::{
    ids::{AttemptNumber, ClaimId, SessionId},
    retry::{RetryPolicy, Verdict, backoff, decide, give_back},
};

/// What `event` does to `job`.
///
/// # Errors
/// When the event's claim is not the current one, or the event is not possible in the
/// job's state; the job is then unchanged.
pub fn apply(
    policy: &RetryPolicy,
    job: &Job,
    event: &Event,
    now: DateTime<Utc>,
) -> Result<Transition, TransitionError> {
    let step = Step { policy, job, event, now };
    match event {
        Event::SourceSucceeded => step.when_waiting(|| step.to(JobState::Ready { not_before: now })),
        Event::SourceEnded { reason } => {
            let reason = HoldReason::SourceEnded { reason: reason.clone() };
            step.when_waiting(|| step.hold(reason, None))
        }
        Event::SourceLost => step.wait_again(),
        Event::Claimed { lease } => step.claim(lease),
        Event::Cancelled => step.withdraw(|close| step.end(JobState::Cancelled, close)),
        Event::Held { reason } => step.withdraw(|close| step.hold(reason.clone(), close)),
        Event::Refunded { attempt, class } => step.refund(*attempt, *class),
        Event::Reopened { source_ready: true } => step.reopen(JobState::Ready { not_before: now }),
        Event::Reopened { source_ready: false } => step.reopen(JobState::Waiting),
        Event::Confirmed { claim_id }
        | Event::ConfirmationTimedOut { claim_id }
        | Event::SessionExpired { claim_id }
        | Event::WorkerReturned { claim_id, .. }
        | Event::WorkerLost { claim_id }
        | Event::GivenBack { claim_id, .. }
        | Event::Progressed { claim_id }
        | Event::Completed { claim_id }
        | Event::AttemptFailed { claim_id, .. } => step.with_lease(step.current_lease(*claim_id)?),
    }
}

/// One application: the job as it was, and what happened.
struct Step<'a> {
    policy: &'a RetryPolicy,
    job: &'a Job,
    event: &'a Event,
    now: DateTime<Utc>,
}

impl Step<'_> {
    // The events that carry a claim, once that claim is known to be the current one.
    fn with_lease(&self, lease: &Lease) -> Result<Transition, TransitionError> {
        match (self.event, &self.job.state) {
            // Who is silent is heard, but comes back only with its session, by a heartbeat.
            (Event::Confirmed { .. }, JobState::Running { .. } | JobState::Suspect { .. }) => {
                Ok(self.unchanged())
            }
            (Event::Confirmed { .. }, _) => Ok(self.run(lease.clone())),
            (Event::ConfirmationTimedOut { .. }, JobState::Leased { .. }) => {
                Ok(self.end_without_fault(lease, AttemptOutcome::NotConfirmed))
            }
            (Event::SessionExpired { .. }, JobState::Leased { .. } | JobState::Running { .. }) => {
                Ok(self.to(JobState::Suspect { lease: lease.clone(), since: self.now }))
            }
            (Event::WorkerReturned { session_id, .. }, _) => Ok(self.take_back(lease, *session_id)),
            (Event::WorkerLost { .. }, JobState::Suspect { .. }) => Ok(self.lose_worker(lease)),
            (Event::GivenBack { .. }, _) => Ok(self.end_without_fault(lease, AttemptOutcome::GivenBack)),
            (Event::Progressed { .. }, _) => Ok(self.progress()),
            (Event::Completed { .. }, _) => Ok(self.succeed()),
            (Event::AttemptFailed { failure, .. }, _) => {
                Ok(self.end_badly(failure, AttemptOutcome::Failed(failure.class), lease))
            }
            _ => Err(self.not_possible()),
        }
    }

    fn current_lease(&self, claim_id: ClaimId) -> Result<&Lease, TransitionError> {
        let lease = self.job.state.lease().filter(|lease| lease.claim_id == claim_id);
        lease.ok_or(TransitionError::StaleClaim { claim_id, state: self.job.state.kind() })
    }

    fn when_waiting(&self, then: impl FnOnce() -> Transition) -> Result<Transition, TransitionError> {
        if self.job.state == JobState::Waiting { Ok(then()) } else { Err(self.not_possible()) }
    }

    fn wait_again(&self) -> Result<Transition, TransitionError> {
        match self.job.state {
            JobState::Ready { .. } => Ok(self.to(JobState::Waiting)),
            _ => Err(self.not_possible()),
        }
    }

    // What was used up before says nothing about what comes after; the starts still count.
    fn progress(&self) -> Transition {
        let Budgets { starts, since, .. } = self.job.budgets;
        if self.job.budgets == (Budgets { starts, since, ..Budgets::default() }) {
            return self.unchanged();
        }
        let budgets = Budgets { starts, since: self.job.attempt, ..Budgets::default() };
        Transition { job: Job { budgets, ..self.job.clone() }, effects: Vec::new() }
    }

    fn claim(&self, lease: &Lease) -> Result<Transition, TransitionError> {
        match &self.job.state {
            JobState::Ready { not_before } if self.now < *not_before => {
                Err(TransitionError::TooEarly { not_before: *not_before })
            }
            JobState::Ready { .. } => {
                let mut job = self.in_state(JobState::Leased { lease: lease.clone(), leased_at: self.now });
                job.attempt = job.attempt.next();
                job.budgets.starts += 1;
                Ok(Transition { job, effects: vec![Effect::OpenAttempt] })
            }
            // The reply was lost and the worker asks again.
            JobState::Leased { lease: current, .. } if current == lease => Ok(self.unchanged()),
            _ => Err(self.not_possible()),
        }
    }

    fn run(&self, lease: Lease) -> Transition {
        self.to(JobState::Running { lease, started_at: self.now })
    }

    // The session may be a new one: a restarted daemon goes on with its attempts.
    fn take_back(&self, lease: &Lease, session_id: SessionId) -> Transition {
        let lease = Lease { session_id, ..lease.clone() };
        match self.job.state {
            JobState::Leased { leased_at, .. } => self.to(JobState::Leased { lease, leased_at }),
            JobState::Running { started_at, .. } => self.to(JobState::Running { lease, started_at }),
            _ => self.run(lease),
        }
    }

    fn succeed(&self) -> Transition {
        let effects = vec![close(AttemptOutcome::Succeeded, None), Effect::ReleaseDependants];
        Transition { job: self.in_state(JobState::Succeeded), effects }
    }

    fn lose_worker(&self, lease: &Lease) -> Transition {
        let message = format!("worker {} was silent for too long", lease.worker);
        let failure = Failure { class: FailureClass::WorkerLost, message };
        self.end_badly(&failure, AttemptOutcome::WorkerLost, lease)
    }

    fn end_without_fault(&self, lease: &Lease, outcome: AttemptOutcome) -> Transition {
        let last = match outcome {
            AttemptOutcome::NotConfirmed => format!("{} did not confirm it", lease.worker),
            _ => format!("{} gave it back", lease.worker),
        };
        self.make_ready(self.in_state(JobState::Ready { not_before: self.now }), close(outcome, None), &last)
    }

    fn end_badly(&self, failure: &Failure, outcome: AttemptOutcome, lease: &Lease) -> Transition {
        let close = close(outcome, Some(failure.message.clone()));
        match decide(self.policy, self.job.budgets, failure.class) {
            Verdict::Retry { budgets, retry } => {
                let delay = backoff(self.policy, retry, jitter_unit(lease.claim_id));
                let job = self.in_state(JobState::Ready { not_before: self.now + delay });
                self.make_ready(Job { budgets, ..job }, close, &failure.message)
            }
            Verdict::Fail => self.end(JobState::Failed { failure: failure.clone() }, Some(close)),
            Verdict::Hold => {
                let reason = format!("too many attempts ended with {}: {}", failure.class, failure.message);
                self.hold(HoldReason::Poison { reason }, Some(close))
            }
            Verdict::HoldFruitless { attempts } => {
                let reason = format!(
                    "{attempts} attempts in a row ended without progress, the last with {}: {}",
                    failure.class, failure.message
                );
                self.hold(HoldReason::Poison { reason }, Some(close))
            }
        }
    }

    // Whatever the reason, a job does not start for ever.
    fn make_ready(&self, job: Job, close: Effect, last: &str) -> Transition {
        if job.budgets.starts < self.policy.starts_max {
            return Transition { job, effects: vec![close] };
        }
        let reason = format!("it was started {} times; the last time {last}", job.budgets.starts);
        self.hold(HoldReason::Poison { reason }, Some(close))
    }

    fn hold(&self, reason: HoldReason, close: Option<Effect>) -> Transition {
        self.end(JobState::Held { reason }, close)
    }

    fn end(&self, state: JobState, close: Option<Effect>) -> Transition {
        let told = state.ended_as().map(|reason| Effect::EndDependants { reason });
        Transition { job: self.in_state(state), effects: close.into_iter().chain(told).collect() }
    }

    // A person's word ends whatever has not ended, and the attempt that is under way.
    fn withdraw(
        &self,
        then: impl FnOnce(Option<Effect>) -> Transition,
    ) -> Result<Transition, TransitionError> {
        let held_twice = matches!((&self.job.state, self.event), (JobState::Held { .. }, Event::Held { .. }));
        if self.job.state.kind().is_terminal() || held_twice {
            return Err(self.not_possible());
        }
        let leased = self.job.state.lease().is_some();
        Ok(then(leased.then(|| close(AttemptOutcome::Withdrawn, None))))
    }

    fn reopen(&self, state: JobState) -> Result<Transition, TransitionError> {
        let kind = self.job.state.kind();
        if !kind.is_terminal() && kind != StateKind::Held {
            return Err(self.not_possible());
        }
        let budgets = Budgets { since: self.job.attempt, ..Budgets::default() };
        let job = Job { budgets, ..self.in_state(state) };
        // After a success they are ready or further; after any other end they are held.
        let dependants = match kind {
            StateKind::Succeeded => Effect::WithholdDependants,
            _ => Effect::ReopenDependants,
        };
        Ok(Transition { job, effects: vec![dependants] })
    }

    // The attempt that ended the job was never counted: then the job goes on and the budgets stay.
    fn refund(&self, attempt: AttemptNumber, class: FailureClass) -> Result<Transition, TransitionError> {
        if matches!(self.job.state, JobState::Succeeded | JobState::Cancelled) {
            return Err(self.not_possible());
        }
        if attempt <= self.job.budgets.since {
            return Ok(self.unchanged());
        }
        let ended = ended_by_its_attempts(&self.job.state);
        let left = match ended && attempt == self.job.attempt {
            true => self.job.budgets,
            false => give_back(self.job.budgets, class),
        };
        let budgets = Budgets { starts: left.starts.saturating_sub(1), ..left };
        let ready = JobState::Ready { not_before: self.now };
        let (state, effects) = match self.job.state {
            _ if ended => (ready, vec![Effect::ReopenDependants]),
            // It waits only because of such attempts.
            JobState::Ready { not_before } if not_before > self.now => (ready, Vec::new()),
            _ => (self.job.state.clone(), Vec::new()),
        };
        Ok(Transition { job: Job { budgets, ..self.in_state(state) }, effects })
    }

    fn in_state(&self, state: JobState) -> Job {
        Job { state, attempt: self.job.attempt, budgets: self.job.budgets }
    }

    fn to(&self, state: JobState) -> Transition {
        Transition { job: self.in_state(state), effects: Vec::new() }
    }

    fn unchanged(&self) -> Transition {
        Transition { job: self.job.clone(), effects: Vec::new() }
    }

    fn not_possible(&self) -> TransitionError {
        TransitionError::NotPossible { state: self.job.state.kind(), event: self.event.name() }
    }
}

/// What a job that now waits or is ready must hear of its source, which may have been lost or
/// have ended while the job was at work; none if the two fit. Ask again after each answer.
#[must_use]
pub fn heard_of_source(job: &JobState, source: &JobState) -> Option<Event> {
    match (job, source) {
        (JobState::Ready { .. }, JobState::Succeeded) => None,
        (JobState::Ready { .. }, _) => Some(Event::SourceLost),
        (JobState::Waiting, JobState::Succeeded) => Some(Event::SourceSucceeded),
        (JobState::Waiting, _) => source.ended_as().map(|reason| Event::SourceEnded { reason }),
        _ => None,
    }
}

/// Whether the job ended because its attempts ended badly too often.
fn ended_by_its_attempts(state: &JobState) -> bool {
    match state {
        JobState::Failed { failure } => !failure.class.is_final(),
        JobState::Held { reason } => matches!(reason, HoldReason::Poison { .. }),
        _ => false,
    }
}

fn close(outcome: AttemptOutcome, message: Option<String>) -> Effect {
    Effect::CloseAttempt { outcome, message }
}

// A claim id is 128 random bits, so its share of the delay needs no other randomness and a
// replayed history gives the same times.
fn jitter_unit(claim_id: ClaimId) -> f64 {
    let bits = u64::from_le_bytes(claim_id.0[..8].try_into().expect("eight of sixteen bytes"));
    (bits >> 11) as f64 * 2f64.powi(-53)
}
