//! The promises, looked at after every event: what was just done, and how everything stands.
//!
//! They are judged by what was seen from outside (what was acknowledged, who was heard when),
//! not by what the rows say of themselves. A database that was rolled back takes with it what
//! it had acknowledged since.

use std::collections::{BTreeMap, BTreeSet};

use selffer_core::{
    ids::{AttemptNumber, ClaimId, SessionId},
    interest::Interest,
    job::{Event, StateKind},
    limits::{CONFIRM_WITHIN_S, LOST_AFTER_S, SESSION_TTL_S},
};

use super::{Checked, SECOND, World};
use crate::model::{Change, Due, Kind, Model, Party, Stage, is_held_for_source};

const TTL: i64 = SESSION_TTL_S as i64 * SECOND;
const LOST_AFTER: i64 = LOST_AFTER_S as i64 * SECOND;
/// What the brake takes for no jump of the clock, and somewhat more.
const TOLERANCE: i64 = TTL / 2 + 2 * SECOND;

/// What was seen and acknowledged; goes back with the database.
#[derive(Clone, Debug)]
pub(super) struct Shadow {
    answers: BTreeMap<u64, u32>,
    points: BTreeMap<(usize, AttemptNumber), u32>,
    successes: BTreeSet<(usize, AttemptNumber)>,
    claims: BTreeMap<ClaimId, usize>,
    /// When, in true time, a session was last heard, and a job was last handed out and listed.
    heard: BTreeMap<SessionId, i64>,
    leased: Vec<i64>,
    listed: Vec<i64>,
    cancelled: Vec<bool>,
    fruitless: Vec<u32>,
    newest: Vec<Option<u32>>,
}

/// What is remembered whatever becomes of the database.
#[derive(Debug, Default)]
pub(super) struct Ever {
    /// When the clock last jumped far, or the rows went back.
    pub(super) jumped_at: i64,
    /// The end of the last outage that was long enough for everybody to notice.
    pub(super) outage_ended_at: i64,
    pub(super) rolled_back_at: i64,
}

impl Shadow {
    pub(super) fn new(jobs: usize) -> Self {
        Self {
            answers: BTreeMap::new(),
            points: BTreeMap::new(),
            successes: BTreeSet::new(),
            claims: BTreeMap::new(),
            heard: BTreeMap::new(),
            leased: vec![0; jobs],
            listed: vec![0; jobs],
            cancelled: vec![false; jobs],
            fruitless: vec![0; jobs],
            newest: vec![None; jobs],
        }
    }

