//! Checkpoints: begun, published by one flip, dropped when newer ones are there, found damaged.

use chrono::{DateTime, Utc};
use selffer_core::{
    ids::{ClaimId, SessionId},
    interest::Interest,
    job::{Event, StateKind},
};

use super::{CheckpointRow, Kind, Model, Party, Refusal, Stage, Without};

/// Intermediate ones that are kept.
const KEPT: usize = 2;

impl Model {
    /// Announces a checkpoint; the same one again is the same row.
    pub(crate) fn begin_checkpoint(
        &mut self,
        (job, claim, session): (usize, ClaimId, SessionId),
        kind: Kind,
        iteration: u32,
    ) -> Result<u32, Refusal> {
        self.held(job, claim, session)?;
        let same =
            |row: &&CheckpointRow| row.claim == claim && row.kind == kind && row.iteration == iteration;
        if let Some(row) = self.checkpoints.iter().find(same) {
            return Ok(row.id);
        }
        if self.without == Without::KeepNewest {
            let newest = self.published(job).into_iter().max_by_key(|(order, _)| *order);
            self.checkpoints.retain(|row| newest.is_none_or(|(_, id)| row.id != id));
        }
        let id = self.count();
        self.checkpoints.push(CheckpointRow { id, job, claim, kind, stage: Stage::Begun, iteration });
        Ok(id)
    }

    /// Makes a checkpoint visible; one that is further than any before is progress.
    pub(crate) fn publish_checkpoint(
        &mut self,
        (job, claim, session): (usize, ClaimId, SessionId),
        id: u32,
        now: DateTime<Utc>,
    ) -> Result<(), Refusal> {
        let current = self.held(job, claim, session)?;
        let of_claim = |row: &&CheckpointRow| row.id == id && row.claim == claim;
        let row = self.checkpoints.iter().find(of_claim).filter(|row| row.stage != Stage::Quarantined);
        let (stage, iteration) = row.map(|row| (row.stage, row.iteration)).ok_or(Refusal::Missing)?;
        let reached = self
            .checkpoints
            .iter()
            .filter(|row| row.job == job && row.kind == Kind::Intermediate && row.stage != Stage::Begun);
        let reached = reached.map(|row| row.iteration).max().unwrap_or(0);
        if stage == Stage::Begun && iteration > reached {
            self.change(job, &Event::Progressed { claim_id: current }, now)?;
        }
        if stage == Stage::Begun {
            let order = self.count();
            let row = self.checkpoints.iter_mut().find(|row| row.id == id);
            row.ok_or(Refusal::Missing)?.stage = Stage::Published(order);
        }
        self.drop_older(job);
        Ok(())
    }

    // By the order of their publication.
    fn published(&self, job: usize) -> Vec<(u32, u32)> {
        let of_job = self.checkpoints.iter().filter(|row| row.job == job && row.kind == Kind::Intermediate);
        let published = of_job.filter_map(|row| match row.stage {
            Stage::Published(order) => Some((order, row.id)),
            _ => None,
        });
        published.collect()
    }

    // The newest stays, and of the others the furthest.
    fn drop_older(&mut self, job: usize) {
        let mut published = self.published(job);
        published.sort_unstable();
        let Some((_, newest)) = published.pop() else { return };
        let iteration =
            |id: u32| self.checkpoints.iter().find(|row| row.id == id).map_or(0, |row| row.iteration);
        published.sort_by_key(|(order, id)| (iteration(*id), *order));
        let others = published.len().saturating_sub(KEPT - 1);
        let dropped: Vec<u32> = published[..others].iter().map(|(_, id)| *id).collect();
        self.checkpoints.retain(|row| row.id == newest || !dropped.contains(&row.id));
    }

    /// A published checkpoint is damaged. If others have yet to copy from it, the network is
    /// trained again.
    pub(crate) fn quarantine_checkpoint(&mut self, id: u32, now: DateTime<Utc>) -> Result<bool, Refusal> {
        let row = self.checkpoints.iter_mut().find(|row| row.id == id && row.stage != Stage::Begun);
        let row = row.ok_or(Refusal::Missing)?;
        row.stage = Stage::Quarantined;
        let job = row.job;
        self.begins(Party::Worker);
        let attempt = self.jobs[job].succeeded_attempt;
        let is_result = attempt.is_some_and(|attempt| self.results.get(&(job, attempt)) == Some(&id));
        let is_open = |kind| {
            use StateKind as K;
            matches!(kind, K::Waiting | K::Ready | K::Leased | K::Running | K::Suspect)
        };
        let keeps = self.jobs[job].interest.is_some_and(Interest::keeps_jobs);
        let is_needed = is_result
            && keeps
            && self.jobs.iter().any(|row| {
                row.source == Some(job) && row.interest.is_some() && is_open(row.job.state.kind())
            });
        if is_needed && self.is_succeeded(job) {
            self.change(job, &Event::Reopened { source_ready: true }, now)?;
        }
        Ok(is_needed)
    }
}
