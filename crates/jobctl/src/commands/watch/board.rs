//! A watched study as this program knows it: what it was told last, and what changed.

use std::collections::BTreeMap;

use selffer_core::{interest::Interest, job::StateKind};

use crate::{
    client::{JobView, StudyView, WatchView},
    exit::Exit,
};

/// The study and its jobs, by name, in the order of the study.
pub(crate) struct Board {
    study: StudyView,
    jobs: Vec<JobView>,
    index_of: BTreeMap<String, usize>,
}

/// A job whose state changed, worth a line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Change {
    /// The job as it is now.
    pub(crate) job: JobView,
    /// Its state before.
    pub(crate) before: StateKind,
}

impl Board {
    /// From the first message, which holds all jobs.
    pub(crate) fn new(first: WatchView) -> Self {
        let index_of = first.jobs.iter().enumerate().map(|(index, job)| (job.name.clone(), index)).collect();
        Self { study: first.study, jobs: first.jobs, index_of }
    }

    /// Takes in a later message; answers the jobs whose state changed.
    pub(crate) fn update(&mut self, update: WatchView) -> Vec<Change> {
        self.study = update.study;
        let mut changes = Vec::new();
        for job in update.jobs {
            let Some(&index) = self.index_of.get(&job.name) else {
                self.index_of.insert(job.name.clone(), self.jobs.len());
                self.jobs.push(job);
                continue;
            };
            let before = std::mem::replace(&mut self.jobs[index], job.clone()).state;
            if before != job.state {
                changes.push(Change { job, before });
            }
        }
        changes
    }

    /// The study.
    pub(crate) fn study(&self) -> &StudyView {
        &self.study
    }

    /// All its jobs.
    pub(crate) fn jobs(&self) -> &[JobView] {
        &self.jobs
    }

    /// The jobs that are on workers now.
    pub(crate) fn running(&self) -> impl Iterator<Item = &JobView> {
        self.jobs.iter().filter(|job| is_on_a_worker(job.state))
    }

    /// Training images a second of all running jobs together.
    pub(crate) fn images_per_s(&self) -> f64 {
        self.running().map(|job| f64::from(job.images_per_s)).sum()
    }

    /// How many jobs are in this state.
    pub(crate) fn count(&self, state: StateKind) -> usize {
        self.jobs.iter().filter(|job| job.state == state).count()
    }

    /// Whether nothing will happen any more unless a person acts: every job has ended, is
    /// held, or goes on only for other studies. The first messages of a large study tell only
    /// part of its jobs; until all are told, it is not settled.
    pub(crate) fn is_settled(&self) -> bool {
        let all_are_told = self.jobs.len() >= self.study.jobs() as usize;
        let settled = |job: &JobView| job.state.is_terminal() || job.state == StateKind::Held;
        all_are_told && (self.study.ended || self.jobs.iter().all(settled))
    }

    /// The exit code of a settled study.
    pub(crate) fn exit(&self) -> Exit {
        if self.count(StateKind::Succeeded) == self.jobs.len() {
            Exit::Ok
        } else if self.study.interest == Interest::Cancelled {
            Exit::Cancelled
        } else if self.count(StateKind::Failed) + self.count(StateKind::Held) > 0 {
            Exit::FailedJobs
        } else {
            // Some were cancelled by themselves, or left to other studies.
            Exit::Cancelled
        }
    }
}

/// Whether a worker has the job, as far as is known.
pub(crate) fn is_on_a_worker(state: StateKind) -> bool {
    matches!(state, StateKind::Leased | StateKind::Running | StateKind::Suspect)
}

#[cfg(test)]
pub(crate) mod tests {
    use chrono::DateTime;
    use selffer_core::{
        ids::{Digest, JobKey},
        job::Phase,
        spec::Half,
    };

    use super::*;

