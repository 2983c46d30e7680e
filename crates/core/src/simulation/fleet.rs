//! The fleet that is simulated, second by second.

use std::{array, collections::BTreeMap, mem};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::Without;
use crate::{
    ids::{AttemptNumber, ClaimId, Digest, JobId, JobKey, SessionId},
    job::{
        Budgets, Effect, Event, Failure, FailureClass, HoldReason, Job, JobState, Lease, StateKind, apply,
        heard_of_source,
    },
    limits::{CONFIRM_WITHIN_S, HEARTBEAT_INTERVAL_S, LOST_AFTER_S, SESSION_TTL_S},
    placement::{Candidate, NeededPack, WaitingWorker, assign},
    retry::RetryPolicy,
    stream::Stream,
};

const SOURCES: usize = 4;
const JOBS: usize = 40;
const WORKERS: usize = 4;
const FAULTS_UNTIL_S: i64 = 1_500;
/// When a person opens again what was given up.
const RETRIED_AT_S: i64 = 2_200;
const END_S: i64 = 8_000;
const CHECKPOINT_EVERY_S: i64 = 15;
/// Nobody's claim.
const NOBODY: ClaimId = ClaimId([0; 16]);

/// Or else which promise is broken.
type Checked<T> = Result<T, String>;

/// What a worker has. Its iterations are seconds.
#[derive(Clone, Copy)]
struct Work {
    job: usize,
    claim: ClaimId,
    begun_at: i64,
    resumed_from: i64,
    published: i64,
    failed: Option<FailureClass>,
}

/// What a worker says of the job whose claim it shows.
#[derive(Clone, Copy)]
enum Says {
    Confirmed,
    Published { iteration: i64 },
    Failed(FailureClass),
    Completed,
}

struct Message {
    arrives: i64,
    job: usize,
    claim: ClaimId,
    says: Says,
}

pub(super) struct World {
    without: Without,
    policy: RetryPolicy,
    stream: Stream,
    drawn: u64,
    now: i64,
    jobs: Vec<Job>,
    /// Of each job: the largest iteration published, and how many attempts in a row got nowhere.
    reached: Vec<i64>,
    fruitless: Vec<u32>,
    workers: Vec<(SessionId, Option<Work>)>,
    /// When each session was last heard, and last spoke.
    heard: BTreeMap<SessionId, i64>,
    spoke: BTreeMap<SessionId, i64>,
    /// The network between each worker and the coordinator is cut until then.
    cut_until: Vec<i64>,
    messages: Vec<Message>,
    /// The coordinator is away until then; the sweeper holds still until then.
    down_until: i64,
    sweeps_from: i64,
}

fn at(second: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
}

fn source_of(job: usize) -> Option<usize> {
    (job >= SOURCES).then_some(job % SOURCES)
}

fn iterations_of(job: usize) -> i64 {
    40 + 10 * (job as i64 % 5)
}

fn is_held_for_its_source(job: &Job) -> bool {
    matches!(&job.state, JobState::Held { reason: HoldReason::SourceEnded { .. } })
}

fn gets_nowhere(event: &Event) -> bool {
    matches!(event, Event::AttemptFailed { failure, .. } if !failure.class.is_ours())
}

impl World {
    pub(super) fn run(seed: u64, without: Without) -> Checked<()> {
        let fruitless_max = if without == Without::Fruitless { u32::MAX } else { 3 };
        let state = |job| source_of(job).map_or(JobState::Ready { not_before: at(0) }, |_| JobState::Waiting);
        let job = |index| Job { state: state(index), attempt: AttemptNumber(0), budgets: Budgets::default() };
        let mut world = Self {
            without,
            policy: RetryPolicy { fruitless_max, ..RetryPolicy::DEFAULT },
            stream: Stream::keyed_by(&("simulation", seed)),
            drawn: 0,
            now: 0,
            jobs: (0..JOBS).map(job).collect(),
            reached: vec![0; JOBS],
            fruitless: vec![0; JOBS],
            workers: Vec::new(),
            heard: BTreeMap::new(),
            spoke: BTreeMap::new(),
            cut_until: vec![0; WORKERS],
            messages: Vec::new(),
            down_until: 0,
            sweeps_from: 0,
        };
        world.workers = (0..WORKERS).map(|_| (world.random_session(), None)).collect();
        let succeeded = |job: &Job| job.state == JobState::Succeeded;
        while world.now < END_S && !(world.now > RETRIED_AT_S && world.jobs.iter().all(succeeded)) {
            world.second()?;
        }
        let stuck: Vec<_> = world.jobs.iter().filter(|job| !succeeded(job)).collect();
        if stuck.is_empty() { Ok(()) } else { Err(format!("stuck: {stuck:?}")) }
    }