    pub(super) fn submitted(&mut self, request: u64, answer: u32) -> Checked<()> {
        match self.answers.insert(request, answer) {
            Some(before) if before != answer => {
                Err(format!("I1: one request was carried out twice: {request}"))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn points_acknowledged(&mut self, of: (usize, AttemptNumber), stored: u32) {
        let known = self.points.entry(of).or_default();
        *known = stored.max(*known);
    }

    pub(super) fn success_acknowledged(&mut self, of: (usize, AttemptNumber)) {
        self.successes.insert(of);
    }

    pub(super) fn heard(&mut self, session: SessionId, now: i64) {
        self.heard.insert(session, now);
    }

    pub(super) fn listed(&mut self, claims: &[ClaimId], now: i64) {
        for job in claims.iter().filter_map(|claim| self.claims.get(claim)) {
            self.listed[*job] = now;
        }
    }

    pub(super) fn cancelled(&mut self, job: usize) {
        self.cancelled[job] = true;
    }

    pub(super) fn wanted_again(&mut self, jobs: &[usize]) {
        jobs.iter().for_each(|job| self.cancelled[*job] = false);
    }
}

/// A broken promise and where it is.
pub(super) fn told(what: &str, place: &str) -> String {
    format!("{what}: {place}")
}

fn gets_nowhere(event: &Event) -> bool {
    matches!(event, Event::AttemptFailed { failure, .. } if !failure.class.is_ours())
}

impl World {
    pub(super) fn shadow_of_outage(&mut self, lasting: i64, until: i64) {
        if lasting >= 30 * SECOND {
            self.ever.outage_ended_at = until;
        }
    }

    /// Looks at everything.
    pub(super) fn check(&mut self) -> Checked<()> {
        if !self.rows_may_differ {
            return self.check_daemons();
        }
        for change in std::mem::take(&mut self.database.model.journal) {
            self.check_change(&change).map_err(|what| told(&what, &format!("{change:?}")))?;
        }
        self.check_jobs()?;
        self.check_sessions()?;
        self.check_daemons()
    }

    fn check_change(&mut self, change: &Change) -> Checked<()> {
        let Change { job, said, by, event, before, after } = change;
        let job = *job;
        let lease = before.state.lease();
        let opens = after.attempt != before.attempt;
        let is_reopened = matches!(event, Event::Reopened { .. });
        self.shadow.fruitless[job] = match event {
            Event::Progressed { .. } | Event::Reopened { .. } => 0,
            _ => self.shadow.fruitless[job] + u32::from(gets_nowhere(event)),
        };
        if matches!(event, Event::Completed { .. }) {
            // It was faster than its cancellation; others that copy from it may need it again.
            self.shadow.cancelled[job] = false;
        }
        let is_tried_on = gets_nowhere(event) && after.state.kind() == StateKind::Ready;
        let model = &self.database.model;
        let is_early = model.jobs[job].source.is_some_and(|source| !model.is_succeeded(source));
        let may_start = model.wanted(job) == Some(Interest::Active) && !self.shadow.cancelled[job];
        let broken = [
            (opens && before.state.kind() != StateKind::Ready, "I3: claimed twice"),
            (
                before.state.kind().is_terminal() && !is_reopened && after != before,
                "I2: a terminal state changed",
            ),
            (
                said.is_some_and(|said| lease.is_none_or(|lease| lease.claim_id != said)),
                "I3: an older attempt was heard",
            ),
            (opens && is_early, "I4: started before its source"),
            (opens && !may_start, "I8: started although nobody may start it"),
            (is_tried_on && self.shadow.fruitless[job] > 2, "I5: tried on although it gets nowhere"),
            (
                after.budgets.job > before.budgets.job && *by != Party::Worker,
                "I9: our fault used up the job's own budget",
            ),
        ];
        if let Some((_, what)) = broken.iter().find(|(is_broken, _)| *is_broken) {
            return Err((*what).to_owned());
        }
        if let (true, Some(claim)) = (opens, after.state.lease().map(|lease| lease.claim_id)) {
            self.shadow.leased[job] = self.now;
            if self.shadow.claims.insert(claim, job).is_some() {
                return Err("I3: one claim got two jobs".to_owned());
            }
        }
        if *by == Party::Sweeper { self.check_taken(change) } else { Ok(()) }
    }

    /// What silence took away was silent long enough, by a clock that nobody moves.
    fn check_taken(&self, change: &Change) -> Checked<()> {
        let Some(lease) = change.before.state.lease() else { return Ok(()) };
        let silent = self.now - self.shadow.heard.get(&lease.session_id).copied().unwrap_or(i64::MIN / 2);
        let is_calm = self.now - self.ever.jumped_at > LOST_AFTER + TTL;
        let leased = self.now - self.shadow.leased[change.job];
        let unlisted = leased.min(self.now - self.shadow.listed[change.job]);
        let is_early = match change.event {
            // A job that its living session has forgotten is no matter of silence.
            Event::SessionExpired { .. } if self.sweeps_a_session => silent < TTL - TOLERANCE,
            Event::ConfirmationTimedOut { .. } => leased < CONFIRM_WITHIN_S as i64 * SECOND - TOLERANCE,
            Event::WorkerLost { .. } => is_calm && silent.max(unlisted) < LOST_AFTER - TOLERANCE,
            _ => false,
        };
        if is_early {
            return Err("I9: taken away before its time".to_owned());
        }
        // Whose name another process took over is told to end.
        let is_superseded =
            self.database.model.sessions.get(&lease.session_id).is_some_and(|session| session.ended);
        let is_lost = matches!(change.event, Event::WorkerLost { .. }) && !is_superseded;
        let has_it = self.daemons.iter().any(|daemon| {
            let works = daemon.work.as_ref().is_some_and(|work| work.claim == lease.claim_id);
            daemon.is_alive && works && self.now - daemon.reachable_since() > LOST_AFTER + TTL
        });
        if is_lost && has_it { Err("I9: a living worker lost its job".to_owned()) } else { Ok(()) }
    }

    /// Before a row of a sweep that looked at this moment is taken up: not at once after an
    /// outage of ours, when nobody could be heard.
    pub(super) fn check_brake(&self, due: &Due, looked_at: i64) -> Checked<()> {
        let since = looked_at - self.ever.outage_ended_at;
        let is_silence =
            !matches!(due.what, crate::model::Overdue::Withdrawal(_) | crate::model::Overdue::Unwanted(_));
        if is_silence && self.ever.outage_ended_at > 0 && (0..TTL - TOLERANCE).contains(&since) {
            return Err(told("I9: expired right after an outage of ours", &format!("{due:?}")));
        }
        Ok(())
    }

    fn check_jobs(&mut self) -> Checked<()> {
        let model = &self.database.model;
        let mut leases = 0;
        for job in 0..model.jobs.len() {
            if model.jobs[job].interest.is_none() {
                continue;
            }
            leases += usize::from(model.jobs[job].job.state.lease().is_some());
            if let Some(what) = broken_row(model, job) {
                return Err(told(what, &format!("job {job}: {:?}", model.jobs[job])));
            }
        }
        if model.open.len() != leases {
            return Err(told("I3: open attempts are not the leases", &format!("{:?}", model.open)));
        }
        self.check_curves()?;
        self.check_newest()
    }

    // Nobody can add to an attempt that has ended; what came before the last two was looked at.
    fn check_curves(&self) -> Checked<()> {
        let model = &self.database.model;
        for attempt in model.open.iter().filter_map(|claim| model.attempts.get(claim)) {
            let of = (attempt.job, attempt.number);
            let curve = model.curves.get(&of).map_or(&[][..], Vec::as_slice);
            if matches!(curve, [.., before, last] if *last != before + 1) {
                return Err(told("I7: a point is stored twice or missing", &format!("{of:?}")));
            }
            let stored = curve.last().map_or(0, |last| last + 1);
            if self.shadow.points.get(&of).is_some_and(|acknowledged| *acknowledged > stored) {
                return Err(told("I7: acknowledged points are gone", &format!("{of:?}")));
            }
        }
        Ok(())
    }

    fn check_newest(&mut self) -> Checked<()> {
        let model = &self.database.model;
        for job in 0..model.jobs.len() {
            let rows =
                || model.checkpoints.iter().filter(|row| row.job == job && row.kind == Kind::Intermediate);
            let published = rows().filter(|row| matches!(row.stage, Stage::Published(_)));
            let newest = published.max_by_key(|row| match row.stage {
                Stage::Published(order) => order,
                _ => 0,
            });
            let known = self.shadow.newest[job];
            let is_there = known.is_none_or(|known| rows().any(|row| row.id == known));
            if newest.is_none() && !is_there && !model.is_succeeded(job) {
                return Err(told("I6: the newest checkpoint is gone", &format!("job {job}")));
            }
            self.shadow.newest[job] = newest.map(|row| row.id).or(known.filter(|_| is_there));
        }
        Ok(())
    }

    fn check_sessions(&self) -> Checked<()> {
        let mut living = BTreeSet::new();
        for row in self.database.model.sessions.values().filter(|row| !row.ended) {
            if !living.insert(row.node) {
                return Err(told("I3: two sessions of one node live", &format!("node {}", row.node)));
            }
        }
        Ok(())
    }

    fn check_daemons(&self) -> Checked<()> {
        match self.daemons.iter().find(|daemon| daemon.trains_in_vain(self.now)) {
            Some(daemon) => {
                Err(told("I10: trains on although its lease is lost", &format!("node {}", daemon.node)))
            }
            None => Ok(()),
        }
    }

    /// What must be true once everything is trained.
    pub(super) fn check_end(&self) -> Checked<()> {
        let model = &self.database.model;
        let lost = self.shadow.answers.keys().find(|request| !model.requests.contains_key(request));
        if let Some(request) = lost {
            return Err(format!("I1: an acknowledged request is gone: {request}"));
        }
        let lost = self.shadow.successes.iter().find(|success| !model.results.contains_key(success));
        if let Some(success) = lost {
            return Err(format!("I4: an acknowledged result is gone: {success:?}"));
        }
        let lost = self.shadow.points.iter().find(|(of, acknowledged)| {
            let stored = model.curves.get(of).and_then(|curve| curve.last()).map_or(0, |last| last + 1);
            stored < **acknowledged
        });
        if let Some((of, _)) = lost {
            return Err(format!("I7: acknowledged points are gone: {of:?}"));
        }
        if model.open.is_empty() { Ok(()) } else { Err(format!("I10: attempts leak: {:?}", model.open)) }
    }
}

/// What is wrong with a job's row, if anything is.
fn broken_row(model: &Model, job: usize) -> Option<&'static str> {
    use StateKind as K;
    let row = &model.jobs[job];
    let kind = row.job.state.kind();
    let source = row.source.map(|source| model.jobs[source].job.state.kind());
    let has_ended = |kind| matches!(kind, K::Failed | K::Cancelled | K::Held);
    let keeps = row.interest.is_some_and(Interest::keeps_jobs);
    let session = row.job.state.lease().and_then(|lease| model.sessions.get(&lease.session_id));
    let lives = session.is_some_and(|session| !session.ended && !session.expired);
    let attempt = row.job.state.lease().and_then(|lease| model.attempts.get(&lease.claim_id));
    let fits = attempt.is_some_and(|attempt| attempt.job == job && attempt.number == row.job.attempt);
    let published = model.checkpoints.iter().filter(|row| {
        row.job == job && row.kind == Kind::Intermediate && matches!(row.stage, Stage::Published(_))
    });
    let waits_in_vain = kind == K::Waiting && source == Some(K::Succeeded);
    let broken = [
        (waits_in_vain, "I4: waits for a source that is trained"),
        (kind == K::Waiting && source.is_some_and(has_ended), "I5: waits for a source that has ended"),
        (
            is_held_for_source(&row.job) && !source.is_some_and(has_ended),
            "I5: is held for a source that has not ended",
        ),
        (kind == K::Ready && source.is_some_and(|kind| kind != K::Succeeded), "I4: ready without its source"),
        (matches!(kind, K::Leased | K::Running) && !lives, "I10: at work for a session that does not live"),
        (row.job.state.lease().is_some() && !fits, "I3: a lease without its attempt"),
        (matches!(kind, K::Waiting | K::Ready | K::Held) && !keeps, "I8: left although nobody wants it"),
        (published.count() > 2, "I10: checkpoints pile up"),
    ];
    broken.iter().find(|(is_broken, _)| *is_broken).map(|(_, what)| *what)
}
