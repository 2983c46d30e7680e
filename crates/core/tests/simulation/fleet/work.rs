//! What a daemon does with a lease: confirm, train, checkpoint, upload, tell how it ended.
//!
//! An iteration takes a second, so how far a training is follows from the clock.

use selffer_core::{
    ids::{AttemptNumber, ClaimId},
    job::FailureClass,
    lease::{Order, Trust},
};

use super::{
    Happening, SECOND, World,
    daemon::{Call, Lane},
    letters::{Answer, Request, Says},
};
use crate::model::{Assignment, Item, Kind, Refusal};

const CHECKPOINT_EVERY: u32 = 15;
const ITERATIONS_PER_POINT: u32 = 4;
/// A trainer that gets no further for this long is stalled.
const STALLED_AFTER: i64 = 330 * SECOND;
/// The longest that fetching takes.
const FETCHING_MAX: i64 = 8 * SECOND;
/// What trainers end with by themselves.
const ENDS: [FailureClass; 6] = [
    FailureClass::Invalid,
    FailureClass::TrainerError,
    FailureClass::Diverged,
    FailureClass::OutOfMemory,
    FailureClass::Hardware,
    FailureClass::Infrastructure,
];

/// How far a daemon is with a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Confirming,
    /// An earlier process left it; the coordinator must say that it is still ours.
    Left,
    Training,
    /// It is to end after a checkpoint.
    Stopping,
    /// Trained; the final checkpoint goes up.
    Finishing,
    /// That is published; the points must be there too.
    Flushing {
        checkpoint: u32,
    },
    /// Tells how it ended.
    Last,
}

/// A checkpoint on its way; its row once it was announced.
#[derive(Clone, Copy, Debug)]
struct Upload {
    kind: Kind,
    iteration: u32,
    id: Option<u32>,
}

/// What a training comes to, if nobody ends it.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Finishes,
    Fails(FailureClass, u32),
    Hangs(u32),
}

/// A lease and what was made of it.
#[derive(Clone, Debug)]
pub(super) struct Work {
    pub(super) job: usize,
    pub(super) claim: ClaimId,
    pub(super) attempt: AttemptNumber,
    pub(super) is_affirmed: bool,
    pub(super) order: Order,
    stage: Stage,
    upload: Option<Upload>,
    first_point: u32,
    pub(super) acknowledged: u32,
    /// The last answer took none of the points: after a rollback there is a gap for ever.
    pub(super) takes_no_points: bool,
    pub(super) taken_at: i64,
    /// The newest checkpoint on this disk, and the newest that is published.
    local: u32,
    published: u32,
    step: u32,
    made: u32,
    total: u32,
    begun_at: i64,
    from: u32,
    fate: Fate,
    hangs: bool,
}

impl Work {
    /// Updates done.
    pub(super) fn iteration(&self, now: i64) -> u32 {
        if self.stage != Stage::Training {
            return self.local;
        }
        let done = self.from + ((now - self.begun_at).max(0) / SECOND) as u32;
        match self.fate {
            Fate::Hangs(at) => done.min(at.max(self.from)),
            _ => done.min(self.total),
        }
    }

    /// What a heartbeat says of it.
    pub(super) fn item(&mut self, now: i64) -> Item {
        self.make_points(now);
        Item { job: self.job, claim: self.claim, points: (self.acknowledged, self.made) }
    }

    /// The process that had it was killed at this moment.
    pub(super) fn is_left_at(&mut self, now: i64) {
        self.make_points(now);
        self.local = self.local.max(self.iteration(now));
        // The file has all points; which of them are stored, nobody here knows any more.
        self.acknowledged = self.first_point;
        self.is_affirmed = false;
        self.upload = None;
        self.stage = Stage::Left;
        self.step += 1;
    }

    fn make_points(&mut self, now: i64) {
        self.made = self.made.max(self.iteration(now) / ITERATIONS_PER_POINT);
    }

    /// When something is next due: a checkpoint, its end, what befalls it.
    fn due_at(&self, now: i64) -> i64 {
        let iteration = self.iteration(now);
        let checkpoint = (iteration / CHECKPOINT_EVERY + 1) * CHECKPOINT_EVERY;
        let next = match self.fate {
            Fate::Fails(_, at) | Fate::Hangs(at) => checkpoint.min(at.max(self.from)),
            Fate::Finishes => checkpoint.min(self.total),
        };
        self.begun_at + i64::from(next.saturating_sub(self.from)) * SECOND
    }
}

