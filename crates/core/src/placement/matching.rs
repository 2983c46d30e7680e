//! Who could do what at once: a matching of jobs with workers that may take them.
//!
//! A job that is placed stays placed; on whom is open until it is settled. So a job that many
//! may take never stands in the way of one that only a few may. (Kuhn's augmenting paths: jobs
//! placed in their order are the best set of jobs that can start together.)

/// A matching under construction. Jobs and workers are indices.
pub(super) struct Matching<'a> {
    may_take: &'a dyn Fn(usize, usize) -> bool,
    /// By worker.
    job_of: Vec<Option<usize>>,
    /// By worker: its job is final.
    settled: Vec<bool>,
}

impl<'a> Matching<'a> {
    /// Nobody has anything yet. `may_take(job, worker)` says who may.
    pub(super) fn new(workers: usize, may_take: &'a dyn Fn(usize, usize) -> bool) -> Self {
        Self { may_take, job_of: vec![None; workers], settled: vec![false; workers] }
    }

    /// Whether everybody has a job.
    pub(super) fn is_full(&self) -> bool {
        self.job_of.iter().all(Option::is_some)
    }

    /// Whether the job could be placed beside all that are.
    pub(super) fn place(&mut self, job: usize) -> bool {
        let mut seen = self.settled.clone();
        self.place_on_one_of_the_rest(job, &mut seen)
    }

    /// Whether the job, which is placed, can be this worker's while all the others stay placed;
    /// from then on it is.
    pub(super) fn settle(&mut self, job: usize, worker: usize) -> bool {
        if self.settled[worker] || !(self.may_take)(job, worker) {
            return false;
        }
        let before = self.job_of.clone();
        for held in &mut self.job_of {
            held.take_if(|held| *held == job);
        }
        let displaced = self.job_of[worker].replace(job);
        self.settled[worker] = true;
        if displaced.is_none_or(|displaced| self.place(displaced)) {
            return true;
        }
        self.settled[worker] = false;
        self.job_of = before;
        false
    }

    fn place_on_one_of_the_rest(&mut self, job: usize, seen: &mut [bool]) -> bool {
        let workers = 0..self.job_of.len();
        let may = |worker: &usize| (self.may_take)(job, *worker);
        let free = |worker: &usize| self.job_of[*worker].is_none() && !self.settled[*worker] && may(worker);
        if let Some(worker) = workers.clone().find(free) {
            self.job_of[worker] = Some(job);
            return true;
        }
        for worker in workers {
            if seen[worker] || !(self.may_take)(job, worker) {
                continue;
            }
            seen[worker] = true;
            let Some(held) = self.job_of[worker] else { continue };
            if self.place_on_one_of_the_rest(held, seen) {
                self.job_of[worker] = Some(job);
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_many_may_take_makes_way_for_one_that_few_may() {
        // Job 0 may go anywhere, jobs 1 and 2 only to worker 0.
        let may_take = |job: usize, worker: usize| job == 0 || worker == 0;
        let mut matching = Matching::new(3, &may_take);
        assert!(matching.place(0) && matching.place(1));
        assert!(!matching.place(2));
        assert!(!matching.is_full());
        assert_eq!(matching.job_of, [Some(1), Some(0), None]);
    }

    #[test]
    fn a_job_is_settled_only_where_all_the_others_still_have_a_place() {
        let may_take = |job: usize, worker: usize| job == 0 || worker == 0;
        let mut matching = Matching::new(2, &may_take);
        assert!(matching.place(0) && matching.place(1));
        assert!(!matching.settle(0, 0), "job 1 has no other place");
        assert!(matching.settle(0, 1) && matching.settle(1, 0));
        assert!(!matching.settle(0, 0), "it is taken");
    }
}