    fn below(&mut self, bound: u32) -> i64 {
        self.drawn += 1;
        i64::from(self.stream.below(self.drawn, bound))
    }

    fn fault(&mut self, one_in: u32) -> bool {
        self.now < FAULTS_UNTIL_S && self.below(one_in) == 0
    }

    fn random_session(&mut self) -> SessionId {
        SessionId(Uuid::from_bytes(array::from_fn(|_| self.below(256) as u8)))
    }

    fn is_trained(&self, job: usize) -> bool {
        self.jobs[job].state == JobState::Succeeded
    }

    fn is_down(&self) -> bool {
        self.now < self.down_until
    }

    // Whether the event was accepted.
    fn happen(&mut self, job: usize, claim: ClaimId, says: &dyn Fn(ClaimId) -> Event) -> Checked<bool> {
        let before = self.jobs[job].clone();
        let current = before.state.lease().map(|lease| lease.claim_id);
        let fenced = self.without != Without::Fence;
        let event = says(if fenced { claim } else { current.unwrap_or(claim) });
        let Ok(next) = apply(&self.policy, &before, &event, at(self.now)) else { return Ok(false) };
        let is_reopened = matches!(event, Event::Reopened { .. });
        self.fruitless[job] = match event {
            Event::Progressed { .. } | Event::Reopened { .. } => 0,
            _ => self.fruitless[job] + u32::from(gets_nowhere(&event)),
        };
        let is_tried_on = gets_nowhere(&event) && next.job.state.kind() == StateKind::Ready;
        let opens = next.effects.contains(&Effect::OpenAttempt);
        let broken = [
            (
                current.is_some_and(|current| claim != NOBODY && current != claim),
                "an older attempt was heard",
            ),
            (before.state.kind().is_terminal() && !is_reopened, "a terminal state changed"),
            (opens && !source_of(job).is_none_or(|source| self.is_trained(source)), "started too early"),
            (opens && current.is_some(), "claimed twice"),
            (is_tried_on && self.fruitless[job] > 2, "tried on although it gets nowhere"),
        ];
        if let Some((_, what)) = broken.iter().find(|(is_broken, _)| *is_broken) {
            return Err(format!("{what}: job {job}, {event:?} at {} s", self.now));
        }
        self.jobs[job] = next.job;
        for effect in next.effects {
            self.tell_dependants(job, effect)?;
        }
        if event != Event::SourceSucceeded && self.without != Without::News {
            self.hear_of_source(job)?;
        }
        Ok(true)
    }

    fn hear_of_source(&mut self, job: usize) -> Checked<()> {
        let Some(source) = source_of(job) else { return Ok(()) };
        match heard_of_source(&self.jobs[job].state, &self.jobs[source].state) {
            Some(event) => self.happen(job, NOBODY, &|_| event.clone()).map(drop),
            None => Ok(()),
        }
    }

    fn tell_dependants(&mut self, source: usize, effect: Effect) -> Checked<()> {
        let event = match effect {
            Effect::ReleaseDependants => Event::SourceSucceeded,
            Effect::EndDependants { reason } => Event::SourceEnded { reason },
            Effect::ReopenDependants => Event::Reopened { source_ready: false },
            Effect::WithholdDependants if self.without != Without::Withholding => Event::SourceLost,
            _ => return Ok(()),
        };
        for dependant in (SOURCES..JOBS).filter(|dependant| source_of(*dependant) == Some(source)) {
            let reopens = matches!(event, Event::Reopened { .. });
            if !reopens || is_held_for_its_source(&self.jobs[dependant]) {
                self.happen(dependant, NOBODY, &|_| event.clone())?;
            }
        }
        Ok(())
    }

    fn send(&mut self, work: Work, says: Says) {
        let copies = if self.fault(10) { 0 } else { 1 + u8::from(self.fault(10)) };
        for _ in 0..copies {
            let delay = if self.fault(20) { self.below(400) } else { self.below(3) };
            let Work { job, claim, .. } = work;
            self.messages.push(Message { arrives: self.now + delay, job, claim, says });
        }
    }

