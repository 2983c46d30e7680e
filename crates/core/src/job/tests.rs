//! What the state machine promises, over single events and over random histories.

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::{
    ids::{AttemptNumber, ClaimId, SessionId},
    retry::RetryPolicy,
};

const POLICY: RetryPolicy = RetryPolicy::DEFAULT;

fn at(second: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
}

fn claim(number: u8) -> ClaimId {
    ClaimId([number; 16])
}

fn lease(number: u8) -> Lease {
    let session_id = SessionId(Uuid::from_bytes([number; 16]));
    Lease { claim_id: claim(number), session_id, worker: format!("node{number}/cpu0") }
}

fn job(state: JobState) -> Job {
    let attempt = AttemptNumber(u32::from(state.lease().is_some()));
    Job { state, attempt, budgets: Budgets { starts: attempt.0, ..Budgets::default() } }
}

fn failure(class: FailureClass) -> Failure {
    Failure { class, message: "loss is not finite at iteration 7".into() }
}

fn operator() -> HoldReason {
    HoldReason::Operator { reason: "disk is replaced".into() }
}

fn one_of_each_state() -> [JobState; 9] {
    [
        JobState::Waiting,
        JobState::Ready { not_before: at(0) },
        JobState::Leased { lease: lease(1), leased_at: at(0) },
        JobState::Running { lease: lease(1), started_at: at(0) },
        JobState::Suspect { lease: lease(1), since: at(0) },
        JobState::Held { reason: operator() },
        JobState::Succeeded,
        JobState::Failed { failure: failure(FailureClass::Diverged) },
        JobState::Cancelled,
    ]
}

fn every_event(number: u8) -> Vec<Event> {
    let claim_id = claim(number);
    let mut events = vec![
        Event::SourceSucceeded,
        Event::SourceEnded { reason: "failed: out of memory".into() },
        Event::SourceLost,
        Event::Claimed { lease: lease(number) },
        Event::Confirmed { claim_id },
        Event::ConfirmationTimedOut { claim_id },
        Event::SessionExpired { claim_id },
        Event::WorkerReturned { claim_id, session_id: lease(number).session_id },
        Event::WorkerLost { claim_id },
        Event::GivenBack { claim_id, reason: GiveBackReason::WorkerStopping },
        Event::GivenBack { claim_id, reason: GiveBackReason::NotStarted },
        Event::Progressed { claim_id },
        Event::Completed { claim_id },
        Event::Cancelled,
        Event::Held { reason: operator() },
        Event::Reopened { source_ready: true },
        Event::Reopened { source_ready: false },
        Event::Refunded { attempt: AttemptNumber(1), class: FailureClass::TrainerError },
    ];
    let failed = |class| Event::AttemptFailed { claim_id, failure: failure(class) };
    events.extend(FailureClass::ALL.map(failed));
    events
}

fn carries_a_claim(event: &Event) -> bool {
    use Event as E;
    !matches!(
        event,
        E::SourceSucceeded
            | E::SourceEnded { .. }
            | E::SourceLost
            | E::Claimed { .. }
            | E::Cancelled
            | E::Held { .. }
            | E::Reopened { .. }
            | E::Refunded { .. }
    )
}

// The table of the reliability page. (A running job is cancelled once its worker has
// answered or its grace has passed; the event comes then.)
fn may_go(from: StateKind, to: StateKind) -> bool {
    use StateKind as K;
    match from {
        K::Waiting => matches!(to, K::Ready | K::Held | K::Cancelled),
        K::Ready => matches!(to, K::Waiting | K::Leased | K::Held | K::Cancelled),
        K::Leased => !matches!(to, K::Waiting),
        K::Running => !matches!(to, K::Waiting | K::Leased),
        K::Suspect => !matches!(to, K::Waiting | K::Leased | K::Suspect),
        K::Held => matches!(to, K::Ready | K::Waiting | K::Cancelled),
        K::Failed | K::Cancelled | K::Succeeded => matches!(to, K::Ready | K::Waiting),
    }
}

