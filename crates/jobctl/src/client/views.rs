//! What the coordinator tells, in this program's own terms.
//!
//! Nothing outside `client` sees a wire message.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use selffer_core::{
    artifact::Manifest,
    ids::{Digest, JobKey},
    interest::Interest,
    job::{Phase, StateKind},
    outcome::{JobResult, MetricPoint},
    proof::LayerProof,
    spec::Half,
};

/// A study and how far it is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StudyView {
    pub(crate) name: String,
    pub(crate) dataset: String,
    pub(crate) pack_digest: Digest,
    pub(crate) network: String,
    pub(crate) created_at: DateTime<Utc>,
    /// Jobs in each state; states without jobs may be missing.
    pub(crate) counts: BTreeMap<StateKind, u32>,
    /// Floating-point operations of all its jobs.
    pub(crate) work_total: f64,
    /// Of those, done.
    pub(crate) work_done: f64,
    /// Seconds left at the pace of the running workers.
    pub(crate) eta_s: Option<f64>,
    /// Seconds from submission to now, or to the last job's end.
    pub(crate) elapsed_s: f64,
    /// How much it wants its networks.
    pub(crate) interest: Interest,
    /// Why, in a person's words.
    pub(crate) interest_reason: Option<String>,
    pub(crate) interest_since: DateTime<Utc>,
    /// More is sooner.
    pub(crate) priority: i32,
    /// How many of its networks may be at work at once; none for any number.
    pub(crate) parallel_max: Option<u32>,
    /// When it is stopped.
    pub(crate) deadline: Option<DateTime<Utc>>,
    /// Whether nothing more happens for it by itself.
    pub(crate) ended: bool,
}

impl StudyView {
    /// Jobs in all.
    pub(crate) fn jobs(&self) -> u32 {
        self.counts.values().sum()
    }

    /// Jobs in this state.
    pub(crate) fn count(&self, state: StateKind) -> u32 {
        self.counts.get(&state).copied().unwrap_or(0)
    }

    /// Share of the work that is done, 0..=1.
    pub(crate) fn share_done(&self) -> f64 {
        if self.work_total > 0.0 { (self.work_done / self.work_total).clamp(0.0, 1.0) } else { 0.0 }
    }
}

/// One network of a study, as lists show it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct JobView {
    /// Within its study: `random-0/A3B`.
    pub(crate) name: String,
    pub(crate) key: JobKey,
    pub(crate) state: StateKind,
    /// Only of a running job.
    pub(crate) phase: Option<Phase>,
    pub(crate) attempt: u32,
    pub(crate) worker: Option<String>,
    pub(crate) iteration: u32,
    pub(crate) iterations: u32,
    pub(crate) images_per_s: f32,
    /// Of the newest test, 0..=1.
    pub(crate) top1: Option<f64>,
    /// Why it waits, is held or failed.
    pub(crate) reason: Option<String>,
    pub(crate) eta_s: Option<f64>,
    pub(crate) split: String,
    /// As the paper calls it: `BnB+`.
    pub(crate) treatment: String,
    pub(crate) layers_copied: u32,
    pub(crate) source: Option<Half>,
    pub(crate) target: Half,
    pub(crate) seed: u64,
    pub(crate) images_per_class: Option<u32>,
    /// Of a succeeded job, where results were asked for.
    pub(crate) result: Option<JobResult>,
}

/// One job with everything that is known about it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct JobDetail {
    pub(crate) job: JobView,
    pub(crate) spec_json: String,
    pub(crate) attempts: Vec<AttemptView>,
    /// Of the newest attempt.
    pub(crate) metrics: Vec<MetricPoint>,
    pub(crate) events: Vec<EventView>,
    /// All that want it, as `STUDY:NAME`.
    pub(crate) studies: Vec<String>,
    pub(crate) final_checkpoint_id: Option<String>,
    /// Checkpoints to go on from, newest first, with the updates done; none once it succeeded.
    pub(crate) intermediates: Vec<(String, u32)>,
    /// The final checkpoint of the network that it copies from, while that is there.
    pub(crate) source_checkpoint_id: Option<String>,
    /// The network that it copies from.
    pub(crate) source_name: Option<String>,
    /// Its layers beside those they were copied from; of a succeeded job.
    pub(crate) layers: Vec<LayerProof>,
    /// Its pack, as the newest study that wants it names it.
    pub(crate) dataset: String,
    /// Its network, likewise.
    pub(crate) network: String,
    /// The seed of the network that it copies from.
    pub(crate) source_seed: Option<u64>,
    /// Some networks that copy from it and have not ended, as `STUDY:NAME`.
    pub(crate) dependants: Vec<String>,
    /// How many they are.
    pub(crate) dependants_count: u32,
}

