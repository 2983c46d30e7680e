//! Handing out: those that wait are matched with the best ready jobs, and each claim is a
//! guarded write that another coordinator may have come before.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use selffer_core::{
    ids::{ClaimId, Digest, JobId, JobKey},
    job::{Job, JobState},
    limits::{CLAIM_WAIT_MAX_S, DISPATCH_SCAN_MS},
    placement::{Candidate, NeededPack, PackRoom, WaitingWorker, assign},
};
use uuid::Uuid;

use super::{
    Checked, Happening, SECOND, World,
    coordinator::Waiting,
    letters::{Answer, Letter},
};
use crate::model::NewClaim;

impl World {
    pub(super) fn waits(&mut self, index: usize, letter: Letter, claim: ClaimId) {
        let since = self.now;
        self.coordinators[index].waiting.push(Waiting { letter, claim, since });
        self.wake(index);
    }

    /// Looks for work at once. Others, who hear of nothing, look when their second has passed.
    pub(super) fn wake(&mut self, index: usize) {
        self.dispatch_after(index, 5);
    }

    fn dispatch_after(&mut self, index: usize, delay: i64) {
        let coordinator = &mut self.coordinators[index];
        let is_soon = coordinator.dispatches_soon && delay > 5;
        if !coordinator.waiting.is_empty() && !is_soon {
            coordinator.dispatches_soon = true;
            let life = coordinator.life;
            self.after(delay, Happening::DispatchDue { coordinator: index, life });
        }
    }

    /// Matches those that wait with what is ready.
    pub(super) fn dispatch(&mut self, index: usize, life: u32) {
        if !self.lives(index, life) {
            return;
        }
        self.coordinators[index].dispatches_soon = false;
        self.release_those_who_waited_enough(index);
        if !self.is_away() {
            self.hand_out(index, life);
        }
        self.dispatch_after(index, DISPATCH_SCAN_MS as i64);
    }

    fn release_those_who_waited_enough(&mut self, index: usize) {
        let until = self.now - CLAIM_WAIT_MAX_S as i64 * SECOND;
        let waiting = std::mem::take(&mut self.coordinators[index].waiting);
        let (enough, waiting): (Vec<_>, _) = waiting.into_iter().partition(|one| one.since <= until);
        self.coordinators[index].waiting = waiting;
        for one in enough {
            self.reply(&one.letter, Answer::Nothing);
        }
    }

    fn hand_out(&mut self, index: usize, life: u32) {
        let now = self.database_now();
        let model = &self.database.model;
        let ready = model.candidates(now);
        if ready.is_empty() {
            return;
        }
        let candidates: Vec<_> =
            ready.iter().filter_map(|job| candidate(*job, &model.jobs[*job].job)).collect();
        let waiting: Vec<_> = self.coordinators[index].waiting.iter().map(waiting_worker).collect();
        let mut taken = Vec::new();
        for assigned in assign(&waiting, &candidates, now) {
            let job = ready[assigned.candidate];
            if let Some(read) = self.database.model.read_claimable(job, now) {
                taken.push((assigned.worker, job, read));
            }
        }
        taken.sort_unstable_by_key(|(worker, ..)| std::cmp::Reverse(*worker));
        for (worker, job, read) in taken {
            let waiting = self.coordinators[index].waiting.remove(worker);
            let pause = self.random.between(1, 40);
            self.after(pause, Happening::Commits { coordinator: index, life, waiting, job, read });
        }
    }

    /// The guarded write of a claim, and its answer; who comes too late waits on.
    pub(super) fn commit_claim(
        &mut self,
        index: usize,
        life: u32,
        waiting: Waiting,
        (job, read): (usize, &Job),
    ) -> Checked<()> {
        if !self.lives(index, life) {
            return Ok(());
        }
        if self.is_away() || self.fault(4 * self.trouble_one_in) {
            self.reply(&waiting.letter, Answer::None);
            return Ok(());
        }
        let (claim, session) = (waiting.claim, waiting.letter.session);
        let new = NewClaim { job, claim, session, worker: worker_name(&waiting.letter) };
        let now = self.database_now();
        let is_unknown = self.fault(4 * self.trouble_one_in);
        let answer = match self.database.model.claim(read, &new, now) {
            Ok(Some(assignment)) => Answer::Assigned(assignment),
            Ok(None) => {
                self.coordinators[index].waiting.push(waiting);
                self.wake(index);
                return Ok(());
            }
            Err(refusal) => Answer::Refused(refusal),
        };
        self.reply(&waiting.letter, if is_unknown { Answer::None } else { answer });
        Ok(())
    }
}

fn worker_name(letter: &Letter) -> String {
    format!("node{}/cpu0", letter.node)
}

fn waiting_worker(waiting: &Waiting) -> WaitingWorker {
    WaitingWorker {
        worker: worker_name(&waiting.letter),
        session_id: waiting.letter.session,
        waiting_since: DateTime::<Utc>::UNIX_EPOCH + TimeDelta::milliseconds(waiting.since),
        cached: BTreeSet::new(),
        room: PackRoom::default(),
    }
}

fn candidate(index: usize, job: &Job) -> Option<Candidate> {
    let JobState::Ready { not_before } = job.state else { return None };
    Some(Candidate {
        job_id: JobId(Uuid::from_bytes([index as u8; 16])),
        key: JobKey([index as u8; 32]),
        priority: 0,
        flops: 1.0,
        unlocks_flops: 0.0,
        not_before,
        source_weights: None,
        avoid_worker: None,
        kept_from: BTreeSet::new(),
        limited_by: BTreeSet::new(),
        pack: NeededPack { digest: Digest([0; 32]), bytes: 0 },
    })
}