impl World {
    /// A job was assigned; it is confirmed at once.
    pub(super) fn work_begins(&mut self, index: usize, claim: ClaimId, assignment: &Assignment) {
        let &Assignment { job, attempt, resume_iteration } = assignment;
        let first_point = resume_iteration / ITERATIONS_PER_POINT;
        let work = Work {
            job,
            claim,
            attempt,
            is_affirmed: true,
            order: Order::GoOn,
            stage: Stage::Confirming,
            upload: None,
            first_point,
            acknowledged: first_point,
            takes_no_points: false,
            taken_at: self.now,
            local: resume_iteration,
            published: resume_iteration,
            step: 0,
            made: first_point,
            total: 35 + 20 * (job as u32 % 5),
            begun_at: self.now,
            from: resume_iteration,
            fate: Fate::Finishes,
            hangs: false,
        };
        self.daemons[index].work = Some(work);
        self.say(index, Says::Confirmed);
        if self.daemons[index].is_stopping {
            self.daemon_stops(index);
        }
    }

    fn say(&mut self, index: usize, says: Says) {
        let Some(work) = &self.daemons[index].work else { return };
        let request = Request::About(work.job, work.claim, says);
        self.call(index, Lane::Work, request);
    }

    fn train(&mut self, index: usize) {
        let fetching = self.random.between(0, FETCHING_MAX);
        let (fails, hangs) = (self.fault(self.fails_one_in), self.fault(40));
        // In one fleet much the same goes wrong again and again.
        let class = ENDS[(self.fails_with + self.random.below(3)) % ENDS.len()];
        let now = self.now;
        let Some(work) = &self.daemons[index].work else { return };
        let left = work.total.saturating_sub(work.local) as usize;
        let at = work.local + self.random.below(left + 1) as u32;
        let Some(work) = &mut self.daemons[index].work else { return };
        work.stage = Stage::Training;
        work.from = work.local;
        work.begun_at = now + fetching;
        work.fate = match (fails, hangs) {
            (true, _) => Fate::Fails(class, at),
            (_, true) => Fate::Hangs(at),
            _ => Fate::Finishes,
        };
        self.work_due_at(index, None);
    }

    fn work_due_at(&mut self, index: usize, at: Option<i64>) {
        let now = self.now;
        let Some(work) = &mut self.daemons[index].work else { return };
        work.step += 1;
        let (step, at) = (work.step, at.unwrap_or_else(|| work.due_at(now)).max(now));
        self.at(at, Happening::WorkDue { daemon: index, step });
    }

    /// Something of a training is due.
    pub(super) fn work_due(&mut self, index: usize, step: u32) {
        let now = self.now;
        let daemon = &mut self.daemons[index];
        let Some(work) = daemon.work.as_mut().filter(|work| work.step == step) else { return };
        if !daemon.is_alive || work.stage != Stage::Training {
            return;
        }
        work.make_points(now);
        let iteration = work.iteration(now);
        match work.fate {
            Fate::Fails(class, at) if iteration >= at => return self.end(index, Says::Failed(class)),
            Fate::Hangs(_) if work.hangs => {
                return self.end(index, Says::Failed(FailureClass::Stalled));
            }
            Fate::Hangs(at) if iteration >= at => {
                work.hangs = true;
                return self.work_due_at(index, Some(now + STALLED_AFTER));
            }
            _ => {}
        }
        work.local = iteration;
        if iteration >= work.total {
            work.stage = Stage::Finishing;
            return self.upload(index, Kind::Final);
        }
        // One at a time: of those that come meanwhile the newest is next.
        if work.upload.is_none() {
            self.upload(index, Kind::Intermediate);
        }
        self.work_due_at(index, None);
    }

    fn upload(&mut self, index: usize, kind: Kind) {
        let daemon = &mut self.daemons[index];
        let Some(work) = &mut daemon.work else { return };
        if kind == Kind::Intermediate && work.local == 0 {
            return;
        }
        let iteration = work.local;
        work.upload = Some(Upload { kind, iteration, id: None });
        self.say(index, Says::Begun { kind, iteration });
    }

    // Not while the session may have expired.
    fn publish(&mut self, index: usize) {
        let daemon = &self.daemons[index];
        let upload = daemon.work.as_ref().and_then(|work| work.upload);
        let Some(id) = upload.and_then(|upload| upload.id) else { return };
        if daemon.trust == Trust::Sure && daemon.lanes[Lane::Work as usize].is_none() {
            self.say(index, Says::Published { id });
        }
    }

