//! Sessions: opened, superseded, closed.

use chrono::{DateTime, Utc};
use selffer_core::{
    ids::SessionId,
    job::{Event, GiveBackReason, StateKind},
};

use super::{Model, Party, Refusal, SessionRow, Without};

impl Model {
    /// Opens a session and supersedes the node's earlier one. A repeat changes nothing.
    pub(crate) fn open_session(
        &mut self,
        session: SessionId,
        node: usize,
        now: DateTime<Utc>,
    ) -> Result<(), Refusal> {
        match self.sessions.get(&session) {
            Some(known) if known.ended => return Err(Refusal::SessionEnded),
            Some(_) => return Ok(()),
            None => {}
        }
        self.begins(Party::Worker);
        let mut inherits = false;
        let living = |row: &SessionRow| row.node == node && !row.ended;
        let before = self.sessions.iter_mut().find(|(_, row)| living(row));
        if let Some((before, row)) = before.filter(|_| self.without != Without::Supersede) {
            let before = *before;
            row.ended = true;
            self.suspect_jobs_of(before, now)?;
            inherits = !self.held_by(before).is_empty();
        }
        let row = SessionRow { node, ended: false, expired: false, heard_at: now, inherits };
        self.sessions.insert(session, row);
        Ok(())
    }

    /// Ends a session in good order; what it still holds is given back.
    pub(crate) fn close_session(&mut self, session: SessionId, now: DateTime<Utc>) -> Result<(), Refusal> {
        let Some(row) = self.sessions.get_mut(&session).filter(|row| !row.ended) else { return Ok(()) };
        row.ended = true;
        self.begins(Party::Worker);
        for job in self.held_by(session) {
            let Some(claim_id) = self.jobs[job].job.state.lease().map(|lease| lease.claim_id) else {
                continue;
            };
            let reason = GiveBackReason::WorkerStopping;
            self.change(job, &Event::GivenBack { claim_id, reason }, now)?;
        }
        Ok(())
    }

    /// The jobs that a session holds.
    pub(crate) fn held_by(&self, session: SessionId) -> Vec<usize> {
        let is_held =
            |job: &usize| self.jobs[*job].job.state.lease().is_some_and(|lease| lease.session_id == session);
        (0..self.jobs.len()).filter(is_held).collect()
    }

    pub(super) fn suspect_jobs_of(&mut self, session: SessionId, now: DateTime<Utc>) -> Result<(), Refusal> {
        for job in self.held_by(session) {
            let state = &self.jobs[job].job.state;
            let Some(claim_id) = state.lease().map(|lease| lease.claim_id) else { continue };
            if state.kind() != StateKind::Suspect {
                self.change(job, &Event::SessionExpired { claim_id }, now)?;
            }
        }
        Ok(())
    }
}
