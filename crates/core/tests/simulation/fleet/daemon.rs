//! A daemon: its session, its heartbeats, its calls until they are answered.

use std::{mem, time::Duration};

use selffer_core::{
    ids::SessionId,
    lease::{Order, Trust},
    limits::{HEARTBEAT_INTERVAL_S, LOST_AFTER_S, SESSION_TTL_S},
};

use super::{
    Happening, SECOND, World,
    letters::{Answer, Letter, Request},
    work::Work,
};
use crate::model::{Judged, Refusal, Without};

/// How long a call waits for its answer; one that asks for a job may be kept waiting.
const CALL_WITHIN: i64 = 10 * SECOND;
const CLAIM_WITHIN: i64 = 40 * SECOND;
/// How soon one that got none is repeated.
pub(super) const REPEAT: i64 = 2 * SECOND;
/// A worker that was silent for this long has given up: a tenth after its leases may be others',
/// and what it takes to notice.
const GIVES_UP_WITHIN: i64 = LOST_AFTER_S as i64 * 1_100 + CALL_WITHIN + REPEAT + 3 * SECOND;

/// What a daemon has under way, one call each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    Beat,
    Ask,
    Work,
}

/// A call that has not been answered.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) number: u32,
    pub(super) sent_at: i64,
    /// Over the connection to this one.
    pub(super) coordinator: usize,
    pub(super) request: Request,
}

/// One process.
#[derive(Clone, Debug)]
pub(super) struct Daemon {
    pub(super) node: usize,
    pub(super) session: SessionId,
    pub(super) coordinator: usize,
    pub(super) is_alive: bool,
    /// Ends in good order when its work has ended.
    pub(super) is_stopping: bool,
    pub(super) stopped_until: i64,
    /// Answers do not get here, and calls do not get out, until then.
    pub(super) deaf_until: i64,
    pub(super) mute_until: i64,
    pub(super) began_at: i64,
    pub(super) is_open: bool,
    pub(super) renewed_at: i64,
    pub(super) trust: Trust,
    pub(super) work: Option<Work>,
    pub(super) lanes: [Option<Call>; 3],
}

impl Daemon {
    /// Since when it runs and its calls get out.
    pub(super) fn reachable_since(&self) -> i64 {
        self.began_at.max(self.stopped_until).max(self.mute_until)
    }

    /// Whether it should have given up its work by now.
    pub(super) fn trains_in_vain(&self, now: i64) -> bool {
        let Some(work) = self.work.as_ref().filter(|_| self.is_alive) else { return false };
        let since = self.stopped_until.max(self.began_at).max(work.taken_at);
        now - since > CALL_WITHIN + REPEAT + 3 * SECOND && now - self.renewed_at > GIVES_UP_WITHIN
    }
}

impl World {
    /// A process starts, with what an earlier one left or with nothing.
    pub(super) fn daemon_starts(&mut self, node: usize, left: Option<Work>) {
        let session = self.random.session();
        let coordinator = self.random.below(self.coordinators.len());
        self.daemons.push(Daemon {
            node,
            session,
            coordinator,
            is_alive: true,
            is_stopping: false,
            stopped_until: 0,
            deaf_until: 0,
            mute_until: 0,
            began_at: self.now,
            is_open: false,
            renewed_at: self.now,
            trust: Trust::Sure,
            work: left,
            lanes: [const { None }; 3],
        });
        self.beat(self.daemons.len() - 1);
    }

    /// Makes a call and waits for its answer.
    pub(super) fn call(&mut self, index: usize, lane: Lane, request: Request) {
        self.calls += 1;
        let number = self.calls;
        let within = if matches!(request, Request::Claim(_)) { CLAIM_WITHIN } else { CALL_WITHIN };
        let daemon = &mut self.daemons[index];
        let Daemon { node, session, coordinator, .. } = *daemon;
        let call = Call { number, sent_at: self.now, coordinator, request: request.clone() };
        daemon.lanes[lane as usize] = Some(call);
        self.send(&Letter { daemon: index, node, session, call: number, request });
        self.after(within, Happening::Unanswered { daemon: index, call: number });
    }

    /// Makes the same call again after a while, if it is still wanted then.
    pub(super) fn call_again(&mut self, index: usize, lane: Lane, call: Call) {
        self.calls += 1;
        let number = self.calls;
        self.daemons[index].lanes[lane as usize] = Some(Call { number, sent_at: i64::MIN, ..call });
        self.after(REPEAT, Happening::Unanswered { daemon: index, call: number });
    }

    /// An answer, or that there is none. Those to calls that were answered or given up are not
    /// listened to.
    pub(super) fn answered(&mut self, index: usize, number: u32, answer: Answer) {
        let coordinators = self.coordinators.len();
        let daemon = &mut self.daemons[index];
        let lanes = [Lane::Beat, Lane::Ask, Lane::Work].into_iter();
        let is_its = |lane: &Lane| daemon.lanes[*lane as usize].as_ref().is_some_and(|c| c.number == number);
        let Some(lane) = lanes.into_iter().find(is_its) else { return };
        let Some(call) = mem::take(&mut daemon.lanes[lane as usize]).filter(|_| daemon.is_alive) else {
            return;
        };
        if call.sent_at == i64::MIN {
            // It was only waiting to be made again.
            return self.call(index, lane, call.request);
        }
        // The connection broke, if none of its other calls has noticed yet.
        if matches!(answer, Answer::None) && daemon.coordinator == call.coordinator {
            daemon.coordinator = (daemon.coordinator + 1) % coordinators;
        }
        match lane {
            Lane::Beat => self.beat_answered(index, &call, answer),
            Lane::Ask => self.asked(index, call, answer),
            Lane::Work => self.told(index, call, answer),
        }
    }

