//! What scripts read: the records of lists and documents, with their promised fields.
//!
//! A field that is renamed or taken away is a new version of its schema.

use selffer_core::{interest::Interest, job::StateKind};
use serde::Serialize;

use crate::{
    client::{JobView, PackView, StudyView, WeightsView, WorkerView, iso, phase_word},
    output::{
        human,
        table::{Cell, Column, Side, Tone},
    },
};

/// One job of `selffer.jobs/v1`.
#[derive(Debug, Serialize)]
pub(crate) struct JobRecord {
    pub(crate) name: String,
    pub(crate) key: String,
    pub(crate) state: StateKind,
    pub(crate) phase: Option<&'static str>,
    pub(crate) attempt: u32,
    pub(crate) worker: Option<String>,
    pub(crate) iteration: u32,
    pub(crate) iterations: u32,
    pub(crate) top1: Option<f64>,
    pub(crate) reason: Option<String>,
    #[serde(skip)]
    pub(crate) images_per_s: f32,
}

impl From<&JobView> for JobRecord {
    fn from(job: &JobView) -> Self {
        Self {
            name: job.name.clone(),
            key: job.key.to_string(),
            state: job.state,
            phase: job.phase.map(phase_word),
            attempt: job.attempt,
            worker: job.worker.clone(),
            iteration: job.iteration,
            iterations: job.iterations,
            top1: job.top1,
            reason: job.reason.clone(),
            images_per_s: job.images_per_s,
        }
    }
}

/// Columns of a table of jobs.
pub(crate) const JOB_COLUMNS: [Column<JobRecord>; 8] = [
    Column { title: "NAME", side: Side::Left, cell: |job| job.name.as_str().into() },
    Column { title: "KEY", side: Side::Left, cell: |job| Cell::toned(&job.key[..8], Tone::Faint) },
    Column { title: "STATE", side: Side::Left, cell: state_cell },
    Column {
        title: "ITERATION",
        side: Side::Right,
        cell: |job| format!("{}/{}", job.iteration, job.iterations).into(),
    },
    Column { title: "TOP-1", side: Side::Right, cell: |job| Cell::optional(job.top1.map(human::percent)) },
    Column {
        title: "IMAGES/S",
        side: Side::Right,
        cell: |job| {
            Cell::optional((job.images_per_s > 0.0).then(|| human::count(job.images_per_s.round() as u64)))
        },
    },
    Column { title: "WORKER", side: Side::Left, cell: |job| Cell::optional(job.worker.clone()) },
    Column { title: "REASON", side: Side::Left, cell: |job| job.reason.clone().unwrap_or_default().into() },
];

fn state_cell(job: &JobRecord) -> Cell {
    let text = match job.phase {
        Some(phase) if job.state == StateKind::Running => phase.to_owned(),
        _ => job.state.as_str().to_owned(),
    };
    Cell::toned(text, state_tone(job.state))
}

/// The colour of a state.
pub(crate) fn state_tone(state: StateKind) -> Tone {
    match state {
        StateKind::Waiting | StateKind::Ready => Tone::Faint,
        StateKind::Leased | StateKind::Running => Tone::Busy,
        StateKind::Suspect | StateKind::Held | StateKind::Cancelled => Tone::Warning,
        StateKind::Succeeded => Tone::Good,
        StateKind::Failed => Tone::Bad,
    }
}

/// A study's interest, and the colour of it.
pub(crate) fn interest_cell(study: &StudyRecord) -> Cell {
    let tone = if study.interest == Interest::Active { Tone::Faint } else { Tone::Warning };
    Cell::toned(study.interest.as_str(), tone)
}

/// One study of `selffer.studies/v1`.
#[derive(Debug, Serialize)]
pub(crate) struct StudyRecord {
    pub(crate) name: String,
    pub(crate) dataset: String,
    pub(crate) pack_digest: String,
    pub(crate) network: String,
    pub(crate) created: String,
    pub(crate) jobs: u32,
    pub(crate) waiting: u32,
    pub(crate) ready: u32,
    pub(crate) leased: u32,
    pub(crate) running: u32,
    pub(crate) suspect: u32,
    pub(crate) held: u32,
    pub(crate) succeeded: u32,
    pub(crate) failed: u32,
    pub(crate) cancelled: u32,
    pub(crate) share_done: f64,
    pub(crate) eta_s: Option<f64>,
    pub(crate) elapsed_s: f64,
    pub(crate) interest: Interest,
    pub(crate) interest_reason: Option<String>,
    pub(crate) interest_since: String,
    pub(crate) priority: i32,
    pub(crate) parallel_max: Option<u32>,
    pub(crate) deadline: Option<String>,
    pub(crate) ended: bool,
}

