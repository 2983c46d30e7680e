//! Changes of state: read, decided by `core::job::apply`, written, with all their effects.
//!
//! Nothing else changes a job's state. Everything here happens inside the caller's
//! transaction; an error means that nothing of it may be committed.

use std::collections::{HashSet, VecDeque};

use selffer_core::{
    job::{AttemptOutcome, Effect, Event, JobState, Lease, StateKind, Transition, apply},
    retry::RetryPolicy,
};
use sqlx::PgConnection;

use crate::{
    StoreError, blame,
    jobs::{self, Dependants, Loaded},
    persist::{self, Change},
    sources,
};

/// What a change came to, with everything that followed from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changed {
    /// Jobs that can be claimed now and could not before.
    pub(crate) made_ready: u32,
}

/// Applies `event` to a job that was read, and everything that follows to its dependants.
///
/// # Errors
/// The state machine refuses, or the job is not as it was read ([`StoreError::Raced`]).
pub(crate) async fn change(
    connection: &mut PgConnection,
    policy: &RetryPolicy,
    loaded: Loaded,
    event: &Event,
) -> Result<Changed, StoreError> {
    change_all(connection, policy, vec![loaded], event).await
}

/// The same for several jobs that hear the same.
///
/// # Errors
/// As [`change`]; then nothing of it may be committed.
pub(crate) async fn change_all(
    connection: &mut PgConnection,
    policy: &RetryPolicy,
    jobs: Vec<Loaded>,
    event: &Event,
) -> Result<Changed, StoreError> {
    change_each(connection, policy, hearing(jobs, event)).await
}

/// The same for several jobs, each with what it hears.
///
/// # Errors
/// As [`change`]; then nothing of it may be committed.
pub(crate) async fn change_each(
    connection: &mut PgConnection,
    policy: &RetryPolicy,
    changes: Vec<(Loaded, Event)>,
) -> Result<Changed, StoreError> {
    let mut made_ready = HashSet::new();
    let mut queue = VecDeque::from([changes]);
    while let Some(changes) = queue.pop_front() {
        let steps = changes
            .into_iter()
            .map(|(loaded, event)| Step::decide(policy, loaded, event))
            .collect::<Result<Vec<_>, _>>()?;
        let changes: Vec<Change<'_>> = steps.iter().filter_map(Step::change).collect();
        persist::persist(connection, &changes).await?;
        for (lease, outcome) in steps.iter().filter_map(Step::ended) {
            blame::note_ending(connection, lease.claim_id, outcome).await?;
        }
        let came_back: Vec<_> = steps.iter().filter_map(Step::came_back_to).collect();
        if !came_back.is_empty() {
            queue.push_back(came_back);
        }
        let written = steps.iter().filter(|s| s.is_news() && s.came_back_to().is_none());
        let news = sources::news(connection, written.map(Step::after).collect()).await?;
        queue.extend(news.into_iter().map(|(jobs, event)| hearing(jobs, &event)));
        for step in &steps {
            if step.makes_ready() {
                made_ready.insert(step.loaded.job_id);
            } else if step.is_change() {
                made_ready.remove(&step.loaded.job_id);
            }
            for effect in &step.transition.effects {
                queue.extend(carry_out(connection, step, effect).await?);
            }
        }
    }
    Ok(Changed { made_ready: made_ready.len() as u32 })
}

fn hearing(jobs: Vec<Loaded>, event: &Event) -> Vec<(Loaded, Event)> {
    jobs.into_iter().map(|loaded| (loaded, event.clone())).collect()
}

/// One job's part of a change.
struct Step {
    loaded: Loaded,
    event: Event,
    transition: Transition,
}

impl Step {
    fn decide(policy: &RetryPolicy, loaded: Loaded, event: Event) -> Result<Self, StoreError> {
        let transition = apply(policy, &loaded.job, &event, loaded.now)
            .map_err(|error| StoreError::refused(loaded.job_id, error))?;
        Ok(Self { loaded, event, transition })
    }