/// One execution of a job.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AttemptView {
    pub(crate) attempt: u32,
    pub(crate) worker: String,
    pub(crate) program_version: String,
    pub(crate) device_kind: String,
    /// 0 on a GPU.
    pub(crate) threads: u32,
    pub(crate) started_at: DateTime<Utc>,
    pub(crate) ended_at: Option<DateTime<Utc>>,
    /// None while it runs.
    pub(crate) outcome: Option<String>,
    pub(crate) message: String,
}

/// One thing that happened to a job.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EventView {
    pub(crate) at: DateTime<Utc>,
    pub(crate) what: String,
    pub(crate) detail: String,
}

/// A piece of a log.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LogView {
    pub(crate) attempt: u32,
    pub(crate) text: String,
    pub(crate) next_offset: u64,
    /// Whether nothing will follow.
    pub(crate) ended: bool,
}

/// A published checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CheckpointView {
    pub(crate) id: String,
    pub(crate) is_final: bool,
    /// Updates done.
    pub(crate) iteration: u32,
    /// What it consists of, as the coordinator says.
    pub(crate) manifest: Manifest,
}

/// A worker and what it runs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WorkerView {
    pub(crate) worker: String,
    pub(crate) device_kind: String,
    pub(crate) threads: u32,
    pub(crate) alive: bool,
    /// Seconds since its last heartbeat.
    pub(crate) silent_s: f64,
    /// `STUDY:NAME`.
    pub(crate) job: Option<String>,
    pub(crate) phase: Option<Phase>,
    pub(crate) images_per_s: f32,
    pub(crate) version: String,
    /// That it is handed nothing, and why.
    pub(crate) set_aside: Option<SetAsideView>,
}

/// That a worker is handed nothing, and why.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SetAsideView {
    /// `drained` or `quarantined`.
    pub(crate) kind: String,
    pub(crate) reason: Option<String>,
    pub(crate) actor: String,
    pub(crate) since: DateTime<Utc>,
}

/// What an act on workers came to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WorkersActView {
    /// The worker, or the node.
    pub(crate) name: String,
    pub(crate) changed: bool,
    /// Those of that name that are there.
    pub(crate) workers: Vec<String>,
    /// Jobs on them that go on.
    pub(crate) running: u32,
    /// Jobs on them that are stopped after a checkpoint.
    pub(crate) ending: u32,
    /// Why they are still handed nothing after a release.
    pub(crate) still: Option<String>,
}

/// A pack in the store.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PackView {
    pub(crate) name: String,
    pub(crate) digest: Digest,
    pub(crate) classes: u32,
    pub(crate) train_images: u64,
    pub(crate) validation_images: u64,
    pub(crate) bytes: u64,
}

/// Weights in the store.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WeightsView {
    pub(crate) name: String,
    pub(crate) digest: Digest,
    /// Of the images that the first layer takes.
    pub(crate) channels: u32,
    /// Their names, from the first.
    pub(crate) layers: Vec<String>,
    pub(crate) bytes: u64,
}

/// What became of a submission.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Submitted {
    pub(crate) study: String,
    /// All these networks were in the study.
    pub(crate) existed: bool,
    /// Networks of the study now.
    pub(crate) jobs: u32,
    /// Of those submitted, jobs that were there before.
    pub(crate) shared: u32,
    /// Of those submitted, trained already.
    pub(crate) succeeded: u32,
    /// Networks that an extension brought.
    pub(crate) added: u32,
    /// Jobs that start anew.
    pub(crate) reopened: u32,
}

/// What an act came to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ActView {
    /// The study, or the job as `STUDY:NAME`.
    pub(crate) name: String,
    pub(crate) changed: bool,
    pub(crate) interest: Interest,
    pub(crate) priority: i32,
    /// Jobs that it cancelled.
    pub(crate) cancelled: u32,
    /// Jobs whose workers are asked to end them.
    pub(crate) ending: u32,
    /// Jobs on workers that go on.
    pub(crate) running: u32,
    /// Jobs that it holds, or will after a checkpoint.
    pub(crate) held: u32,
    /// Jobs that it lets start anew.
    pub(crate) reopened: u32,
    /// Other studies with how many jobs they keep, or that want the job.
    pub(crate) others: Vec<(String, u32)>,
}

/// A change of a watched study.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WatchView {
    pub(crate) study: StudyView,
    /// All jobs in the first ones, later those that changed.
    pub(crate) jobs: Vec<JobView>,
}

/// The word for a phase, as shown and sent.
pub(crate) fn phase_word(phase: Phase) -> &'static str {
    match phase {
        Phase::Fetching => "fetching",
        Phase::Training => "training",
        Phase::Testing => "testing",
        Phase::Uploading => "uploading",
    }
}

/// A time in ISO 8601, UTC.
pub(crate) fn iso(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}
