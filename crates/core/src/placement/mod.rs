//! Placement: which waiting worker gets which ready job, and why a job still waits.
//!
//! Pure functions over what a dispatcher has read. What they promise: the same inputs in
//! any order give the same answer; no job and no worker is given twice; no job before
//! its time, and none on a worker that neither has nor can hold its pack. Claiming what was assigned, and losing that race, is `storage`'s business.

mod assign;
mod explain;
mod limits;
mod matching;
mod packs;
mod score;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

pub use assign::assign;
pub use explain::{Fleet, Situation, SourceSituation, WaitReason, explain};
pub use limits::below_limits;
pub use packs::{NeededPack, PackRoom, fits_nobody};

use crate::ids::{Digest, JobId, JobKey, SessionId, StudyId};

/// How many more jobs of each study may be handed out, of studies that have a limit.
pub type StudyRoom = BTreeMap<StudyId, u32>;

/// A worker that asks for a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingWorker {
    /// `NODE/cpu0`, `NODE/gpu0`.
    pub worker: String,
    /// The session it belongs to.
    pub session_id: SessionId,
    /// Since when it has had nothing to do.
    pub waiting_since: DateTime<Utc>,
    /// Digests of the checkpoints that it holds.
    pub cached: BTreeSet<Digest>,
    /// Which packs it has or could take in.
    pub room: PackRoom,
}

/// A ready job.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Its row.
    pub job_id: JobId,
    /// Its key.
    pub key: JobKey,
    /// The largest priority of the studies that want it; more is sooner.
    pub priority: i32,
    /// Its own work, in floating-point operations.
    pub flops: f64,
    /// The work of the jobs that wait for it, in floating-point operations; 0 if none do.
    pub unlocks_flops: f64,
    /// Not to start before.
    pub not_before: DateTime<Utc>,
    /// The checkpoint that its layers are copied from.
    pub source_weights: Option<Digest>,
    /// A worker to keep it from while another one waits: the last attempt ended badly there.
    pub avoid_worker: Option<String>,
    /// Workers that may not have it, because there are others that its last attempt's failure
    /// asks for: another device, or a larger one.
    pub kept_from: BTreeSet<String>,
    /// The active studies that want it, if each of them limits how many run at once; else none.
    pub limited_by: BTreeSet<StudyId>,
    /// What it reads.
    pub pack: NeededPack,
}

/// One decision, as indices into the inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// Index of the worker.
    pub worker: usize,
    /// Index of the candidate.
    pub candidate: usize,
}
