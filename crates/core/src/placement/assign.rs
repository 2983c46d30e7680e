//! The dispatcher's decision: as many of the best jobs as there are workers, each on the
//! worker that suits it best.
//!
//! Which jobs start is decided first, by [`JobScore`] and by who may take their packs: a job
//! never waits for a better worker while one that may take it is idle, and one that nobody may
//! take is passed over. Then jobs whose source checkpoint a worker holds take that worker, then
//! those whose pack one has, and the others take who is left, longest waiting first; always so
//! that every job that was to start still can.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::{
    Assigned, Candidate, WaitingWorker,
    matching::Matching,
    score::{JobScore, WorkerScore},
};

/// Matches workers with jobs; best job first. A worker that is listed twice counts once,
/// as it asked last (it asks again when a reply was lost), and a job listed twice is one.
///
/// Costs about workers × jobs comparisons; where packs fit only some, at most that times the
/// jobs that start. The caller bounds both ([`crate::limits::CANDIDATES_MAX`]).
#[must_use]
pub fn assign(workers: &[WaitingWorker], candidates: &[Candidate], now: DateTime<Utc>) -> Vec<Assigned> {
    let mut free = without_doubles(workers);
    let listed: Vec<usize> = free.iter().copied().collect();
    let may_take = |candidate: usize, place: usize| {
        let (worker, candidate) = (&workers[listed[place]], &candidates[candidate]);
        worker.room.takes(&candidate.pack) && !candidate.kept_from.contains(&worker.worker)
    };
    let mut matching = Matching::new(listed.len(), &may_take);
    let chosen = choose(&mut matching, in_order(candidates, now));

    let mut placed = BTreeMap::new();
    for wanted in [Fit::AtHome, Fit::HasPack, Fit::Any] {
        for (place, &candidate) in chosen.iter().enumerate() {
            if placed.contains_key(&place) {
                continue;
            }
            let suiting = Suiting { workers, free: &free, candidate: &candidates[candidate], wanted };
            let settle = |worker: usize| {
                let place = listed.binary_search(&worker).expect("`listed` has all that were free, in order");
                matching.settle(candidate, place)
            };
            if let Some(worker) = suiting.first_that(settle) {
                free.remove(&worker);
                placed.insert(place, Assigned { worker, candidate });
            }
        }
    }
    placed.into_values().collect()
}

/// Those that start: each, in order, that can start together with those before it.
fn choose(matching: &mut Matching<'_>, in_order: Vec<usize>) -> Vec<usize> {
    let mut chosen = Vec::new();
    for candidate in in_order {
        if matching.is_full() {
            break;
        }
        if matching.place(candidate) {
            chosen.push(candidate);
        }
    }
    chosen
}

/// Which workers a pass considers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fit {
    /// Those that hold the job's source checkpoint.
    AtHome,
    /// Those that have its pack.
    HasPack,
    /// All.
    Any,
}

/// The workers that one pass considers for one job.
struct Suiting<'a> {
    workers: &'a [WaitingWorker],
    free: &'a BTreeSet<usize>,
    candidate: &'a Candidate,
    wanted: Fit,
}

impl Suiting<'_> {
    /// The best of them that this takes.
    fn first_that(&self, mut takes: impl FnMut(usize) -> bool) -> Option<usize> {
        if self.wanted == Fit::AtHome && self.candidate.source_weights.is_none() {
            return None;
        }
        let mut refused = BTreeSet::new();
        loop {
            // The first is nearly always taken, so that sorting them all would be for nothing.
            let left = self.free.iter().filter(|index| !refused.contains(*index));
            let scored = left.map(|index| (WorkerScore::of(&self.workers[*index], self.candidate), *index));
            let (_, best) = scored.filter(|(score, _)| self.considers(score)).min()?;
            if takes(best) {
                return Some(best);
            }
            refused.insert(best);
        }
    }

    fn considers(&self, score: &WorkerScore<'_>) -> bool {
        match self.wanted {
            Fit::AtHome => score.is_at_home(),
            Fit::HasPack => score.has_pack(),
            Fit::Any => true,
        }
    }
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

#[cfg(test)]
mod tests;