#[test]
fn states_follow_each_other_only_as_the_table_says() {
    let mut seen = std::collections::BTreeSet::new();
    for state in one_of_each_state() {
        for event in every_event(1) {
            let Ok(next) = apply(&POLICY, &job(state.clone()), &event, at(9)) else { continue };
            let (from, to) = (state.kind(), next.job.state.kind());
            assert!(next.job.state == state || may_go(from, to), "{from} -> {to} by {}", event.name());
            seen.insert((from, to));
        }
    }
    // Starting too often holds a job; the rest of the table is seen one event from fresh.
    for (from, to) in [
        (StateKind::Waiting, StateKind::Ready),
        (StateKind::Ready, StateKind::Leased),
        (StateKind::Ready, StateKind::Waiting),
        (StateKind::Leased, StateKind::Running),
        (StateKind::Leased, StateKind::Ready),
        (StateKind::Leased, StateKind::Suspect),
        (StateKind::Running, StateKind::Suspect),
        (StateKind::Suspect, StateKind::Running),
        (StateKind::Suspect, StateKind::Ready),
        (StateKind::Suspect, StateKind::Succeeded),
        (StateKind::Running, StateKind::Failed),
        (StateKind::Running, StateKind::Cancelled),
        (StateKind::Held, StateKind::Ready),
        (StateKind::Failed, StateKind::Waiting),
    ] {
        assert!(seen.contains(&(from, to)), "{from} -> {to} is not possible");
    }
}

#[test]
fn a_stale_claim_is_named_so_in_every_state() {
    for state in one_of_each_state() {
        for event in every_event(2).into_iter().filter(carries_a_claim) {
            let error = apply(&POLICY, &job(state.clone()), &event, at(9)).unwrap_err();
            assert_eq!(error, TransitionError::StaleClaim { claim_id: claim(2), state: state.kind() });
        }
    }
}

#[test]
fn every_state_that_is_not_terminal_has_a_way_out() {
    for state in one_of_each_state().into_iter().filter(|state| !state.kind().is_terminal()) {
        let leaves = |event: &Event| {
            apply(&POLICY, &job(state.clone()), event, at(9))
                .is_ok_and(|next| next.job.state.kind() != state.kind())
        };
        // Without a person for all but held jobs, and with one for all.
        let alone = every_event(1).into_iter().take(13).any(|event| leaves(&event));
        assert!(alone || state.kind() == StateKind::Held, "{}", state.kind());
        assert!(leaves(&Event::Cancelled), "{}", state.kind());
    }
}

#[test]
fn a_claim_opens_the_next_attempt_and_its_repeat_the_same() {
    let ready = job(JobState::Ready { not_before: at(5) });
    let event = Event::Claimed { lease: lease(1) };
    let too_early = apply(&POLICY, &ready, &event, at(4)).unwrap_err();
    assert_eq!(too_early, TransitionError::TooEarly { not_before: at(5) });

    let leased = apply(&POLICY, &ready, &event, at(5)).unwrap();
    assert_eq!(leased.job.attempt, AttemptNumber(1));
    assert_eq!(leased.effects, [Effect::OpenAttempt]);

    let repeated = apply(&POLICY, &leased.job, &event, at(6)).unwrap();
    assert_eq!(repeated, Transition { job: leased.job.clone(), effects: vec![] });
    assert!(apply(&POLICY, &leased.job, &Event::Claimed { lease: lease(2) }, at(6)).is_err());
}

#[test]
fn a_restarted_daemon_goes_on_with_its_attempt_in_its_new_session() {
    let suspect = job(JobState::Suspect { lease: lease(1), since: at(0) });
    let session_id = lease(7).session_id;
    let next = apply(&POLICY, &suspect, &Event::WorkerReturned { claim_id: claim(1), session_id }, at(9));
    let lease = Lease { session_id, ..lease(1) };
    assert_eq!(next.unwrap().job, Job { state: JobState::Running { lease, started_at: at(9) }, ..suspect });
}

#[test]
fn a_late_confirmation_of_a_suspect_worker_is_heard_but_brings_nothing_back() {
    let suspect = job(JobState::Suspect { lease: lease(1), since: at(0) });
    let next = apply(&POLICY, &suspect, &Event::Confirmed { claim_id: claim(1) }, at(9)).unwrap();
    assert_eq!(next, Transition { job: suspect, effects: vec![] });
}

#[test]
fn nothing_but_a_trainers_own_failures_uses_up_the_jobs_own_retries() {
    for state in one_of_each_state() {
        for event in every_event(1) {
            let before = job(state.clone());
            let Ok(next) = apply(&POLICY, &before, &event, at(9)) else { continue };
            let (was, is) = (before.budgets, next.job.budgets);
            let class = match &event {
                Event::AttemptFailed { failure, .. } => Some(failure.class),
                _ => None,
            };
            let (job, memory) = (is.job > was.job, is.memory > was.memory);
            assert_eq!(job, class == Some(FailureClass::TrainerError), "{} {event:?}", state.kind());
            assert_eq!(memory, class == Some(FailureClass::OutOfMemory), "{} {event:?}", state.kind());
        }
    }
}