impl From<&StudyView> for StudyRecord {
    fn from(study: &StudyView) -> Self {
        Self {
            name: study.name.clone(),
            dataset: study.dataset.clone(),
            pack_digest: study.pack_digest.to_string(),
            network: study.network.clone(),
            created: iso(study.created_at),
            jobs: study.jobs(),
            waiting: study.count(StateKind::Waiting),
            ready: study.count(StateKind::Ready),
            leased: study.count(StateKind::Leased),
            running: study.count(StateKind::Running),
            suspect: study.count(StateKind::Suspect),
            held: study.count(StateKind::Held),
            succeeded: study.count(StateKind::Succeeded),
            failed: study.count(StateKind::Failed),
            cancelled: study.count(StateKind::Cancelled),
            share_done: study.share_done(),
            eta_s: study.eta_s,
            elapsed_s: study.elapsed_s,
            interest: study.interest,
            interest_reason: study.interest_reason.clone(),
            interest_since: iso(study.interest_since),
            priority: study.priority,
            parallel_max: study.parallel_max,
            deadline: study.deadline.map(iso),
            ended: study.ended,
        }
    }
}

/// One line of `jobctl watch -o json`: `selffer.watch/v1`.
#[derive(Debug, Serialize)]
pub(crate) struct WatchDocument {
    pub(crate) schema: &'static str,
    pub(crate) study: StudyRecord,
    pub(crate) jobs: Vec<JobRecord>,
}

impl WatchDocument {
    /// The study as it is now.
    pub(crate) fn of(study: &StudyView, jobs: &[JobView]) -> Self {
        Self { schema: "selffer.watch/v1", study: study.into(), jobs: jobs.iter().map(Into::into).collect() }
    }
}

/// One worker of `selffer.workers/v1`.
#[derive(Debug, Serialize)]
pub(crate) struct WorkerRecord {
    pub(crate) name: String,
    pub(crate) device: String,
    pub(crate) threads: u32,
    pub(crate) alive: bool,
    pub(crate) silent_s: f64,
    pub(crate) job: Option<String>,
    pub(crate) phase: Option<&'static str>,
    pub(crate) images_per_s: f32,
    pub(crate) version: String,
    pub(crate) set_aside: Option<String>,
    pub(crate) set_aside_reason: Option<String>,
    pub(crate) set_aside_by: Option<String>,
    pub(crate) set_aside_since: Option<String>,
}

impl From<WorkerView> for WorkerRecord {
    fn from(worker: WorkerView) -> Self {
        let aside = worker.set_aside.as_ref();
        Self {
            set_aside: aside.map(|aside| aside.kind.clone()),
            set_aside_reason: aside.and_then(|aside| aside.reason.clone()),
            set_aside_by: aside.map(|aside| aside.actor.clone()),
            set_aside_since: aside.map(|aside| iso(aside.since)),
            name: worker.worker,
            device: worker.device_kind,
            threads: worker.threads,
            alive: worker.alive,
            silent_s: worker.silent_s,
            job: worker.job,
            phase: worker.phase.map(phase_word),
            images_per_s: worker.images_per_s,
            version: worker.version,
        }
    }
}

/// One pack of `selffer.packs/v1`.
#[derive(Debug, Serialize)]
pub(crate) struct PackRecord {
    pub(crate) name: String,
    pub(crate) digest: String,
    pub(crate) classes: u32,
    pub(crate) train_images: u64,
    pub(crate) validation_images: u64,
    pub(crate) bytes: u64,
}

impl From<PackView> for PackRecord {
    fn from(pack: PackView) -> Self {
        Self {
            name: pack.name,
            digest: pack.digest.to_string(),
            classes: pack.classes,
            train_images: pack.train_images,
            validation_images: pack.validation_images,
            bytes: pack.bytes,
        }
    }
}

/// One line of `selffer.weights-list/v1`.
#[derive(Debug, Serialize)]
pub(crate) struct WeightsRecord {
    pub(crate) name: String,
    pub(crate) digest: String,
    pub(crate) channels: u32,
    pub(crate) layers: Vec<String>,
    pub(crate) bytes: u64,
}

impl From<WeightsView> for WeightsRecord {
    fn from(weights: WeightsView) -> Self {
        Self {
            name: weights.name,
            digest: weights.digest.to_string(),
            channels: weights.channels,
            layers: weights.layers,
            bytes: weights.bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        commands::watch::board_for_tests::{job, study},
        output::json,
    };

    #[test]
    fn jobs_are_told_as_agreed() {
        let mut held = job("random-0/A3B", StateKind::Held);
        (held.worker, held.top1) = (None, None);
        held.reason = Some("random-0/baseA failed".to_owned());
        let records: Vec<JobRecord> =
            [job("random-0/baseA", StateKind::Running), held].iter().map(Into::into).collect();
        let document = json::ListDocument { schema: "selffer.jobs/v1", key: "jobs", records: &records };
        insta::assert_snapshot!(json::render(&document).unwrap());
    }

    #[test]
    fn a_study_is_told_as_agreed() {
        let mut study = study(40.0);
        study.counts = [(StateKind::Succeeded, 30), (StateKind::Running, 2)].into();
        insta::assert_snapshot!(json::render(&StudyRecord::from(&study)).unwrap());
    }
}
