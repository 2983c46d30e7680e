//! A coordinator: it answers calls and sweeps. Nobody elects one: all sweep at once, which the
//! guards of every row make a waste, not a fault.

use std::time::Duration;

use selffer_core::{
    brake::{Allowed, Brake, Patience, Sight},
    ids::ClaimId,
    job::Failure,
    limits::{LOST_AFTER_S, SESSION_TTL_S},
};

use super::{
    Checked, Happening, SECOND, World,
    letters::{Answer, Letter, Request, Says},
};
use crate::model::{Due, Overdue, Refusal, Without};

const SWEEP_EVERY: i64 = 3 * SECOND;

/// A worker that waits for a job in a coordinator.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) letter: Letter,
    pub(super) claim: ClaimId,
    pub(super) since: i64,
}

/// One process; `life` tells it from the one before.
#[derive(Debug)]
pub(super) struct Coordinator {
    pub(super) life: u32,
    pub(super) is_up: bool,
    pub(super) stopped_until: i64,
    pub(super) waiting: Vec<Waiting>,
    pub(super) dispatches_soon: bool,
    began_at: i64,
    brake: Brake,
}

fn brake() -> Brake {
    let patience =
        Patience { ttl: Duration::from_secs(SESSION_TTL_S), lost_after: Duration::from_secs(LOST_AFTER_S) };
    Brake::new(patience, Duration::ZERO)
}

impl Coordinator {
    pub(super) fn new() -> Self {
        Self {
            life: 0,
            is_up: false,
            stopped_until: 0,
            waiting: Vec::new(),
            dispatches_soon: false,
            began_at: 0,
            brake: brake(),
        }
    }

    /// Nothing of it is left but which life the next one is.
    pub(super) fn is_killed(&mut self) {
        *self = Self { life: self.life, ..Self::new() };
    }

    pub(super) fn is_stopped(&mut self, until: i64) {
        self.stopped_until = self.stopped_until.max(until);
    }

    // The program's own clock.
    fn ran_for(&self, now: i64) -> Duration {
        Duration::from_millis((now - self.began_at) as u64)
    }
}

impl World {
    pub(super) fn coordinator_starts(&mut self, index: usize) {
        let coordinator = &mut self.coordinators[index];
        if coordinator.is_up {
            return;
        }
        let life = coordinator.life + 1;
        *coordinator = Coordinator { life, is_up: true, began_at: self.now, ..Coordinator::new() };
        let pause = self.random.between(0, SWEEP_EVERY);
        self.after(pause, Happening::SweepDue { coordinator: index, life });
    }

    pub(super) fn lives(&self, index: usize, life: u32) -> bool {
        let coordinator = &self.coordinators[index];
        coordinator.is_up && coordinator.life == life
    }

    /// A request arrives. Its transaction may be cut off, or its commit's answer lost.
    pub(super) fn arrives(&mut self, index: usize, letter: &Letter) -> Checked<()> {
        let is_refused = !self.coordinators[index].is_up || self.is_away();
        if is_refused || self.fault(4 * self.trouble_one_in) {
            self.reply(letter, Answer::None);
            return Ok(());
        }
        let is_unknown = self.fault(4 * self.trouble_one_in);
        let Some(answer) = self.serve(index, letter)? else { return Ok(()) };
        self.reply(letter, if is_unknown { Answer::None } else { answer });
        Ok(())
    }

    fn serve(&mut self, index: usize, letter: &Letter) -> Checked<Option<Answer>> {
        let (now, session) = (self.database_now(), letter.session);
        let done = |result: Result<(), Refusal>| match result {
            Ok(()) => Answer::Done,
            Err(refusal) => Answer::Refused(refusal),
        };
        Ok(Some(match &letter.request {
            Request::Open => done(self.database.model.open_session(session, letter.node, now)),
            Request::Close => {
                let closed = self.database.model.close_session(session, now);
                self.wake(index);
                done(closed)
            }
            Request::Beat(items) => {
                // The renewal commits by itself.
                if self.fault(6 * self.trouble_one_in) {
                    let _ = self.database.model.renew(session, now);
                    return Ok(Some(Answer::None));
                }
                match self.database.model.heartbeat(session, items, now) {
                    Ok(judged) => {
                        self.shadow.heard(session, self.now);
                        let current = judged.iter().filter(|one| one.verdict.affirms());
                        let current: Vec<ClaimId> = current.map(|one| one.claim).collect();
                        self.shadow.listed(&current, self.now);
                        Answer::Judged(judged)
                    }
                    Err(refusal) => Answer::Refused(refusal),
                }
            }
            Request::Claim(claim) => match self.database.model.assignment(*claim, session) {
                Ok(Some(assignment)) => Answer::Assigned(assignment),
                Ok(None) => {
                    self.waits(index, letter.clone(), *claim);
                    return Ok(None);
                }
                Err(refusal) => Answer::Refused(refusal),
            },
            Request::About(job, claim, says) => {
                let answer = self.hear((*job, *claim), letter, *says);
                self.wake(index);
                answer
            }
        }))
    }

