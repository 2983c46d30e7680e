//! A seeded simulation of a small fleet over the real decisions (`apply`, `assign`):
//! restarts with and without their work, lost answers, lost, doubled and late messages.
//! Promises are checked after every event; a failure names its seed. Broken on purpose,
//! without the fence, it must fail: a check that cannot fail is none.

use std::{array, collections::BTreeMap, mem};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::{
    ids::{AttemptNumber, ClaimId, JobId, JobKey, SessionId},
    job::{Budgets, Effect, Event, Job, JobState, Lease, StateKind, apply},
    limits::{CONFIRM_WITHIN_S, HEARTBEAT_INTERVAL_S, LOST_AFTER_S, SESSION_TTL_S},
    placement::{Candidate, WaitingWorker, assign},
    retry::RetryPolicy,
    stream::Stream,
};

const SOURCES: usize = 4;
const JOBS: usize = 40;
const WORKERS: usize = 4;
const FAULTS_UNTIL_S: i64 = 1_500;
const END_S: i64 = 8_000;

/// Or else which promise is broken.
type Checked<T> = Result<T, String>;
/// What a worker has: a job, its claim, and the second when it is trained.
type Work = (usize, ClaimId, i64);
/// What a worker says of the job whose claim it shows.
type Says = fn(ClaimId) -> Event;

struct World {
    fenced: bool,
    stream: Stream,
    drawn: u64,
    now: i64,
    jobs: Vec<Job>,
    workers: Vec<(SessionId, Option<Work>)>,
    /// When each session was last heard.
    heard: BTreeMap<SessionId, i64>,
    /// When each message arrives, its job and claim, and what it says.
    messages: Vec<(i64, usize, ClaimId, Says)>,
}

fn at(second: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
}

fn source_of(job: usize) -> Option<usize> {
    (job >= SOURCES).then_some(job % SOURCES)
}

fn is_settled(job: &Job) -> bool {
    job.state.kind().is_terminal() || job.state.kind() == StateKind::Held
}

