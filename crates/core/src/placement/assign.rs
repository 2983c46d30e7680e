//! The dispatcher's decision: as many of the best jobs as there are workers, each on the
//! worker that suits it best.
//!
//! Which jobs start is decided first, by [`JobScore`] alone: a job never waits for a better
//! worker while one is idle. Then jobs whose source checkpoint a worker holds take that
//! worker, and the others take who is left, longest waiting first.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::{
    Assigned, Candidate, WaitingWorker,
    score::{JobScore, WorkerScore},
};

/// Matches workers with jobs; best job first. A worker that is listed twice counts once,
/// as it asked last (it asks again when a reply was lost), and a job listed twice is one.
///
/// Costs about workers × jobs comparisons; the caller bounds both
/// ([`crate::limits::CANDIDATES_MAX`]).
#[must_use]
pub fn assign(workers: &[WaitingWorker], candidates: &[Candidate], now: DateTime<Utc>) -> Vec<Assigned> {
    let mut free = without_doubles(workers);
    let chosen: Vec<usize> = in_order(candidates, now).into_iter().take(free.len()).collect();
    let mut placed = BTreeMap::new();
    for wanted in [Fit::AtHome, Fit::Any] {
        for (place, candidate) in chosen.iter().enumerate() {
            if placed.contains_key(&place) {
                continue;
            }
            if let Some(worker) = best(workers, &free, &candidates[*candidate], wanted) {
                free.remove(&worker);
                placed.insert(place, Assigned { worker, candidate: *candidate });
            }
        }
    }
    placed.into_values().collect()
}

/// Which workers a pass considers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fit {
    /// Those that hold the job's source checkpoint.
    AtHome,
    /// All.
    Any,
}

fn in_order(candidates: &[Candidate], now: DateTime<Utc>) -> Vec<usize> {
    let due = candidates.iter().enumerate().filter(|(_, candidate)| candidate.not_before <= now);
    let mut scored: Vec<_> = due.map(|(index, candidate)| (JobScore::of(candidate), index)).collect();
    scored.sort_unstable();
    let mut seen = BTreeSet::new();
    scored.retain(|(_, index)| seen.insert(candidates[*index].job_id));
    scored.into_iter().map(|(_, index)| index).collect()
}

fn without_doubles(workers: &[WaitingWorker]) -> BTreeSet<usize> {
    let mut latest: BTreeMap<&str, usize> = BTreeMap::new();
    let asked = |index: usize| (workers[index].waiting_since, workers[index].session_id);
    for (index, worker) in workers.iter().enumerate() {
        let kept = latest.entry(&worker.worker).or_insert(index);
        if asked(*kept) < asked(index) {
            *kept = index;
        }
    }
    latest.into_values().collect()
}