    /// A base network in this state.
    pub(crate) fn job(name: &str, state: StateKind) -> JobView {
        JobView {
            name: name.to_owned(),
            key: JobKey(Digest::of(name.as_bytes()).0),
            state,
            phase: (state == StateKind::Running).then_some(Phase::Training),
            attempt: 1,
            worker: Some("node/cpu0".to_owned()),
            iteration: 320,
            iterations: 800,
            images_per_s: 412.4,
            top1: Some(0.625),
            reason: None,
            eta_s: Some(75.0),
            split: "random-0".to_owned(),
            treatment: "base".to_owned(),
            layers_copied: 0,
            source: None,
            target: Half::A,
            seed: 0,
            images_per_class: None,
            result: None,
        }
    }

    /// A study whose work is this far.
    pub(crate) fn study(work_done: f64) -> StudyView {
        StudyView {
            name: "demo".to_owned(),
            dataset: "fashion-mnist".to_owned(),
            pack_digest: Digest::of(b"pack"),
            network: "caffenet-28-slim".to_owned(),
            created_at: DateTime::UNIX_EPOCH,
            counts: BTreeMap::new(),
            work_total: 100.0,
            work_done,
            eta_s: Some(185.0),
            elapsed_s: 60.0,
            interest: Interest::Active,
            interest_reason: None,
            interest_since: DateTime::UNIX_EPOCH,
            parallel_max: None,
            deadline: None,
            priority: 0,
            ended: false,
        }
    }

    /// A board with these jobs.
    pub(crate) fn board(jobs: Vec<JobView>) -> Board {
        let mut study = study(40.0);
        for job in &jobs {
            *study.counts.entry(job.state).or_default() += 1;
        }
        Board::new(WatchView { study, jobs })
    }

    #[test]
    fn only_a_changed_state_is_a_change() {
        let mut board = board(vec![job("a", StateKind::Running), job("b", StateKind::Ready)]);
        let mut further = job("a", StateKind::Running);
        further.iteration = 400;
        let jobs = vec![further, job("b", StateKind::Leased)];

        let changes = board.update(WatchView { study: study(50.0), jobs });

        assert_eq!(changes, [Change { job: job("b", StateKind::Leased), before: StateKind::Ready }]);
        assert_eq!(board.jobs()[0].iteration, 400);
    }

    #[test]
    fn a_study_whose_rest_is_held_is_settled_with_failed_jobs() {
        let board = board(vec![job("a", StateKind::Failed), job("b", StateKind::Held)]);
        assert!(board.is_settled());
        assert_eq!(board.exit(), Exit::FailedJobs);
    }

    #[test]
    fn a_study_that_is_told_in_part_is_not_settled() {
        let mut study = study(100.0);
        study.counts = [(StateKind::Succeeded, 2)].into();
        let mut board =
            Board::new(WatchView { study: study.clone(), jobs: vec![job("a", StateKind::Succeeded)] });
        assert!(!board.is_settled());

        board.update(WatchView { study, jobs: vec![job("b", StateKind::Succeeded)] });

        assert!(board.is_settled());
    }

    #[test]
    fn the_exit_code_says_how_the_study_ended() {
        let exit = |states: &[StateKind]| {
            board(states.iter().enumerate().map(|(index, state)| job(&index.to_string(), *state)).collect())
                .exit()
        };
        assert_eq!(exit(&[StateKind::Succeeded]), Exit::Ok);
        assert_eq!(exit(&[StateKind::Succeeded, StateKind::Cancelled]), Exit::Cancelled);
        assert_eq!(exit(&[StateKind::Failed, StateKind::Cancelled]), Exit::FailedJobs);
    }

    #[test]
    fn a_cancelled_study_has_ended_whatever_goes_on_for_others() {
        let mut study = study(40.0);
        (study.interest, study.ended) = (Interest::Cancelled, true);
        let jobs = [StateKind::Succeeded, StateKind::Running, StateKind::Failed].map(|state| job("a", state));

        let board = Board::new(WatchView { study, jobs: jobs.into() });

        assert!(board.is_settled());
        assert_eq!(board.exit(), Exit::Cancelled);
    }
}