    /// Opens the session, or renews it with all that it holds.
    pub(super) fn beat(&mut self, index: usize) {
        let now = self.now;
        let daemon = &mut self.daemons[index];
        if !daemon.is_alive || daemon.lanes[Lane::Beat as usize].is_some() {
            return;
        }
        if !daemon.is_open {
            return self.call(index, Lane::Beat, Request::Open);
        }
        let items = daemon.work.iter_mut().map(|work| work.item(now)).collect();
        self.call(index, Lane::Beat, Request::Beat(items));
    }

    fn beat_answered(&mut self, index: usize, call: &Call, answer: Answer) {
        let daemon = &mut self.daemons[index];
        let pause = match (&call.request, answer) {
            (Request::Open, Answer::Done) => {
                daemon.is_open = true;
                daemon.renewed_at = call.sent_at;
                self.trust(index);
                self.after(1, Happening::AskDue { daemon: index });
                0
            }
            // Another process took over the name.
            (Request::Open, Answer::Refused(Refusal::SessionEnded)) => return self.daemon_ends(index),
            (Request::Beat(_), Answer::Judged(judged)) => {
                daemon.renewed_at = call.sent_at;
                let is_fresh = self.trust(index) == Trust::Sure;
                self.obey(index, &judged, call.sent_at);
                if is_fresh { HEARTBEAT_INTERVAL_S as i64 * SECOND } else { 0 }
            }
            (Request::Beat(_), Answer::Refused(Refusal::SessionEnded)) => {
                daemon.is_open = false;
                self.judge_silence(index);
                0
            }
            _ => {
                self.judge_silence(index);
                REPEAT
            }
        };
        self.after(pause, Happening::BeatDue { daemon: index });
    }

    fn trust(&mut self, index: usize) -> Trust {
        let now = self.now;
        let daemon = &mut self.daemons[index];
        let silence = Duration::from_millis((now - daemon.renewed_at) as u64);
        let (ttl, lost_after) = (Duration::from_secs(SESSION_TTL_S), Duration::from_secs(LOST_AFTER_S));
        daemon.trust = Trust::after(silence, ttl, lost_after);
        daemon.trust
    }

    fn judge_silence(&mut self, index: usize) {
        if self.trust(index) == Trust::Gone && self.without() != Without::GivingUp {
            self.drop_work(index);
        }
    }

    fn obey(&mut self, index: usize, judged: &[Judged], sent_at: i64) {
        for Judged { claim, verdict, points_stored } in judged {
            let work = self.daemons[index].work.as_mut().filter(|work| work.claim == *claim);
            let Some(work) = work else { continue };
            if verdict.affirms() {
                work.takes_no_points = *points_stored <= work.acknowledged;
                work.acknowledged = work.acknowledged.max(*points_stored);
                work.is_affirmed = true;
                if sent_at > self.ever.rolled_back_at {
                    self.shadow.points_acknowledged((work.job, work.attempt), *points_stored);
                }
            }
            work.order = work.order.max(verdict.order());
        }
        self.obey_order(index);
    }

    /// Asks for a job, or ends if it is to.
    pub(super) fn ask(&mut self, index: usize) {
        let daemon = &self.daemons[index];
        let is_busy = daemon.work.is_some() || daemon.lanes[Lane::Ask as usize].is_some();
        if !daemon.is_alive || !daemon.is_open || is_busy {
            return;
        }
        if daemon.is_stopping {
            return self.call(index, Lane::Ask, Request::Close);
        }
        let claim = self.random.claim();
        self.call(index, Lane::Ask, Request::Claim(claim));
    }

    fn asked(&mut self, index: usize, call: Call, answer: Answer) {
        let pause = match (&call.request, answer) {
            (Request::Close, _) => return self.daemon_ends(index),
            (Request::Claim(claim), Answer::Assigned(assignment)) => {
                return self.work_begins(index, *claim, &assignment);
            }
            (_, Answer::Nothing) => 1,
            (_, Answer::Refused(Refusal::StaleClaim)) => SECOND,
            _ if self.daemons[index].is_stopping => 1,
            // The same claim id again: a lost reply costs nothing.
            _ => return self.call_again(index, Lane::Ask, call),
        };
        self.after(pause, Happening::AskDue { daemon: index });
    }

    pub(super) fn daemon_ends(&mut self, index: usize) {
        let daemon = &mut self.daemons[index];
        daemon.is_alive = false;
        daemon.work = None;
    }

    /// It is told to stop: what it does ends after a checkpoint and is given back.
    pub(super) fn daemon_stops(&mut self, index: usize) {
        let daemon = &mut self.daemons[index];
        daemon.is_stopping = true;
        match &mut daemon.work {
            Some(work) => work.order = work.order.max(Order::Stop),
            None => return self.ask(index),
        }
        self.obey_order(index);
    }

    /// What of its work a process that was killed leaves on the node's disk.
    pub(super) fn left_behind(&self, index: usize) -> Option<Work> {
        let mut left = self.daemons[index].work.clone()?;
        left.is_left_at(self.now);
        Some(left)
    }
}