impl World {
    fn run(seed: u64, fenced: bool) -> Checked<()> {
        let state = |job| source_of(job).map_or(JobState::Ready { not_before: at(0) }, |_| JobState::Waiting);
        let job = |index| Job { state: state(index), attempt: AttemptNumber(0), budgets: Budgets::default() };
        let jobs = (0..JOBS).map(job).collect();
        let (stream, workers) = (Stream::keyed_by(&("simulation", seed)), Vec::new());
        let (heard, messages) = (BTreeMap::new(), Vec::new());
        let mut world = Self { fenced, stream, drawn: 0, now: 0, jobs, workers, heard, messages };
        world.workers = (0..WORKERS).map(|_| (world.random_session(), None)).collect();
        while world.now < END_S && !(world.jobs.iter().all(is_settled) && world.messages.is_empty()) {
            world.second()?;
        }
        let stuck: Vec<_> = world.jobs.iter().filter(|job| !is_settled(job)).collect();
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

    // Whether the event was accepted.
    fn happen(&mut self, job: usize, claim: ClaimId, says: &dyn Fn(ClaimId) -> Event) -> Checked<bool> {
        let before = self.jobs[job].clone();
        let current = before.state.lease().map(|lease| lease.claim_id);
        let event = says(if self.fenced { claim } else { current.unwrap_or(claim) });
        let Ok(next) = apply(&RetryPolicy::DEFAULT, &before, &event, at(self.now)) else { return Ok(false) };
        let is_trained = |source: usize| self.jobs[source].state == JobState::Succeeded;
        let broken = [
            (current.is_some_and(|current| current != claim), "an older attempt was heard"),
            (before.state.kind().is_terminal(), "a terminal state changed"),
            (next.job.state.lease().is_some() && !source_of(job).is_none_or(is_trained), "started too early"),
            (next.effects.contains(&Effect::OpenAttempt) && current.is_some(), "claimed twice"),
        ];
        if let Some((_, what)) = broken.iter().find(|(is_broken, _)| *is_broken) {
            return Err(format!("{what}: job {job}, {event:?} at {} s", self.now));
        }
        self.jobs[job] = next.job;
        for effect in next.effects {
            let to_dependants = match effect {
                Effect::ReleaseDependants => Event::SourceSucceeded,
                Effect::EndDependants { reason } => Event::SourceEnded { reason },
                _ => continue,
            };
            for dependant in (SOURCES..JOBS).filter(|dependant| source_of(*dependant) == Some(job)) {
                self.happen(dependant, ClaimId([0; 16]), &|_| to_dependants.clone())?;
            }
        }
        Ok(true)
    }

    fn send(&mut self, (job, claim, _): Work, says: Says) {
        let copies = if self.fault(10) { 0 } else { 1 + u8::from(self.fault(10)) };
        for _ in 0..copies {
            let delay = if self.fault(20) { self.below(400) } else { self.below(3) };
            self.messages.push((self.now + delay, job, claim, says));
        }
    }

    fn worker_acts(&mut self, index: usize) -> Checked<()> {
        if self.fault(300) {
            let kept = self.workers[index].1.filter(|_| self.below(2) == 0);
            self.workers[index] = (self.random_session(), kept);
        }
        let (session_id, work) = self.workers[index];
        if self.now % HEARTBEAT_INTERVAL_S as i64 != 0 || self.fault(2) {
            return Ok(());
        }
        self.heard.insert(session_id, self.now);
        let Some(work) = work else { return Ok(()) };
        let returned = |claim_id| Event::WorkerReturned { claim_id, session_id };
        if !self.happen(work.0, work.1, &returned)? && !self.fault(4) {
            self.workers[index].1 = None;
        } else if work.2 <= self.now {
            self.send(work, |claim_id| Event::Completed { claim_id });
        }
        Ok(())
    }

    fn sweep(&mut self, job: usize) -> Checked<()> {
        let Some(lease) = self.jobs[job].state.lease().cloned() else { return Ok(()) };
        let silent_s = (self.now - self.heard.get(&lease.session_id).copied().unwrap_or(0)) as u64;
        let confirm_by = at(self.now - CONFIRM_WITHIN_S as i64);
        let says: Says = match self.jobs[job].state {
            JobState::Suspect { .. } if silent_s > LOST_AFTER_S => |claim_id| Event::WorkerLost { claim_id },
            JobState::Leased { leased_at, .. } if leased_at < confirm_by => {
                |claim_id| Event::ConfirmationTimedOut { claim_id }
            }
            _ if silent_s > SESSION_TTL_S => |claim_id| Event::SessionExpired { claim_id },
            _ => return Ok(()),
        };
        self.happen(job, lease.claim_id, &says).map(drop)
    }

    fn dispatch(&mut self) -> Checked<()> {
        let idle: Vec<_> = (0..WORKERS).filter(|index| self.workers[*index].1.is_none()).collect();
        let waiting = |index: &usize| WaitingWorker {
            worker: format!("node{index}/cpu0"),
            session_id: self.workers[*index].0,
            waiting_since: at(0),
            cached: Default::default(),
        };
        let waiting: Vec<_> = idle.iter().map(waiting).collect();
        let candidates: Vec<_> = (0..JOBS).filter_map(|job| candidate(job, &self.jobs[job])).collect();
        for assigned in assign(&waiting, &candidates, at(self.now)) {
            let job = usize::from(candidates[assigned.candidate].key.0[0]);
            let WaitingWorker { worker, session_id, .. } = waiting[assigned.worker].clone();
            let lease = Lease { claim_id: ClaimId(self.random_session().0.into_bytes()), session_id, worker };
            let claimed = |_| Event::Claimed { lease: lease.clone() };
            if self.happen(job, lease.claim_id, &claimed)? && !self.fault(10) {
                let work = (job, lease.claim_id, self.now + 20 + self.below(60));
                self.send(work, |claim_id| Event::Confirmed { claim_id });
                self.workers[idle[assigned.worker]].1 = Some(work);
            }
        }
        Ok(())
    }

    fn second(&mut self) -> Checked<()> {
        self.now += 1;
        (0..WORKERS).try_for_each(|index| self.worker_acts(index))?;
        let sent = mem::take(&mut self.messages).into_iter();
        let (due, later): (Vec<_>, _) = sent.partition(|(arrives, ..)| *arrives <= self.now);
        self.messages = later;
        due.into_iter().try_for_each(|(_, job, claim, says)| self.happen(job, claim, &says).map(drop))?;
        (0..JOBS).try_for_each(|job| self.sweep(job))?;
        self.dispatch()
    }
}

fn candidate(index: usize, job: &Job) -> Option<Candidate> {
    let JobState::Ready { not_before } = job.state else { return None };
    let (job_id, key) = (JobId(Uuid::from_bytes([index as u8; 16])), JobKey([index as u8; 32]));
    let (priority, flops, unlocks_flops, source_weights, avoid_worker) = (0, 1.0, 0.0, None, None);
    Some(Candidate { job_id, key, priority, flops, unlocks_flops, not_before, source_weights, avoid_worker })
}

#[test]
fn every_study_settles_and_no_promise_breaks_whatever_the_faults() {
    for seed in 0..100 {
        World::run(seed, true).unwrap_or_else(|what| panic!("seed {seed}: {what}"));
    }
}

#[test]
fn without_the_fence_the_simulation_fails() {
    let caught = (0..20).filter(|seed| World::run(*seed, false).is_err()).count();
    assert!(caught > 10, "only {caught} of 20 seeds saw an older attempt");
}
