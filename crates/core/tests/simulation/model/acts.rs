//! What people do: submit, pause, resume, stop, cancel, retry.

use chrono::{DateTime, Utc};
use selffer_core::{
    interest::{Interest, InterestChange},
    job::{Event, JobState, StateKind},
};

use super::{Model, Party, Refusal, Without};

impl Model {
    /// Submits a study, or revives it. The number of the answer is the same for a repeat.
    pub(crate) fn submit(&mut self, request: u64, study: usize, now: DateTime<Utc>) -> Result<u32, Refusal> {
        if let Some(answer) = self.requests.get(&request)
            && self.without != Without::RequestId
        {
            return Ok(*answer);
        }
        self.begins(Party::Person);
        let jobs = self.studies[study].jobs.clone();
        self.studies[study].interest = Some(Interest::Active);
        for &job in &jobs {
            self.place(job, now);
        }
        self.settle(&jobs, now);
        self.want_again(&jobs);
        self.reopen(&jobs, now)?;
        let answer = self.count();
        self.requests.insert(request, answer);
        Ok(answer)
    }

    // A job that is not there yet; its source comes before it.
    fn place(&mut self, job: usize, now: DateTime<Utc>) {
        if self.jobs[job].interest.is_some() {
            return;
        }
        let is_ready = self.jobs[job].source.is_none_or(|source| self.is_succeeded(source));
        let row = &mut self.jobs[job];
        row.interest = Some(Interest::Active);
        row.since = now;
        row.job.state = if is_ready { JobState::Ready { not_before: now } } else { JobState::Waiting };
    }

    /// Changes a study's interest and cancels what nobody wants any more.
    pub(crate) fn change_interest(
        &mut self,
        study: usize,
        change: InterestChange,
        now: DateTime<Utc>,
    ) -> Result<(), Refusal> {
        self.begins(Party::Person);
        let interest = self.studies[study].interest.ok_or(Refusal::Missing)?;
        let next = interest.after(change).map_err(|_| Refusal::InterestGone)?;
        if next == interest {
            return Ok(());
        }
        self.studies[study].interest = Some(next);
        let jobs = self.studies[study].jobs.clone();
        self.settle(&jobs, now);
        let unwanted = jobs.into_iter().filter(|job| self.is_unwanted(*job)).collect();
        self.change_all(unwanted, &Event::Cancelled, now)
    }

    fn is_unwanted(&self, job: usize) -> bool {
        use StateKind as K;
        let kind = self.jobs[job].job.state.kind();
        match self.jobs[job].interest {
            Some(Interest::Stopped) => matches!(kind, K::Waiting | K::Ready | K::Held),
            Some(Interest::Cancelled) => matches!(kind, K::Waiting | K::Ready | K::Held | K::Leased),
            _ => false,
        }
    }

    fn settle(&mut self, jobs: &[usize], now: DateTime<Utc>) {
        for &job in jobs {
            let wanted = self.wanted(job);
            let row = &mut self.jobs[job];
            if row.interest == wanted {
                continue;
            }
            row.interest = wanted;
            let is_at_work = matches!(row.job.state.kind(), StateKind::Running | StateKind::Suspect);
            if wanted == Some(Interest::Cancelled) && is_at_work {
                row.withdrawn_at = row.withdrawn_at.or(Some(now));
            }
        }
    }

    fn want_again(&mut self, jobs: &[usize]) {
        for &job in jobs {
            if self.jobs[job].interest != Some(Interest::Cancelled) {
                self.jobs[job].withdrawn_at = None;
            }
        }
    }

    /// Cancels a job for all studies that want it.
    pub(crate) fn cancel_job(&mut self, job: usize, now: DateTime<Utc>) -> Result<(), Refusal> {
        self.begins(Party::Person);
        let row = &mut self.jobs[job];
        match row.job.state.kind() {
            kind if kind.is_terminal() => Ok(()),
            StateKind::Running | StateKind::Suspect => {
                row.withdrawn_at = row.withdrawn_at.or(Some(now));
                Ok(())
            }
            _ => self.change(job, &Event::Cancelled, now),
        }
    }

    /// Lets a job that ended without success start anew, with its source if that must too.
    pub(crate) fn retry_job(&mut self, job: usize, now: DateTime<Utc>) -> Result<(), Refusal> {
        self.begins(Party::Person);
        if !self.jobs[job].interest.is_some_and(Interest::keeps_jobs) {
            return Err(Refusal::Unwanted);
        }
        self.want_again(&[job]);
        self.reopen(&[job], now)
    }

    fn reopen(&mut self, jobs: &[usize], now: DateTime<Utc>) -> Result<(), Refusal> {
        let closed: Vec<usize> = jobs.iter().copied().filter(|job| self.is_closed(*job)).collect();
        let sources = closed.iter().filter_map(|job| self.jobs[*job].source);
        let sources: Vec<usize> = sources.filter(|source| self.is_closed(*source)).collect();
        let mut all: Vec<usize> = closed.into_iter().chain(sources).collect();
        all.sort_by_key(|job| (self.jobs[*job].source.is_some(), *job));
        all.dedup();
        for is_source in [true, false] {
            for source_ready in [true, false] {
                let some = all.iter().copied().filter(|job| {
                    let source = self.jobs[*job].source;
                    let is_ready = source.is_none_or(|source| self.is_succeeded(source));
                    self.is_closed(*job) && source.is_none() == is_source && is_ready == source_ready
                });
                let some: Vec<usize> = some.collect();
                self.change_all(some, &Event::Reopened { source_ready }, now)?;
            }
        }
        self.reopen_lost_sources(jobs, now)
    }

    fn is_closed(&self, job: usize) -> bool {
        let kind = self.jobs[job].job.state.kind();
        matches!(kind, StateKind::Failed | StateKind::Cancelled | StateKind::Held)
    }

    fn reopen_lost_sources(&mut self, jobs: &[usize], now: DateTime<Utc>) -> Result<(), Refusal> {
        for &job in jobs {
            let is_ready = self.jobs[job].job.state.kind() == StateKind::Ready;
            let Some(source) = self.jobs[job].source.filter(|_| is_ready) else { continue };
            if self.is_succeeded(source) && !self.final_is_sound(source) {
                self.change(source, &Event::Reopened { source_ready: true }, now)?;
            }
        }
        Ok(())
    }
}
