//! Heartbeats: a session renews, says what it holds, and hears what is still its own.

use chrono::{DateTime, Utc};
use selffer_core::{
    ids::{ClaimId, SessionId},
    job::{Event, Job, JobState, Lease, StateKind},
    lease::Verdict,
};

use super::{Model, Party, Refusal, Without};

/// What a daemon says of one job.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item {
    pub(crate) job: usize,
    pub(crate) claim: ClaimId,
    /// The sequences of its points that are not acknowledged: from, and up to before.
    pub(crate) points: (u32, u32),
}

/// The answer about one job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Judged {
    pub(crate) claim: ClaimId,
    pub(crate) verdict: Verdict,
    /// Every point with a smaller sequence is stored.
    pub(crate) points_stored: u32,
}

impl Model {
    /// The renewal, which commits by itself. Whether an earlier session of the node left jobs.
    pub(crate) fn renew(&mut self, session: SessionId, now: DateTime<Utc>) -> Result<bool, Refusal> {
        let row = self.sessions.get_mut(&session).filter(|row| !row.ended);
        let row = row.ok_or(Refusal::SessionEnded)?;
        row.expired = false;
        row.heard_at = now;
        Ok(row.inherits)
    }

    /// The whole of it.
    pub(crate) fn heartbeat(
        &mut self,
        session: SessionId,
        items: &[Item],
        now: DateTime<Utc>,
    ) -> Result<Vec<Judged>, Refusal> {
        let inherits = self.renew(session, now)?;
        let judged: Result<Vec<Judged>, Refusal> =
            items.iter().map(|item| self.judge(session, item, now)).collect();
        let judged = judged?;
        if inherits {
            self.lose_left_behind(session, now)?;
        }
        Ok(judged)
    }

    fn judge(&mut self, session: SessionId, item: &Item, now: DateTime<Utc>) -> Result<Judged, Refusal> {
        let claim = item.claim;
        let mut verdict = self.note_progress(session, item, now);
        if verdict.is_none() && self.take_back(session, item, now)? {
            verdict = self.note_progress(session, item, now);
        }
        let Some(verdict) = verdict else {
            self.resurrect(session, item, now);
            return Ok(Judged { claim, verdict: Verdict::Revoked, points_stored: 0 });
        };
        Ok(Judged { claim, verdict, points_stored: self.store_points(item) })
    }

    fn note_progress(&mut self, session: SessionId, item: &Item, now: DateTime<Utc>) -> Option<Verdict> {
        let row = &mut self.jobs[item.job];
        let lease = row.job.state.lease()?;
        let is_its = lease.claim_id == item.claim && lease.session_id == session;
        if !is_its || row.job.state.kind() == StateKind::Suspect {
            return None;
        }
        row.listed = Some((item.claim, now));
        Some(if row.withdrawn_at.is_some() { Verdict::Cancel } else { Verdict::Ok })
    }

    fn take_back(&mut self, session: SessionId, item: &Item, now: DateTime<Utc>) -> Result<bool, Refusal> {
        let lease = self.jobs[item.job].job.state.lease();
        let Some(lease) = lease.filter(|lease| lease.claim_id == item.claim) else { return Ok(false) };
        let (before, new) = (self.sessions.get(&lease.session_id), self.sessions.get(&session));
        let succeeds = before
            .zip(new)
            .is_some_and(|(before, new)| before.node == new.node && before.ended && !new.ended);
        if lease.session_id != session && !succeeds {
            return Ok(false);
        }
        self.begins(Party::Worker);
        let event = Event::WorkerReturned { claim_id: item.claim, session_id: session };
        self.change(item.job, &event, now)?;
        Ok(true)
    }

    // What is stored is skipped, and a gap ends it.
    fn store_points(&mut self, item: &Item) -> u32 {
        let Some(attempt) = self.attempts.get(&item.claim) else { return 0 };
        let key = (attempt.job, attempt.number);
        let (from, to) = item.points;
        let stored = self.curves.get(&key).and_then(|curve| curve.last()).map(|last| last + 1);
        if from == to && stored.is_none() {
            return 0;
        }
        let start = match self.without {
            Without::Sequence => from,
            _ => stored.unwrap_or(from),
        };
        if from > start || to <= start {
            return start;
        }
        self.curves.entry(key).or_default().extend(start..to);
        to
    }

    /// What the node's earlier sessions held and this one did not take over is lost.
    fn lose_left_behind(&mut self, session: SessionId, now: DateTime<Utc>) -> Result<(), Refusal> {
        let node = self.sessions.get(&session).map(|row| row.node);
        for job in 0..self.jobs.len() {
            let state = &self.jobs[job].job.state;
            let Some(lease) = state.lease().filter(|_| state.kind() == StateKind::Suspect) else { continue };
            let before = self.sessions.get(&lease.session_id);
            if before.is_some_and(|before| Some(before.node) == node && before.ended) {
                let claim_id = lease.claim_id;
                self.begins(Party::Worker);
                self.change(job, &Event::WorkerLost { claim_id }, now)?;
            }
        }
        if let Some(row) = self.sessions.get_mut(&session) {
            row.inherits = false;
        }
        Ok(())
    }

    // Only the broken variant does.
    fn resurrect(&mut self, session: SessionId, item: &Item, now: DateTime<Utc>) {
        let before = self.jobs[item.job].job.clone();
        if self.without == Without::UnknownLease && before.state.kind().is_terminal() {
            let lease = Lease { claim_id: item.claim, session_id: session, worker: String::new() };
            let after = Job { state: JobState::Running { lease, started_at: now }, ..before.clone() };
            let event = Event::WorkerReturned { claim_id: item.claim, session_id: session };
            self.force(item.job, before, after, event);
        }
    }
}
