//! Who gets what, by example and by property.

use chrono::TimeDelta;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::{
    ids::{Digest, JobId, JobKey, SessionId},
    placement::{NeededPack, PackRoom},
};

fn at(second: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
}

fn worker(number: u8, waiting_since: i64, cached: &[u8]) -> WaitingWorker {
    WaitingWorker {
        worker: format!("node{number}/cpu0"),
        session_id: SessionId(Uuid::from_bytes([number; 16])),
        waiting_since: at(waiting_since),
        cached: cached.iter().map(|byte| Digest([*byte; 32])).collect(),
        room: PackRoom::default(),
    }
}

// Has these packs, and can hold others of so many bytes.
fn with_room(at_hand: &[u8], bytes_max: u64, worker: WaitingWorker) -> WaitingWorker {
    let at_hand = at_hand.iter().map(|byte| Digest([*byte; 32])).collect();
    WaitingWorker { room: PackRoom { at_hand, bytes_max: Some(bytes_max) }, ..worker }
}

fn reading(pack: u8, bytes: u64, job: Candidate) -> Candidate {
    Candidate { pack: NeededPack { digest: Digest([pack; 32]), bytes }, ..job }
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
        kept_from: BTreeSet::new(),
        limited_by: BTreeSet::new(),
        pack: NeededPack { digest: Digest([99; 32]), bytes: 10 },
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
fn a_job_goes_only_where_its_pack_is_or_fits() {
    let small = with_room(&[], 10, worker(1, 1, &[]));
    let holder = with_room(&[5], 0, worker(2, 2, &[]));
    let workers = [small.clone(), holder];
    let large = reading(5, 11, job(1, 1.0));
    assert_eq!(pairs(&workers, std::slice::from_ref(&large)), [(1, 0)]);
    assert_eq!(pairs(&[small], &[large]), []);
}

#[test]
fn jobs_that_fit_nobody_do_not_block_those_behind_them() {
    let large = (1..100).map(|number| reading(5, 11, job(number, 9.0)));
    let candidates: Vec<_> = large.chain([reading(6, 10, job(100, 1.0))]).collect();
    assert_eq!(pairs(&[with_room(&[], 10, worker(1, 1, &[]))], &candidates), [(0, 99)]);
}

#[test]
fn a_better_job_that_fits_everywhere_leaves_the_large_worker_to_one_that_fits_only_there() {
    let workers = [with_room(&[], 100, worker(1, 1, &[])), with_room(&[], 10, worker(2, 2, &[]))];
    let candidates = [reading(5, 10, job(1, 9.0)), reading(6, 100, job(2, 1.0))];
    assert_eq!(pairs(&workers, &candidates), [(1, 0), (0, 1)]);
    // Even one whose source it holds: starting both at once is worth a transfer.
    let workers = [with_room(&[], 100, worker(1, 1, &[7])), workers[1].clone()];
    let candidates = [copying_from(7, candidates[0].clone()), candidates[1].clone()];
    assert_eq!(pairs(&workers, &candidates), [(1, 0), (0, 1)]);
}

#[test]
fn among_those_that_may_one_that_has_the_pack_is_preferred_after_the_source() {
    let longest = worker(1, 1, &[]);
    let has_pack = with_room(&[5], 100, worker(2, 50, &[]));
    let has_source = worker(3, 60, &[7]);
    let candidate = copying_from(7, reading(5, 10, job(1, 1.0)));
    let workers = [longest, has_pack, has_source];
    assert_eq!(pairs(&workers, std::slice::from_ref(&candidate)), [(2, 0)]);
    assert_eq!(pairs(&workers[..2], &[candidate]), [(1, 0)]);
    // Nor does a better job take the worker that has another's pack.
    let candidates = [reading(6, 10, job(1, 9.0)), reading(5, 10, job(2, 1.0))];
    assert_eq!(pairs(&[workers[1].clone(), workers[0].clone()], &candidates), [(1, 0), (0, 1)]);
}

#[test]
fn a_worker_that_asks_twice_gets_one_job() {
    let workers = [worker(1, 1, &[]), worker(1, 2, &[])];
    assert_eq!(pairs(&workers, &[job(1, 1.0), job(2, 1.0)]), [(1, 0)]);
}

prop_compose! {
    fn any_worker()(
        number in 0..6_u8, since in 0..99_i64, cached in prop::collection::vec(0..3_u8, 0..3),
        at_hand in prop::collection::vec(0..3_u8, 0..2), bytes_max in prop::option::of(0..4_u64),
    ) -> WaitingWorker {
        let worker = worker(number, since, &cached);
        match bytes_max {
            Some(bytes_max) => with_room(&at_hand, bytes_max, worker),
            None => worker,
        }
    }
}

prop_compose! {
    fn any_job()(
        number in 0..12_u8, priority in 0..2, flops in 0..3_u8, unlocks in 0..3_u8,
        not_before in 90..110_i64, source in prop::option::of(0..3_u8), avoid in prop::option::of(0..6_u8),
        pack in 0..4_u8,
    ) -> Candidate {
        Candidate {
            priority,
            unlocks_flops: f64::from(unlocks),
            not_before: at(not_before),
            source_weights: source.map(|byte| Digest([byte; 32])),
            avoid_worker: avoid.map(|number| format!("node{number}/cpu0")),
            // A larger pack with each number.
            ..reading(pack, u64::from(pack) + 1, job(number, f64::from(flops)))
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
    fn nothing_is_given_twice_or_early_or_to_who_may_not_take_it([given, _] in any_situation()) {
        let (workers, jobs) = &given;
        let made = assign(workers, jobs, at(100));
        let names: BTreeSet<_> = made.iter().map(|one| &workers[one.worker].worker).collect();
        let started: BTreeSet<_> = made.iter().map(|one| jobs[one.candidate].job_id).collect();
        prop_assert_eq!((names.len(), started.len()), (made.len(), made.len()));
        for one in &made {
            prop_assert!(jobs[one.candidate].not_before <= at(100));
            prop_assert!(workers[one.worker].room.takes(&jobs[one.candidate].pack));
        }
    }

    #[test]
    fn nobody_idles_beside_a_due_job_that_it_may_take([given, _] in any_situation()) {
        let (workers, jobs) = &given;
        let made = decisions(&given);
        let idle = without_doubles(workers).into_iter().map(|index| &workers[index]);
        for worker in idle.filter(|worker| made.iter().all(|(name, _)| *name != worker.worker)) {
            let left = jobs.iter().filter(|job| job.not_before <= at(100));
            let mut left = left.filter(|job| made.iter().all(|(_, started)| *started != job.job_id));
            prop_assert!(!left.any(|job| worker.room.takes(&job.pack)));
        }
    }

    #[test]
    fn no_job_starts_while_a_better_one_that_could_have_its_worker_stays([given, _] in any_situation()) {
        let (workers, jobs) = &given;
        let made = assign(workers, jobs, at(100));
        let score = |job: &Candidate| (job.priority, job.unlocks_flops, job.flops);
        let due = (0..jobs.len()).filter(|index| jobs[*index].not_before <= at(100));
        for better in due.filter(|index| made.iter().all(|one| one.candidate != *index)) {
            let could = made.iter().filter(|one| workers[one.worker].room.takes(&jobs[better].pack));
            prop_assert!(could.clone().all(|one| score(&jobs[one.candidate]) >= score(&jobs[better])));
        }
    }
}

#[test]
fn a_job_is_kept_from_workers_as_long_as_it_takes() {
    let kept = Candidate { kept_from: ["node1/cpu0".to_owned()].into(), ..job(1, 9.0) };
    assert_eq!(pairs(&[worker(1, 0, &[])], &[kept.clone(), job(2, 1.0)]), [(0, 1)]);
    assert_eq!(pairs(&[worker(1, 0, &[]), worker(2, 1, &[])], &[kept, job(2, 1.0)]), [(1, 0), (0, 1)]);
}
