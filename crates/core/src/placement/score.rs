//! Scores: in what order jobs are handed out, and how well a worker suits a job.
//!
//! Both are structs with derived order, smaller first, so that the order of their fields
//! is the policy. Ties end at keys and names, never at the order of the input.

use std::cmp::{Ordering, Reverse};

use chrono::{DateTime, Utc};

use super::{Candidate, WaitingWorker};
use crate::ids::{JobId, JobKey, SessionId};

/// A job's place in the queue: priority, then the work it unlocks (so source networks
/// come before all others), then its own work (longest first, for a short tail).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct JobScore {
    priority: Reverse<i32>,
    unlocks: Reverse<Flops>,
    own: Reverse<Flops>,
    key: JobKey,
    job_id: JobId,
}

impl JobScore {
    /// The place of this candidate.
    pub(super) fn of(candidate: &Candidate) -> Self {
        Self {
            priority: Reverse(candidate.priority),
            unlocks: Reverse(Flops(candidate.unlocks_flops)),
            own: Reverse(Flops(candidate.flops)),
            key: candidate.key,
            job_id: candidate.job_id,
        }
    }
}

/// How well a worker suits a job that it may take, best first.
///
/// The source's checkpoint before the pack: who holds the source has mostly trained on the same
/// pack, so the two seldom part; where they do, a pack that is fetched serves every job after
/// this one, a checkpoint only those that copy from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct WorkerScore<'a> {
    avoided: bool,
    lacks_source: bool,
    lacks_pack: bool,
    waiting_since: DateTime<Utc>,
    worker: &'a str,
    session_id: SessionId,
}

impl<'a> WorkerScore<'a> {
    /// How well `worker` suits `candidate`.
    pub(super) fn of(worker: &'a WaitingWorker, candidate: &Candidate) -> Self {
        let lacks = |weights| !worker.cached.contains(weights);
        Self {
            avoided: candidate.avoid_worker.as_deref() == Some(worker.worker.as_str()),
            lacks_source: candidate.source_weights.as_ref().is_some_and(lacks),
            lacks_pack: !worker.room.has(&candidate.pack),
            waiting_since: worker.waiting_since,
            worker: &worker.worker,
            session_id: worker.session_id,
        }
    }

    /// Whether it need not fetch what the job copies from, and may well run it.
    pub(super) fn is_at_home(&self) -> bool {
        !self.avoided && !self.lacks_source
    }

    /// Whether it need not fetch the job's images, and may well run it.
    pub(super) fn has_pack(&self) -> bool {
        !self.avoided && !self.lacks_pack
    }
}

/// Floating-point operations in a total order.
#[derive(Clone, Copy, Debug)]
struct Flops(f64);

impl Ord for Flops {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Flops {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Flops {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Flops {}