    fn end(&mut self, index: usize, says: Says) {
        let now = self.now;
        let Some(work) = &mut self.daemons[index].work else { return };
        work.local = work.iteration(now);
        work.stage = Stage::Last;
        work.upload = None;
        self.say(index, says);
    }

    /// Its work is over, or not its own any more: the trainer ends, nothing more is said.
    pub(super) fn drop_work(&mut self, index: usize) {
        let daemon = &mut self.daemons[index];
        if daemon.work.take().is_some() {
            daemon.lanes[Lane::Work as usize] = None;
            self.after(100, Happening::AskDue { daemon: index });
        }
    }

    /// Does what it was ordered to, and what had to wait for a heartbeat.
    pub(super) fn obey_order(&mut self, index: usize) {
        let now = self.now;
        let Some(work) = &mut self.daemons[index].work else { return };
        match (work.order, work.stage) {
            (Order::Drop, _) => self.drop_work(index),
            (_, Stage::Left) if !work.is_affirmed => {}
            (Order::Stop, Stage::Confirming | Stage::Left) => self.end(index, Says::GivenBack),
            (Order::Stop, Stage::Training) => {
                work.make_points(now);
                work.local = work.iteration(now);
                work.stage = Stage::Stopping;
                if work.upload.is_none() {
                    self.stop(index);
                } else {
                    self.publish(index);
                }
            }
            (_, Stage::Left) if work.local >= work.total => {
                work.stage = Stage::Finishing;
                self.upload(index, Kind::Final);
            }
            (_, Stage::Left) => self.train(index),
            (_, Stage::Flushing { .. }) => self.complete(index),
            _ => self.publish(index),
        }
    }

    fn stop(&mut self, index: usize) {
        let Some(work) = &self.daemons[index].work else { return };
        if work.local > work.published {
            self.upload(index, Kind::Intermediate);
        } else {
            self.end(index, Says::GivenBack);
        }
    }

    // Every point is there first.
    fn complete(&mut self, index: usize) {
        let Some(work) = &mut self.daemons[index].work else { return };
        let Stage::Flushing { checkpoint } = work.stage else { return };
        if work.acknowledged >= work.made || work.takes_no_points {
            work.stage = Stage::Last;
            self.say(index, Says::Completed { checkpoint });
        }
    }

    /// An answer about a job.
    pub(super) fn told(&mut self, index: usize, call: Call, answer: Answer) {
        let Request::About(_, claim, says) = call.request else { return };
        let Some(work) = self.daemons[index].work.as_mut().filter(|work| work.claim == claim) else {
            return;
        };
        match (says, answer) {
            (_, Answer::Refused(Refusal::StaleClaim)) => self.drop_work(index),
            (Says::Confirmed, Answer::Done) if work.stage == Stage::Confirming => self.train(index),
            (Says::Begun { .. }, Answer::Begun(id)) => {
                if let Some(upload) = &mut work.upload {
                    upload.id = Some(id);
                }
                self.publish(index);
            }
            (Says::Published { .. }, Answer::Done) => self.published(index),
            (Says::Failed(_) | Says::GivenBack, Answer::Done) => self.drop_work(index),
            (Says::Completed { .. }, Answer::Done) => {
                let success = (work.job, work.attempt);
                if call.sent_at > self.ever.rolled_back_at {
                    self.shadow.success_acknowledged(success);
                }
                self.drop_work(index);
            }
            // It was found damaged, or a database that was rolled back has forgotten it.
            (Says::Published { .. }, Answer::Refused(Refusal::Missing))
            | (Says::Completed { .. }, Answer::Refused(Refusal::NotPublished)) => {
                self.end(index, Says::Failed(FailureClass::Infrastructure));
            }
            // The next heartbeat finds out more.
            (Says::Published { .. }, _) if self.daemons[index].trust != Trust::Sure => {}
            _ => self.call_again(index, Lane::Work, call),
        }
    }

    fn published(&mut self, index: usize) {
        let Some(work) = &mut self.daemons[index].work else { return };
        let Some(upload) = work.upload.take() else { return };
        work.published = work.published.max(upload.iteration);
        match (work.stage, upload.id) {
            (Stage::Training, _) if work.local > work.published => self.upload(index, Kind::Intermediate),
            (Stage::Stopping, _) => self.stop(index),
            (Stage::Finishing, Some(checkpoint)) if upload.kind == Kind::Final => {
                work.stage = Stage::Flushing { checkpoint };
                work.takes_no_points = false;
                self.complete(index);
            }
            // An intermediate one was still on its way when the training ended.
            (Stage::Finishing, _) => self.upload(index, Kind::Final),
            _ => {}
        }
    }
}
