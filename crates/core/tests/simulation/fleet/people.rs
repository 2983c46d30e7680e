//! What people do: they submit studies that share networks, pause, resume, stop and cancel
//! them, cancel and retry single jobs; and their submissions come twice.

use selffer_core::interest::InterestChange;

use super::{Checked, FAULTS_UNTIL, Happening, SECOND, SETTLES_FROM, World};
use crate::random::Random;

/// Studies of these jobs: one wants all of them, the others some, with their sources.
pub(super) fn studies(
    random: &mut Random,
    jobs: usize,
    source_of: &dyn Fn(usize) -> Option<usize>,
) -> Vec<Vec<usize>> {
    let mut studies = vec![(0..jobs).collect::<Vec<_>>()];
    for _ in 0..1 + random.below(2) {
        let some: Vec<usize> = (0..jobs).filter(|_| random.one_in(2)).collect();
        let sources = some.iter().filter_map(|job| source_of(*job));
        let mut all: Vec<usize> = sources.chain(some.iter().copied()).collect();
        all.sort_unstable();
        all.dedup();
        studies.push(all);
    }
    studies
}

impl World {
    /// A person does something.
    pub(super) fn person_acts(&mut self) -> Checked<()> {
        if self.now >= SETTLES_FROM {
            self.after(300 * SECOND, Happening::ActDue);
            self.nobody_is_missing();
            return (0..self.database.model.studies.len()).try_for_each(|study| self.submit_anew(study));
        }
        if self.now < FAULTS_UNTIL {
            let pause = self.random.between(5 * SECOND, 60 * SECOND);
            self.after(pause, Happening::ActDue);
        }
        let study = self.random.below(self.database.model.studies.len());
        let job = self.random.below(self.database.model.jobs.len());
        if self.database.model.studies[study].interest.is_none() {
            return self.submit_anew(study);
        }
        if self.is_away() {
            return Ok(());
        }
        match self.random.below(10) {
            0 => self.change_interest(study, InterestChange::Pause),
            1 => self.change_interest(study, InterestChange::Resume),
            2 => self.change_interest(study, InterestChange::Stop),
            3 => self.change_interest(study, InterestChange::Cancel),
            4 => self.cancel_job(job),
            5 => self.retry_job(job),
            6 => return Ok(()),
            _ => return self.submit_anew(study),
        }
        Ok(())
    }

    fn submit_anew(&mut self, study: usize) -> Checked<()> {
        self.requests += 1;
        self.submit(self.requests, study)
    }

    /// A submission; the same one may come again, however late.
    pub(super) fn submit(&mut self, request: u64, study: usize) -> Checked<()> {
        if self.fault(3) {
            let late = self.random.between(SECOND, 200 * SECOND);
            self.after(late, Happening::SubmittedAgain { request, study });
        }
        if self.is_away() || self.fault(20) {
            return Ok(());
        }
        let now = self.database_now();
        let is_repeat = self.database.model.requests.contains_key(&request);
        let answer = self.database.model.submit(request, study, now);
        let answer = answer.map_err(|refusal| format!("a study could not be submitted: {refusal:?}"))?;
        self.shadow.submitted(request, answer)?;
        if !is_repeat {
            let jobs = self.database.model.studies[study].jobs.clone();
            self.shadow.wanted_again(&jobs);
        }
        Ok(())
    }

    // Twice, as when the answer to the first was lost.
    fn change_interest(&mut self, study: usize, change: InterestChange) {
        let now = self.database_now();
        for _ in 0..1 + usize::from(self.fault(3)) {
            let _ = self.database.model.change_interest(study, change, now);
        }
    }

    fn cancel_job(&mut self, job: usize) {
        let now = self.database_now();
        let model = &mut self.database.model;
        let is_open = model.jobs[job].interest.is_some() && !model.jobs[job].job.state.kind().is_terminal();
        if is_open && model.cancel_job(job, now).is_ok() {
            self.shadow.cancelled(job);
        }
    }

    fn retry_job(&mut self, job: usize) {
        let now = self.database_now();
        let source = self.database.model.jobs[job].source;
        if self.database.model.retry_job(job, now).is_ok() {
            self.shadow.wanted_again(&[job]);
            self.shadow.wanted_again(source.as_slice());
        }
    }
}
