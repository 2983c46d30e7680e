//! Changes of state: read, decided by `core::job::apply`, written, with all their effects.
//!
//! Nothing else changes a job's state. Everything here happens inside the caller's
//! transaction; an error means that nothing of it may be committed.

use std::collections::{HashSet, VecDeque};

use selffer_core::{
    job::{AttemptOutcome, Effect, Event, JobState, StateKind, Transition, apply},
    retry::RetryPolicy,
};
use sqlx::PgConnection;

use crate::{
    StoreError, blame,
    convert::to_i32,
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
        open_attempts(connection, &steps).await?;
        close_attempts(connection, &steps).await?;
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
        let (before, after) = (&self.loaded, &self.transition.job);
        self.is_change().then(|| Change { before, after, what: self.event.name(), detail: detail(self) })
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
        // All together, before.
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

async fn open_attempts(connection: &mut PgConnection, steps: &[Step]) -> Result<(), StoreError> {
    let opens = |step: &&Step| step.transition.effects.contains(&Effect::OpenAttempt);
    let (mut claim_ids, mut job_ids, mut attempts) = (Vec::new(), Vec::new(), Vec::new());
    let (mut session_ids, mut workers) = (Vec::new(), Vec::new());
    for step in steps.iter().filter(opens) {
        let (job_id, job) = (step.loaded.job_id, &step.transition.job);
        let Some(lease) = job.state.lease() else {
            let problem = format!("job {job_id} opens an attempt without a lease");
            return Err(StoreError::Corrupt { what: "a transition", problem });
        };
        claim_ids.push(lease.claim_id.0.to_vec());
        job_ids.push(job_id.0);
        attempts.push(to_i32("attempt", job.attempt.0)?);
        session_ids.push(lease.session_id.0);
        workers.push(lease.worker.clone());
    }
    if claim_ids.is_empty() {
        return Ok(());
    }
    let opened = sqlx::query!(
        r#"INSERT INTO attempts (claim_id, job_id, attempt, session_id, worker, device_kind)
           SELECT new.claim_id, new.job_id, new.attempt, w.session_id, w.worker, w.device_kind
           FROM UNNEST($1::bytea[], $2::uuid[], $3::integer[], $4::uuid[], $5::text[])
               AS new (claim_id, job_id, attempt, session_id, worker)
           JOIN workers w ON w.session_id = new.session_id AND w.worker = new.worker"#,
        &claim_ids,
        &job_ids,
        &attempts,
        &session_ids,
        &workers,
    );
    if opened.execute(connection).await?.rows_affected() == claim_ids.len() as u64 {
        return Ok(());
    }
    Err(StoreError::NotFound { what: "worker of this session", name: workers.join(", ") })
}

async fn close_attempts(connection: &mut PgConnection, steps: &[Step]) -> Result<(), StoreError> {
    let mut closed = Vec::new();
    let (mut claim_ids, mut outcomes, mut classes) = (Vec::new(), Vec::new(), Vec::new());
    let (mut messages, mut workers) = (Vec::new(), Vec::new());
    for step in steps {
        let Some((outcome, message)) = step.closes() else { continue };
        let lease = step.loaded.job.state.lease();
        let Some(lease) = lease else { return Err(StoreError::Raced { job_id: step.loaded.job_id }) };
        closed.push((step.loaded.job_id, lease.claim_id, outcome));
        claim_ids.push(lease.claim_id.0.to_vec());
        outcomes.push(outcome.as_str().to_owned());
        classes.push(match outcome {
            AttemptOutcome::Failed(class) => Some(class.as_str().to_owned()),
            _ => None,
        });
        messages.push(message.map(str::to_owned));
        workers.push(lease.worker.clone());
    }
    let Some((job_id, ..)) = closed.first() else { return Ok(()) };
    let written = sqlx::query!(
        r#"WITH ended AS (
               SELECT *
               FROM UNNEST($1::bytea[], $2::text[], $3::text[], $4::text[], $5::text[])
                   AS given (claim_id, outcome, class, message, worker)),
           acquitted AS (
               UPDATE bad_endings
               SET in_a_row = false
               FROM ended
               WHERE bad_endings.worker = ended.worker
                 AND bad_endings.in_a_row
                 AND ended.outcome = 'succeeded')
           UPDATE attempts
           SET ended_at = clock_timestamp(), outcome = ended.outcome, failure_class = ended.class,
               message = ended.message
           FROM ended
           WHERE attempts.claim_id = ended.claim_id
             AND attempts.ended_at IS NULL"#,
        &claim_ids,
        &outcomes,
        &classes as _,
        &messages as _,
        &workers,
    );
    if written.execute(&mut *connection).await?.rows_affected() != closed.len() as u64 {
        return Err(StoreError::Raced { job_id: *job_id });
    }
    for (_, claim_id, outcome) in closed {
        blame::note_ending(connection, claim_id, outcome).await?;
    }
    Ok(())
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