#[test]
fn a_result_of_a_suspect_worker_is_accepted_and_releases_the_dependants() {
    let suspect = job(JobState::Suspect { lease: lease(1), since: at(0) });
    let next = apply(&POLICY, &suspect, &Event::Completed { claim_id: claim(1) }, at(9)).unwrap();
    assert_eq!(next.job.state, JobState::Succeeded);
    let close = Effect::CloseAttempt { outcome: AttemptOutcome::Succeeded, message: None };
    assert_eq!(next.effects, [close, Effect::ReleaseDependants]);
}

#[test]
fn a_lost_worker_costs_a_delay_and_the_lost_budget_only() {
    let suspect = job(JobState::Suspect { lease: lease(0x80), since: at(0) });
    let next = apply(&POLICY, &suspect, &Event::WorkerLost { claim_id: claim(0x80) }, at(180)).unwrap();
    // Half of 10 s, since the claim id begins with 0x80.
    let JobState::Ready { not_before } = next.job.state else { panic!("{:?}", next.job.state) };
    assert!((not_before - at(185)).num_milliseconds().abs() < 50, "{not_before}");
    assert_eq!(next.job.budgets, Budgets { lost: 1, starts: 1, ..Budgets::default() });
}

#[test]
fn a_diverged_job_fails_with_its_message_and_ends_its_dependants() {
    let running = job(JobState::Running { lease: lease(1), started_at: at(0) });
    let failure = failure(FailureClass::Diverged);
    let event = Event::AttemptFailed { claim_id: claim(1), failure: failure.clone() };
    let next = apply(&POLICY, &running, &event, at(9)).unwrap();
    assert_eq!(next.job.state, JobState::Failed { failure });
    let reason = "failed: loss is not finite at iteration 7".to_owned();
    assert_eq!(next.effects[1], Effect::EndDependants { reason });
}

#[test]
fn progress_gives_the_budgets_back_but_not_the_starts() {
    let mut running = job(JobState::Running { lease: lease(1), started_at: at(0) });
    running.budgets = Budgets {
        job: 1,
        memory: 1,
        lost: 2,
        infrastructure: 3,
        fruitless: 2,
        starts: 9,
        ..Budgets::default()
    };

    let next = apply(&POLICY, &running, &Event::Progressed { claim_id: claim(1) }, at(9)).unwrap();

    let budgets = Budgets { starts: 9, since: AttemptNumber(1), ..Budgets::default() };
    assert_eq!(next, Transition { job: Job { budgets, ..running }, effects: vec![] });
}

#[test]
fn a_third_attempt_without_progress_holds_the_job_and_says_so() {
    let mut running = job(JobState::Running { lease: lease(1), started_at: at(0) });
    running.budgets.fruitless = 2;
    let failure = Failure { class: FailureClass::Hardware, message: "the device fell off the bus".into() };

    let next =
        apply(&POLICY, &running, &Event::AttemptFailed { claim_id: claim(1), failure }, at(9)).unwrap();

    let reason =
        "3 attempts in a row ended without progress, the last with hardware: the device fell off the bus";
    assert_eq!(next.job.state, JobState::Held { reason: HoldReason::Poison { reason: reason.into() } });
}

#[test]
fn a_source_that_is_lost_is_trained_again_and_withholds_those_that_are_ready() {
    let succeeded = job(JobState::Succeeded);
    let again = apply(&POLICY, &succeeded, &Event::Reopened { source_ready: true }, at(9)).unwrap();
    assert_eq!(again.effects, [Effect::WithholdDependants]);

    let ready = job(JobState::Ready { not_before: at(0) });
    let waits = apply(&POLICY, &ready, &Event::SourceLost, at(9)).unwrap();
    assert_eq!(waits, Transition { job: Job { state: JobState::Waiting, ..ready }, effects: vec![] });
    let running = job(JobState::Running { lease: lease(1), started_at: at(0) });
    assert!(apply(&POLICY, &running, &Event::SourceLost, at(9)).is_err(), "it has what it copies");
}