    fn hear(&mut self, (job, claim): (usize, ClaimId), letter: &Letter, says: Says) -> Answer {
        let (now, session) = (self.database_now(), letter.session);
        let model = &mut self.database.model;
        let holder = (job, claim, session);
        let done = match says {
            Says::Confirmed => model.confirm(job, claim, session, now),
            Says::Begun { kind, iteration } => {
                return match model.begin_checkpoint(holder, kind, iteration) {
                    Ok(id) => Answer::Begun(id),
                    Err(refusal) => Answer::Refused(refusal),
                };
            }
            Says::Published { id } => model.publish_checkpoint(holder, id, now),
            Says::Failed(class) => model.fail(holder, &Failure { class, message: String::new() }, now),
            Says::GivenBack => model.give_back(holder, now),
            Says::Completed { checkpoint } => model.complete(holder, checkpoint, now),
        };
        if !self.database.model.later.is_empty() {
            self.after(50, Happening::ReleasesLater);
        }
        match done {
            Ok(()) => Answer::Done,
            Err(refusal) => Answer::Refused(refusal),
        }
    }

    /// Looks for what is overdue, unless the brake holds it.
    pub(super) fn sweep(&mut self, index: usize, life: u32) {
        if !self.lives(index, life) {
            return;
        }
        let ran_for = self.coordinators[index].ran_for(self.now);
        let rows = if self.is_away() {
            self.coordinators[index].brake.disturbed(ran_for);
            Vec::new()
        } else {
            self.overdue(index, ran_for)
        };
        if rows.is_empty() {
            self.after(SWEEP_EVERY, Happening::SweepDue { coordinator: index, life });
        } else {
            self.next_row(index, life, (self.now, rows));
        }
    }

    fn overdue(&mut self, index: usize, ran_for: Duration) -> Vec<Due> {
        let as_of = self.database_now();
        let (model, bounds) = (&self.database.model, &self.bounds);
        let mut found = model.withdrawn(bounds, as_of);
        let (live, silent) = model.liveness(bounds, as_of);
        let sight = Sight { database_now: as_of, live, silent };
        let allowed = match model.without {
            Without::Brake => Allowed::Loss,
            _ => self.coordinators[index].brake.allows(sight, ran_for),
        };
        found.extend(model.silent(bounds, as_of, allowed));
        let due = |what: Overdue| Due { what, claim: model.claim_of(what), as_of };
        found.into_iter().map(due).collect()
    }

    // The process may be stopped at any row.
    fn next_row(&mut self, index: usize, life: u32, (looked_at, rows): (i64, Vec<Due>)) {
        if self.fault(20) {
            let lasting = self.random.between(SECOND, 400 * SECOND);
            self.coordinators[index].is_stopped(self.now + lasting);
        }
        let pause = self.random.between(1, 20);
        self.after(pause, Happening::RowDue { coordinator: index, life, looked_at, rows });
    }

    /// Takes up one row of a sweep.
    pub(super) fn sweep_row(
        &mut self,
        index: usize,
        life: u32,
        (looked_at, mut rows): (i64, Vec<Due>),
    ) -> Checked<()> {
        if !self.lives(index, life) {
            return Ok(());
        }
        let ran_for = self.coordinators[index].ran_for(self.now);
        if self.is_away() {
            self.coordinators[index].brake.disturbed(ran_for);
            rows.clear();
        }
        if let Some(due) = rows.pop() {
            self.check_brake(&due, looked_at)?;
            self.sweeps_a_session = matches!(due.what, Overdue::Session(_));
            let now = self.database_now();
            let taken = self.database.model.take_up(&due, &self.bounds, now);
            taken.map_err(|refusal| format!("I9: taken away before its time: {due:?} {refusal:?}"))?;
            self.wake(index);
        }
        if rows.is_empty() {
            self.after(SWEEP_EVERY, Happening::SweepDue { coordinator: index, life });
        } else {
            self.next_row(index, life, (looked_at, rows));
        }
        Ok(())
    }
}
