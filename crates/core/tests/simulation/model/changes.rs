//! A change of state with everything that follows from it, in one transaction.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};
use selffer_core::{
    ids::ClaimId,
    interest::Interest,
    job::{Effect, Event, Job, JobState, StateKind, apply, heard_of_source},
};

use super::{AttemptRow, Change, Model, Refusal, Without, is_held_for_source};

/// A job's part of a change.
struct Step {
    index: usize,
    before: Job,
    after: Job,
    effects: Vec<Effect>,
}

impl Step {
    fn is_change(&self) -> bool {
        self.before != self.after
    }
}

impl Model {
    /// Applies `event` to one job, and what follows to others.
    pub(super) fn change(&mut self, job: usize, event: &Event, now: DateTime<Utc>) -> Result<(), Refusal> {
        self.change_all(vec![job], event, now)
    }

    /// The same for several.
    pub(super) fn change_all(
        &mut self,
        jobs: Vec<usize>,
        event: &Event,
        now: DateTime<Utc>,
    ) -> Result<(), Refusal> {
        let mut queue = VecDeque::from([(jobs, event.clone())]);
        while let Some((jobs, event)) = queue.pop_front() {
            let said = self.said.take();
            let steps: Result<Vec<Step>, Refusal> =
                jobs.into_iter().map(|index| self.decide(index, &event, now)).collect();
            let steps = steps?;
            let mut unwanted = Vec::new();
            let mut written = Vec::new();
            for step in steps.iter().filter(|step| step.is_change()) {
                let is_unwanted = self.came_back_unwanted(step);
                self.write(step, said, &event, now);
                if is_unwanted { unwanted.push(step.index) } else { written.push(step.index) }
            }
            if !unwanted.is_empty() {
                queue.push_back((unwanted, Event::Cancelled));
            }
            if event != Event::SourceSucceeded && self.without != Without::News {
                queue.extend(self.news(&written));
            }
            for step in &steps {
                for effect in &step.effects {
                    queue.extend(self.carry_out(step, effect));
                }
            }
        }
        Ok(())
    }

    fn decide(&self, index: usize, event: &Event, now: DateTime<Utc>) -> Result<Step, Refusal> {
        let before = self.jobs[index].job.clone();
        let next = apply(&self.policy, &before, event, now).map_err(|_| Refusal::NotPossible)?;
        Ok(Step { index, before, after: next.job, effects: next.effects })
    }

    fn write(&mut self, step: &Step, said: Option<ClaimId>, event: &Event, now: DateTime<Utc>) {
        let row = &mut self.jobs[step.index];
        let after = &step.after;
        row.since = match after.state {
            JobState::Leased { leased_at: at, .. }
            | JobState::Running { started_at: at, .. }
            | JobState::Suspect { since: at, .. } => at,
            _ => now,
        };
        if !matches!(after.state.kind(), StateKind::Running | StateKind::Suspect) {
            row.withdrawn_at = None;
        }
        row.succeeded_attempt = (after.state == JobState::Succeeded).then_some(after.attempt);
        row.job = after.clone();
        self.journal.push(Change {
            job: step.index,
            said,
            by: self.by,
            event: event.clone(),
            before: step.before.clone(),
            after: after.clone(),
        });
    }

    // A job that a worker had, that nobody wants any more and that has not ended.
    fn came_back_unwanted(&self, step: &Step) -> bool {
        let row = &self.jobs[step.index];
        let came_back = step.before.state.lease().is_some() && step.after.state.lease().is_none();
        let is_unwanted = row.withdrawn_at.is_some() || !row.interest.is_some_and(Interest::keeps_jobs);
        came_back && is_unwanted && !step.after.state.kind().is_terminal()
    }

    /// What these jobs must hear of their sources, or their sources because of them.
    fn news(&self, written: &[usize]) -> Vec<(Vec<usize>, Event)> {
        let mut news: Vec<(Vec<usize>, Event)> = Vec::new();
        let mut reopened = Vec::new();
        for &job in written {
            let Some(source) = self.jobs[job].source else { continue };
            let (state, of_source) = (&self.jobs[job].job.state, &self.jobs[source].job.state);
            let is_damaged = *of_source == JobState::Succeeded && !self.final_is_sound(source);
            match state.kind() {
                StateKind::Ready if is_damaged && !reopened.contains(&source) => {
                    reopened.push(source);
                    news.push((vec![source], Event::Reopened { source_ready: true }));
                }
                StateKind::Ready | StateKind::Waiting if !is_damaged => {
                    news.extend(heard_of_source(state, of_source).map(|event| (vec![job], event)));
                }
                _ => {}
            }
        }
        news
    }

    fn carry_out(&mut self, step: &Step, effect: &Effect) -> Option<(Vec<usize>, Event)> {
        let source = step.index;
        let (dependants, event) = match effect {
            Effect::OpenAttempt => {
                let claim = step.after.state.lease()?.claim_id;
                let row = AttemptRow { job: source, number: step.after.attempt, outcome: None };
                self.attempts.insert(claim, row);
                self.open.insert(claim);
                return None;
            }
            Effect::CloseAttempt { outcome, .. } => {
                let claim = step.before.state.lease()?.claim_id;
                self.attempts.get_mut(&claim)?.outcome = Some(*outcome);
                self.open.remove(&claim);
                return None;
            }
            Effect::ReleaseDependants if self.without == Without::ReleaseTogether => {
                self.later.push(source);
                return None;
            }
            Effect::ReleaseDependants => (self.waiting_for(source), Event::SourceSucceeded),
            Effect::EndDependants { reason } => {
                (self.waiting_for(source), Event::SourceEnded { reason: reason.clone() })
            }
            Effect::ReopenDependants => {
                (self.dependants(source, is_held_for_source), Event::Reopened { source_ready: false })
            }
            Effect::WithholdDependants if self.without == Without::Withholding => return None,
            Effect::WithholdDependants => {
                (self.dependants(source, |job| job.state.kind() == StateKind::Ready), Event::SourceLost)
            }
        };
        (!dependants.is_empty()).then_some((dependants, event))
    }

    /// Those that wait for this source.
    pub(crate) fn waiting_for(&self, source: usize) -> Vec<usize> {
        self.dependants(source, |job| job.state == JobState::Waiting)
    }

    fn dependants(&self, source: usize, which: impl Fn(&Job) -> bool) -> Vec<usize> {
        let rows = self.jobs.iter().enumerate();
        let fitting =
            rows.filter(|(_, row)| row.source == Some(source) && row.interest.is_some() && which(&row.job));
        fitting.map(|(index, _)| index).collect()
    }

    /// The second half of a completion whose first half forgot it; for `ReleaseTogether`.
    pub(crate) fn release_later(&mut self, now: DateTime<Utc>) {
        for source in std::mem::take(&mut self.later) {
            let waiting = self.waiting_for(source);
            let _ = self.change_all(waiting, &Event::SourceSucceeded, now);
        }
    }
}