fn best(
    workers: &[WaitingWorker],
    free: &BTreeSet<usize>,
    candidate: &Candidate,
    wanted: Fit,
) -> Option<usize> {
    if wanted == Fit::AtHome && candidate.source_weights.is_none() {
        return None;
    }
    let scored = free.iter().map(|index| (WorkerScore::of(&workers[*index], candidate), *index));
    let considered = scored.filter(|(score, _)| wanted == Fit::Any || score.is_at_home());
    considered.min().map(|(_, index)| index)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::ids::{Digest, JobId, JobKey, SessionId};

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
    }

    fn worker(number: u8, waiting_since: i64, cached: &[u8]) -> WaitingWorker {
        WaitingWorker {
            worker: format!("node{number}/cpu0"),
            session_id: SessionId(Uuid::from_bytes([number; 16])),
            waiting_since: at(waiting_since),
            cached: cached.iter().map(|byte| Digest([*byte; 32])).collect(),
        }
    }

    fn job(number: u8, flops: f64) -> Candidate {
        Candidate {
            job_id: JobId(Uuid::from_bytes([number; 16])),
            key: JobKey([number; 32]),
            priority: 0,
            flops,
            unlocks_flops: 0.0,
            not_before: at(0),
            source_weights: None,
            avoid_worker: None,
        }
    }

    fn copying_from(byte: u8, job: Candidate) -> Candidate {
        Candidate { source_weights: Some(Digest([byte; 32])), ..job }
    }

    // (worker's index, job's index) of each decision.
    fn pairs(workers: &[WaitingWorker], candidates: &[Candidate]) -> Vec<(usize, usize)> {
        assign(workers, candidates, at(100)).iter().map(|one| (one.worker, one.candidate)).collect()
    }

    #[test]
    fn sources_go_first_by_the_work_they_unlock_then_the_longest() {
        let source = |number, unlocks_flops| Candidate { unlocks_flops, ..job(number, 1.0) };
        let candidates = [job(1, 5.0), source(2, 10.0), job(3, 9.0), source(4, 30.0)];
        let workers = [worker(1, 1, &[]), worker(2, 2, &[]), worker(3, 3, &[])];
        assert_eq!(pairs(&workers, &candidates), [(0, 3), (1, 1), (2, 2)]);
    }

    #[test]
    fn priority_comes_before_all_else_and_keys_settle_ties() {
        let urgent = Candidate { priority: 1, ..job(9, 1.0) };
        let candidates = [Candidate { unlocks_flops: 1e18, ..job(5, 1.0) }, job(8, 2.0), job(7, 2.0), urgent];
        let workers = [worker(1, 1, &[]), worker(2, 2, &[]), worker(3, 3, &[])];
        assert_eq!(pairs(&workers, &candidates), [(0, 3), (1, 0), (2, 2)]);
    }

    #[test]
    fn a_worker_that_holds_the_source_gets_the_job_though_another_waits_longer() {
        let workers = [worker(1, 1, &[]), worker(2, 50, &[7])];
        assert_eq!(pairs(&workers, &[copying_from(7, job(1, 1.0))]), [(1, 0)]);
    }

    #[test]
    fn a_better_job_does_not_take_the_worker_that_another_is_at_home_on() {
        let workers = [worker(1, 1, &[7]), worker(2, 50, &[])];
        let candidates = [job(1, 9.0), copying_from(7, job(2, 1.0))];
        assert_eq!(pairs(&workers, &candidates), [(1, 0), (0, 1)]);
    }

    #[test]
    fn a_worker_where_it_ended_badly_is_avoided_while_another_waits() {
        let candidate = Candidate { avoid_worker: Some("node1/cpu0".into()), ..copying_from(7, job(1, 1.0)) };
        let (broken, other) = (worker(1, 1, &[7]), worker(2, 50, &[]));
        assert_eq!(pairs(&[broken.clone(), other], std::slice::from_ref(&candidate)), [(1, 0)]);
        assert_eq!(pairs(&[broken], &[candidate]), [(0, 0)]);
    }

    #[test]
    fn a_worker_that_asks_twice_gets_one_job() {
        let workers = [worker(1, 1, &[]), worker(1, 2, &[])];
        assert_eq!(pairs(&workers, &[job(1, 1.0), job(2, 1.0)]), [(1, 0)]);
    }

    prop_compose! {
        fn any_worker()(number in 0..6_u8, since in 0..99_i64, cached in prop::collection::vec(0..3_u8, 0..3))
            -> WaitingWorker { worker(number, since, &cached) }
    }

    prop_compose! {
        fn any_job()(
            number in 0..12_u8, priority in 0..2, flops in 0..3_u8, unlocks in 0..3_u8,
            not_before in 90..110_i64, source in prop::option::of(0..3_u8), avoid in prop::option::of(0..6_u8),
        ) -> Candidate {
            Candidate {
                priority,
                unlocks_flops: f64::from(unlocks),
                not_before: at(not_before),
                source_weights: source.map(|byte| Digest([byte; 32])),
                avoid_worker: avoid.map(|number| format!("node{number}/cpu0")),
                ..job(number, f64::from(flops))
            }
        }
    }

    prop_compose! {
        // One of each worker and job, and an order to shuffle them into.
        fn any_situation()(
            workers in prop::collection::vec(any_worker(), 0..8),
            jobs in prop::collection::vec(any_job(), 0..16),
        )(
            shuffled_workers in Just(workers.clone()).prop_shuffle(),
            shuffled_jobs in Just(one_of_each(&jobs)).prop_shuffle(),
            jobs in Just(one_of_each(&jobs)),
            workers in Just(workers),
        ) -> [(Vec<WaitingWorker>, Vec<Candidate>); 2] {
            [(workers, jobs), (shuffled_workers, shuffled_jobs)]
        }
    }

    fn one_of_each(jobs: &[Candidate]) -> Vec<Candidate> {
        let by_id: BTreeMap<_, _> = jobs.iter().map(|job| (job.job_id, job.clone())).collect();
        by_id.into_values().collect()
    }

    fn decisions((workers, jobs): &(Vec<WaitingWorker>, Vec<Candidate>)) -> Vec<(String, JobId)> {
        let named = |one: &Assigned| (workers[one.worker].worker.clone(), jobs[one.candidate].job_id);
        assign(workers, jobs, at(100)).iter().map(named).collect()
    }

    proptest! {
        #[test]
        fn the_order_of_the_inputs_does_not_matter([given, shuffled] in any_situation()) {
            // Two entries of one worker with one time differ only in what they hold.
            let times: BTreeSet<_> = given.0.iter().map(|one| (&one.worker, one.waiting_since)).collect();
            prop_assume!(times.len() == given.0.len());
            prop_assert_eq!(decisions(&given), decisions(&shuffled));
        }

        #[test]
        fn nothing_is_given_twice_or_early_and_nobody_idles_beside_a_due_job([given, _] in any_situation()) {
            let (workers, jobs) = &given;
            let made = decisions(&given);
            let used: BTreeSet<_> = made.iter().map(|(worker, _)| worker).collect();
            let started: BTreeSet<_> = made.iter().map(|(_, job_id)| *job_id).collect();
            prop_assert_eq!((used.len(), started.len()), (made.len(), made.len()));

            let due: Vec<_> = jobs.iter().filter(|job| job.not_before <= at(100)).collect();
            prop_assert!(started.iter().all(|job_id| due.iter().any(|job| job.job_id == *job_id)));
            let names: BTreeSet<_> = workers.iter().map(|one| &one.worker).collect();
            prop_assert_eq!(made.len(), names.len().min(due.len()));
        }

        #[test]
        fn no_job_starts_while_a_better_one_stays([given, _] in any_situation()) {
            let (_, jobs) = &given;
            let started: BTreeSet<_> = decisions(&given).into_iter().map(|(_, job_id)| job_id).collect();
            let score = |job: &Candidate| (job.priority, job.unlocks_flops, job.flops);
            let (in_work, left): (Vec<_>, Vec<_>) =
                jobs.iter().filter(|job| job.not_before <= at(100)).partition(|job| started.contains(&job.job_id));
            for better in &left {
                prop_assert!(in_work.iter().all(|job| score(job) >= score(better)));
            }
        }
    }
}