#[test]
fn a_job_that_is_ready_again_hears_what_became_of_its_source() {
    let mut again = job(JobState::Ready { not_before: at(0) });
    assert_eq!(heard_of_source(&again.state, &JobState::Succeeded), None);
    let failed = JobState::Failed { failure: failure(FailureClass::Diverged) };
    let mut heard = Vec::new();
    while let Some(event) = heard_of_source(&again.state, &failed) {
        again = apply(&POLICY, &again, &event, at(9)).unwrap().job;
        heard.push(event);
    }
    let reason = "failed: loss is not finite at iteration 7".to_owned();
    assert_eq!(heard, [Event::SourceLost, Event::SourceEnded { reason: reason.clone() }]);
    assert_eq!(again.state, JobState::Held { reason: HoldReason::SourceEnded { reason } });
}

#[test]
fn the_fiftieth_start_is_the_last() {
    let mut started = job(JobState::Ready { not_before: at(0) });
    for start in 1..=POLICY.starts_max {
        assert_eq!(started.state.kind(), StateKind::Ready, "before start {start}");
        for event in [
            Event::Claimed { lease: lease(1) },
            Event::GivenBack { claim_id: claim(1), reason: GiveBackReason::WorkerStopping },
        ] {
            started = apply(&POLICY, &started, &event, at(9)).unwrap().job;
        }
    }
    let reason = "it was started 50 times; the last time node1/cpu0 gave it back".to_owned();
    assert_eq!(started.state, JobState::Held { reason: HoldReason::Poison { reason } });
    let reopened = apply(&POLICY, &started, &Event::Reopened { source_ready: true }, at(9)).unwrap();
    let budgets = Budgets { since: AttemptNumber(50), ..Budgets::default() };
    assert_eq!(reopened.job.budgets, budgets);
    assert_eq!(reopened.job.attempt, AttemptNumber(50), "attempts only ever grow");
}

// The job after attempts that ended so, each claimed when the one before is due again.
fn after(endings: &[FailureClass]) -> Job {
    let mut job = job(JobState::Ready { not_before: at(0) });
    for class in endings {
        let JobState::Ready { not_before } = job.state else { panic!("{:?}", job.state) };
        for event in [
            Event::Claimed { lease: lease(1) },
            Event::AttemptFailed { claim_id: claim(1), failure: failure(*class) },
        ] {
            job = apply(&POLICY, &job, &event, not_before).unwrap().job;
        }
    }
    job
}

fn refund(job: &Job, attempt: u32, class: FailureClass) -> Transition {
    let event = Event::Refunded { attempt: AttemptNumber(attempt), class };
    apply(&POLICY, job, &event, at(9_000)).unwrap()
}

#[test]
fn attempts_that_are_refunded_have_never_been_counted() {
    use FailureClass::{Stalled, TrainerError};
    let failed = after(&[TrainerError, TrainerError]);
    assert_eq!(failed.state.kind(), StateKind::Failed);

    let once = refund(&failed, 2, TrainerError);
    assert_eq!(once.job.state, JobState::Ready { not_before: at(9_000) });
    assert_eq!(once.effects, [Effect::ReopenDependants]);
    assert_eq!(once.job.budgets, Budgets { job: 1, fruitless: 1, starts: 1, ..Budgets::default() });
    let twice = refund(&once.job, 1, TrainerError);
    assert_eq!(twice.job.budgets, Budgets::default());

    let held = after(&[TrainerError, Stalled, Stalled]);
    assert_eq!(held.state.kind(), StateKind::Held, "three in a row");
    let (mut job, attempts) = (held, [(3, Stalled), (2, Stalled), (1, TrainerError)]);
    for (attempt, class) in attempts {
        job = refund(&job, attempt, class).job;
    }
    assert_eq!((job.state.kind(), job.budgets), (StateKind::Ready, Budgets::default()));
    assert_eq!(job.attempt, AttemptNumber(3), "attempts only ever grow");
}

#[test]
fn a_refund_changes_nothing_of_a_job_that_is_counted_anew_or_failed_by_itself() {
    use FailureClass::{Diverged, TrainerError};
    let failed = after(&[TrainerError, TrainerError]);
    let reopened = apply(&POLICY, &failed, &Event::Reopened { source_ready: true }, at(9)).unwrap().job;
    assert_eq!(refund(&reopened, 2, TrainerError).job, reopened);

    let diverged = after(&[TrainerError, Diverged]);
    let next = refund(&diverged, 1, TrainerError);
    assert_eq!((next.job.state.kind(), next.job.budgets.job), (StateKind::Failed, 0));
    for ended in [JobState::Succeeded, JobState::Cancelled] {
        let event = Event::Refunded { attempt: AttemptNumber(1), class: TrainerError };
        assert!(apply(&POLICY, &job(ended), &event, at(9)).is_err());
    }
}