    fn arrive(&mut self, message: &Message) -> Checked<()> {
        let (job, claim) = (message.job, message.claim);
        let event = |claim_id| match message.says {
            Says::Confirmed => Event::Confirmed { claim_id },
            Says::Published { .. } => Event::Progressed { claim_id },
            Says::Completed => Event::Completed { claim_id },
            Says::Failed(class) => {
                Event::AttemptFailed { claim_id, failure: Failure { class, message: String::new() } }
            }
        };
        match message.says {
            Says::Published { iteration } if iteration <= self.reached[job] => Ok(()),
            Says::Published { iteration } => {
                if self.happen(job, claim, &event)? {
                    self.reached[job] = iteration;
                }
                Ok(())
            }
            _ => self.happen(job, claim, &event).map(drop),
        }
    }

    fn worker_acts(&mut self, index: usize) -> Checked<()> {
        if self.fault(300) {
            let kept = self.workers[index].1.filter(|_| self.below(2) == 0);
            self.workers[index] = (self.random_session(), kept);
        }
        if self.fault(300) {
            self.cut_until[index] = self.now + self.below(400);
        }
        let (session_id, work) = self.workers[index];
        if self.now % HEARTBEAT_INTERVAL_S as i64 != 0 {
            return Ok(());
        }
        self.spoke.insert(session_id, self.now);
        if self.is_down() || self.now < self.cut_until[index] || self.fault(20) {
            return Ok(());
        }
        self.heard.insert(session_id, self.now);
        let Some(work) = work else { return Ok(()) };
        let returned = |claim_id| Event::WorkerReturned { claim_id, session_id };
        if !self.happen(work.job, work.claim, &returned)? && !self.fault(4) {
            self.workers[index].1 = None;
        } else {
            let told = self.tell_of(work);
            self.workers[index].1 = Some(told);
        }
        Ok(())
    }

    // An outcome is told again until the claim is over; a trainer fails now and then.
    fn tell_of(&mut self, work: Work) -> Work {
        let iteration = work.resumed_from + self.now - work.begun_at;
        let classes = [FailureClass::Infrastructure, FailureClass::Hardware, FailureClass::OutOfMemory];
        let failed = work.failed.or_else(|| self.fault(4).then(|| classes[self.below(3) as usize]));
        let told = Work { failed, ..work };
        if let Some(class) = failed {
            self.send(told, Says::Failed(class));
        } else if iteration >= iterations_of(work.job) {
            self.send(told, Says::Completed);
        } else if iteration >= work.published + CHECKPOINT_EVERY_S {
            self.send(told, Says::Published { iteration });
            return Work { published: iteration, ..told };
        }
        told
    }

    fn sweep(&mut self, job: usize) -> Checked<()> {
        let Some(lease) = self.jobs[job].state.lease().cloned() else { return Ok(()) };
        let silent_s = (self.now - self.heard.get(&lease.session_id).copied().unwrap_or(0)) as u64;
        let confirm_by = at(self.now - CONFIRM_WITHIN_S as i64);
        let says: fn(ClaimId) -> Event = match self.jobs[job].state {
            JobState::Suspect { .. } if silent_s > LOST_AFTER_S => |claim_id| Event::WorkerLost { claim_id },
            JobState::Leased { leased_at, .. } if leased_at < confirm_by => {
                |claim_id| Event::ConfirmationTimedOut { claim_id }
            }
            _ if silent_s > SESSION_TTL_S => |claim_id| Event::SessionExpired { claim_id },
            _ => return Ok(()),
        };
        let is_lost = matches!(says(lease.claim_id), Event::WorkerLost { .. });
        if is_lost && self.is_alive(lease.claim_id) {
            return Err(format!("a living worker lost its job {job} at {} s", self.now));
        }
        self.happen(job, lease.claim_id, &says).map(drop)
    }

    // Whether whoever has this claim speaks, and would have been heard had we not been away.
    fn is_alive(&self, claim: ClaimId) -> bool {
        self.workers.iter().zip(&self.cut_until).any(|((session_id, work), cut_until)| {
            let has_it = work.is_some_and(|work| work.claim == claim);
            let spoke = self.spoke.get(session_id).copied().unwrap_or(i64::MIN / 2);
            let speaks = self.now - spoke <= HEARTBEAT_INTERVAL_S as i64;
            has_it && speaks && self.now - cut_until > SESSION_TTL_S as i64
        })
    }