    fn change(&self) -> Option<Change<'_>> {
        self.is_change().then(|| Change {
            before: &self.loaded,
            after: &self.transition.job,
            what: self.event.name(),
            detail: detail(self),
            opens: self.transition.effects.contains(&Effect::OpenAttempt),
            closes: self.closes(),
        })
    }

    fn is_change(&self) -> bool {
        self.loaded.job != self.transition.job
    }

    // Whether it may not fit its source's state any more.
    fn is_news(&self) -> bool {
        self.is_change() && self.event != Event::SourceSucceeded
    }

    fn makes_ready(&self) -> bool {
        let is_ready = self.transition.job.state.kind() == StateKind::Ready;
        self.is_change() && is_ready && self.came_back_to().is_none()
    }

    // How its attempt ends, if it does, with the message.
    fn closes(&self) -> Option<(AttemptOutcome, Option<&str>)> {
        self.transition.effects.iter().find_map(|effect| match effect {
            Effect::CloseAttempt { outcome, message } => Some((*outcome, message.as_deref())),
            _ => None,
        })
    }

    // Its attempt that ends, if one does.
    fn ended(&self) -> Option<(&Lease, AttemptOutcome)> {
        let (outcome, _) = self.closes()?;
        Some((self.loaded.job.state.lease()?, outcome))
    }

    fn after(&self) -> Loaded {
        Loaded { job: self.transition.job.clone(), ..self.loaded.clone() }
    }

    // A job that a worker had and that has not ended, but that nobody wants any more or that a
    // person holds.
    fn came_back_to(&self) -> Option<(Loaded, Event)> {
        let job = &self.transition.job;
        let came_back = self.loaded.job.state.lease().is_some() && job.state.lease().is_none();
        if !came_back || job.state.kind().is_terminal() {
            return None;
        }
        let asked = self.loaded.hold_asked.clone().filter(|_| job.state.kind() != StateKind::Held);
        let event = match asked {
            _ if self.loaded.is_unwanted() => Event::Cancelled,
            Some(reason) => Event::Held { reason },
            None => return None,
        };
        let loaded = Loaded { job: job.clone(), withdrawn: false, hold_asked: None, ..self.loaded.clone() };
        Some((loaded, event))
    }
}

/// Does what an effect says; returns what must be applied to which jobs next.
async fn carry_out(
    connection: &mut PgConnection,
    step: &Step,
    effect: &Effect,
) -> Result<Option<Vec<(Loaded, Event)>>, StoreError> {
    let source = step.loaded.job_id;
    let (which, event) = match effect {
        // With the job itself, before.
        Effect::OpenAttempt | Effect::CloseAttempt { .. } => return Ok(None),
        Effect::ReleaseDependants => (Dependants::Waiting, Event::SourceSucceeded),
        Effect::EndDependants { reason } => {
            (Dependants::Waiting, Event::SourceEnded { reason: reason.clone() })
        }
        Effect::ReopenDependants => (Dependants::HeldForIt, Event::Reopened { source_ready: false }),
        Effect::WithholdDependants => (Dependants::Ready, Event::SourceLost),
    };
    if !step.loaded.is_source {
        return Ok(None);
    }
    let dependants = jobs::lock_dependants(connection, source, which).await?;
    Ok((!dependants.is_empty()).then(|| hearing(dependants, &event)))
}

fn detail(step: &Step) -> String {
    let before = step.loaded.job.state.lease().map(|lease| lease.worker.as_str()).unwrap_or_default();
    let now = match &step.transition.job.state {
        JobState::Leased { lease, .. } => format!("leased to {}", lease.worker),
        JobState::Running { lease, .. } => format!("runs on {}", lease.worker),
        JobState::Ready { not_before } if *not_before > step.loaded.now => {
            format!("ready again in {} s", (*not_before - step.loaded.now).num_seconds())
        }
        JobState::Held { reason } => format!("held: {reason}"),
        JobState::Failed { failure } => format!("failed: {}", failure.message),
        state => state.kind().to_string(),
    };
    match &step.event {
        Event::AttemptFailed { failure, .. } => {
            format!("{before}: {}: {}; now {now}", failure.class, failure.message)
        }
        Event::Refunded { attempt, class } => {
            format!("attempt {attempt}, {class}: its worker was to blame; now {now}")
        }
        Event::GivenBack { .. } | Event::WorkerLost { .. } | Event::ConfirmationTimedOut { .. } => {
            format!("{before}; now {now}")
        }
        _ => now,
    }
}