/// Checks one transition against what must always hold; `open` is the attempt that the
/// effects so far have opened and not closed.
fn check(before: &Job, event: &Event, next: &Transition, open: &mut Option<AttemptNumber>) {
    let (was, is) = (&before.state, &next.job.state);
    let reopened = matches!(event, Event::Reopened { .. } | Event::Refunded { .. });
    assert!(!was.kind().is_terminal() || reopened, "{} changed by {}", was.kind(), event.name());
    assert!(was == is || was.kind() == is.kind() || may_go(was.kind(), is.kind()));
    for effect in &next.effects {
        match effect {
            Effect::OpenAttempt => {
                assert_eq!(next.job.attempt, before.attempt.next());
                assert!(open.replace(next.job.attempt).is_none(), "two current claims");
            }
            Effect::CloseAttempt { .. } => assert_eq!(open.take(), Some(before.attempt)),
            _ => {}
        }
    }
    assert_eq!(*open, is.lease().map(|_| next.job.attempt), "the lease is the open attempt");
    let released = next.effects.contains(&Effect::ReleaseDependants);
    assert_eq!(released, is.kind() == StateKind::Succeeded && was.kind() != StateKind::Succeeded);
    let claimed = u32::from(next.job.attempt != before.attempt);
    match event {
        Event::AttemptFailed { .. } | Event::WorkerLost { .. } => {
            let spent = next.job.budgets.fruitless - before.budgets.fruitless;
            let ours = match event {
                Event::AttemptFailed { failure, .. } => failure.class.is_ours(),
                _ => true,
            };
            let is_counted = is.kind() == StateKind::Ready && !ours;
            assert_eq!(spent, u32::from(is_counted), "only a retry is counted");
        }
        Event::Progressed { .. } => {
            let Budgets { starts, since, .. } = before.budgets;
            let nothing_used = before.budgets == Budgets { starts, since, ..Budgets::default() };
            let since = if nothing_used { since } else { before.attempt };
            let budgets = Budgets { starts, since, ..Budgets::default() };
            assert_eq!(*next, Transition { job: Job { budgets, ..before.clone() }, effects: vec![] });
        }
        Event::Reopened { .. } => {
            assert_eq!(next.job.budgets, Budgets { since: before.attempt, ..Budgets::default() });
        }
        Event::Refunded { .. } => {
            let (was, is) = (before.budgets, next.job.budgets);
            assert!(is.starts <= was.starts && is.job <= was.job && is.fruitless <= was.fruitless);
            let rest = |budgets| Budgets { starts: 0, job: 0, fruitless: 0, ..budgets };
            assert_eq!(rest(is), rest(was), "only what the attempt used");
        }
        _ => {
            let starts = before.budgets.starts + claimed;
            assert_eq!(next.job.budgets, Budgets { starts, ..before.budgets }, "{}", event.name());
        }
    }
}

proptest! {
    #[test]
    fn no_history_breaks_a_promise(
        waiting: bool,
        steps in prop::collection::vec((0..26_usize, 1..4_u8, 0..120_i64), 1..200),
    ) {
        let first = if waiting { JobState::Waiting } else { JobState::Ready { not_before: at(0) } };
        let (mut job, mut open, mut now) = (job(first), None, at(0));
        for (choice, number, seconds) in steps {
            let event = every_event(number).swap_remove(choice);
            now += TimeDelta::seconds(seconds);
            let current = job.state.lease().map(|lease| lease.claim_id);
            match apply(&POLICY, &job, &event, now) {
                Ok(next) => {
                    prop_assert!(!carries_a_claim(&event) || current == Some(claim(number)));
                    check(&job, &event, &next, &mut open);
                    job = next.job;
                }
                Err(TransitionError::StaleClaim { claim_id, .. }) => prop_assert_ne!(Some(claim_id), current),
                Err(TransitionError::TooEarly { not_before }) => prop_assert!(now < not_before),
                Err(TransitionError::NotPossible { state, .. }) => prop_assert_eq!(state, job.state.kind()),
            }
        }
    }
}