    fn dispatch(&mut self) -> Checked<()> {
        // As the store does: who was not heard lately gets nothing.
        let is_heard = |session_id: &SessionId| {
            self.heard.get(session_id).is_some_and(|heard| self.now - heard <= SESSION_TTL_S as i64)
        };
        let may_claim = |index: &usize| {
            let (session_id, work) = &self.workers[*index];
            work.is_none() && is_heard(session_id) && self.now >= self.cut_until[*index]
        };
        let idle: Vec<_> = (0..WORKERS).filter(may_claim).collect();
        let waiting = |index: &usize| WaitingWorker {
            worker: format!("node{index}/cpu0"),
            session_id: self.workers[*index].0,
            waiting_since: at(0),
            cached: Default::default(),
            room: Default::default(),
        };
        let waiting: Vec<_> = idle.iter().map(waiting).collect();
        let candidates: Vec<_> = (0..JOBS).filter_map(|job| candidate(job, &self.jobs[job])).collect();
        for assigned in assign(&waiting, &candidates, at(self.now)) {
            let job = usize::from(candidates[assigned.candidate].key.0[0]);
            let WaitingWorker { worker, session_id, .. } = waiting[assigned.worker].clone();
            let lease = Lease { claim_id: ClaimId(self.random_session().0.into_bytes()), session_id, worker };
            let claimed = |_| Event::Claimed { lease: lease.clone() };
            if self.happen(job, lease.claim_id, &claimed)? && !self.fault(10) {
                let (claim, resumed_from) = (lease.claim_id, self.reached[job]);
                let (begun_at, published) = (self.now, resumed_from);
                let work = Work { job, claim, begun_at, resumed_from, published, failed: None };
                self.send(work, Says::Confirmed);
                self.workers[idle[assigned.worker]].1 = Some(work);
            }
        }
        Ok(())
    }

    fn second(&mut self) -> Checked<()> {
        self.now += 1;
        if !self.is_down() && self.fault(250) {
            self.down_until = self.now + 20 + self.below(400);
            let undisturbed_s = if self.without == Without::Brake { 0 } else { SESSION_TTL_S as i64 };
            self.sweeps_from = self.down_until + undisturbed_s;
        }
        (0..WORKERS).try_for_each(|index| self.worker_acts(index))?;
        if self.is_down() {
            return Ok(());
        }
        let (now, sent) = (self.now, mem::take(&mut self.messages).into_iter());
        let (due, later): (Vec<_>, _) = sent.partition(|message| message.arrives <= now);
        self.messages = later;
        due.iter().try_for_each(|message| self.arrive(message))?;
        if self.now >= self.sweeps_from {
            (0..JOBS).try_for_each(|job| self.sweep(job))?;
        }
        self.networks_are_lost_and_opened_again()?;
        self.dispatch()?;
        self.check_sources()
    }

    fn networks_are_lost_and_opened_again(&mut self) -> Checked<()> {
        let source = self.below(SOURCES as u32) as usize;
        if self.fault(60) && self.is_trained(source) {
            self.reached[source] = 0;
            self.happen(source, NOBODY, &|_| Event::Reopened { source_ready: true })?;
        }
        if self.now != RETRIED_AT_S {
            return Ok(());
        }
        let given_up = |job: &Job| matches!(job.state.kind(), StateKind::Held | StateKind::Failed);
        for job in 0..JOBS {
            if given_up(&self.jobs[job]) {
                let source_ready = source_of(job).is_none_or(|source| self.is_trained(source));
                self.happen(job, NOBODY, &|_| Event::Reopened { source_ready })?;
            }
        }
        Ok(())
    }

    fn check_sources(&self) -> Checked<()> {
        let early = |job: &usize| {
            let is_ready = self.jobs[*job].state.kind() == StateKind::Ready;
            is_ready && !source_of(*job).is_none_or(|source| self.is_trained(source))
        };
        match (0..JOBS).find(early) {
            Some(job) => Err(format!("ready without its source: job {job} at {} s", self.now)),
            None => Ok(()),
        }
    }
}

fn candidate(index: usize, job: &Job) -> Option<Candidate> {
    let JobState::Ready { not_before } = job.state else { return None };
    let (job_id, key) = (JobId(Uuid::from_bytes([index as u8; 16])), JobKey([index as u8; 32]));
    let (priority, flops, unlocks_flops, source_weights, avoid_worker) = (0, 1.0, 0.0, None, None);
    let pack = NeededPack { digest: Digest([0; 32]), bytes: 0 };
    Some(Candidate {
        job_id,
        key,
        priority,
        flops,
        unlocks_flops,
        not_before,
        source_weights,
        avoid_worker,
        kept_from: std::collections::BTreeSet::new(),
        limited_by: std::collections::BTreeSet::new(),
        pack,
    })
}
