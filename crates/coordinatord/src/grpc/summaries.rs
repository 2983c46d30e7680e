//! What the store read, as the wire has it.

use std::collections::HashMap;

use chrono::SecondsFormat;
use selffer_core::{
    ids::{CheckpointId, JobId},
    job::StateKind,
    limits::PAGE_ROWS_MAX,
    outcome::JobResult,
    rollback::Freeze,
    spec::{Half, ImagesPerClass},
};
use selffer_proto::{convert, v1};
use selffer_storage::{
    JobDetail, JobSummary, Store, StoreError, StudyEvent, StudyGrid, StudySummary, WorkerRow,
};

use super::pace::{Pace, job_eta_s};

/// A study, with the pace of its running jobs.
pub(crate) async fn study_with_pace(store: &Store, name: &str) -> Result<(StudySummary, Pace), StoreError> {
    let study = store.study(name).await?;
    let pace = pace(store, &study).await?;
    Ok((study, pace))
}

/// The pace of a study's running jobs.
pub(crate) async fn pace(store: &Store, study: &StudySummary) -> Result<Pace, StoreError> {
    let is_running = study.counts.get(&StateKind::Running).is_some_and(|jobs| *jobs > 0);
    if !is_running {
        return Ok(Pace::of(study, &[]));
    }
    // A study that is larger is judged by its first jobs.
    let jobs = store.study_jobs(study.name.as_str(), None, PAGE_ROWS_MAX as u32).await?;
    Ok(Pace::of(study, &jobs))
}

pub(super) fn study(study: &StudySummary, pace: Pace) -> v1::StudySummary {
    let count = |(state, jobs): (&StateKind, &u32)| v1::StateCount {
        state: v1::JobState::from(*state).into(),
        jobs: *jobs,
    };
    v1::StudySummary {
        name: study.name.to_string(),
        dataset: study.dataset.clone(),
        pack_digest: study.pack.0.to_vec(),
        network: study.network.clone(),
        created_unix_ms: study.created_at.timestamp_millis(),
        counts: study.counts.iter().map(count).collect(),
        work_total: study.work_total,
        work_done: study.work_done,
        eta_s: pace.eta_s(study),
        grid_yaml: String::new(),
        elapsed_s: study.elapsed_s,
        interest: v1::Interest::from(study.interest).into(),
        interest_reason: study.interest_reason.clone(),
        interest_unix_ms: study.interest_since.timestamp_millis(),
        priority: study.priority,
        ending: study.ending,
        ended: study.has_ended(),
        parallel_max: study.parallel_max,
        deadline_unix_ms: study.deadline.map(|at| at.timestamp_millis()),
    }
}

pub(super) fn study_grid(grid: StudyGrid) -> v1::StudyGrid {
    v1::StudyGrid {
        grid_yaml: grid.grid_yaml,
        files: grid.files.into_iter().map(|(path, text)| v1::GridFile { path, text }).collect(),
        submitted_unix_ms: grid.submitted_at.timestamp_millis(),
    }
}

pub(super) fn study_event(event: StudyEvent) -> v1::StudyEvent {
    v1::StudyEvent {
        at_unix_ms: event.at.timestamp_millis(),
        actor: event.actor,
        what: event.what,
        detail: event.detail,
    }
}

pub(super) fn job(job: &JobSummary, result: Option<&JobResult>) -> v1::JobSummary {
    v1::JobSummary {
        name: job.name.clone(),
        key: job.key.0.to_vec(),
        state: v1::JobState::from(job.state).into(),
        phase: convert::phase_number(job.phase),
        attempt: job.attempt.0,
        worker: job.worker.clone().unwrap_or_default(),
        iteration: job.iteration,
        iterations: job.iterations,
        images_per_s: job.images_per_s,
        top1: job.top1,
        reason: job.reason(),
        eta_s: job_eta_s(job),
        split: job.split.clone(),
        treatment: job.treatment.clone(),
        layers_copied: u32::from(job.layers_copied),
        source: job.source_half.as_ref().map_or_else(String::new, Half::to_string),
        target: job.target_half.to_string(),
        seed: job.seed,
        images_per_class: match job.images_per_class {
            ImagesPerClass::All => None,
            ImagesPerClass::First(count) => Some(count),
        },
        result: result.map(v1::JobResult::from),
        job_id: job.job_id.to_string(),
        device_kind: job.device_kind.clone().unwrap_or_default(),
    }
}

/// The jobs with their results, where those are known.
pub(super) fn jobs(summaries: &[JobSummary], results: &HashMap<JobId, JobResult>) -> Vec<v1::JobSummary> {
    summaries.iter().map(|summary| job(summary, results.get(&summary.job_id))).collect()
}

pub(super) fn detail(detail: JobDetail) -> v1::GetJobResponse {
    let attempt = |row: selffer_storage::AttemptRow| v1::Attempt {
        attempt: row.attempt.0,
        worker: row.worker,
        device_kind: row.device_kind,
        started_unix_ms: row.started_at.timestamp_millis(),
        ended_unix_ms: row.ended_at.map(|at| at.timestamp_millis()),
        outcome: row.outcome.unwrap_or_default(),
        message: row.message,
        program_version: row.program_version,
        threads: row.threads,
    };
    let intermediate = |(id, iteration): (CheckpointId, u32)| v1::IntermediateCheckpoint {
        checkpoint_id: id.to_string(),
        iteration,
    };
    let event = |row: selffer_storage::EventRow| v1::Event {
        at_unix_ms: row.at.timestamp_millis(),
        what: row.what,
        detail: row.detail,
    };
    v1::GetJobResponse {
        job: Some(job(&detail.summary, detail.result.as_ref())),
        spec_json: detail.spec_json,
        attempts: detail.attempts.into_iter().map(attempt).collect(),
        metrics: detail.metrics.iter().map(v1::MetricPoint::from).collect(),
        events: detail.events.into_iter().map(event).collect(),
        studies: detail.studies,
        final_checkpoint_id: detail.final_checkpoint.map_or_else(String::new, |id| id.to_string()),
        source_name: detail.summary.source.map_or_else(String::new, |source| source.name),
        layers: detail.layers.iter().map(v1::LayerProof::from).collect(),
        dataset: detail.names.dataset,
        network: detail.names.network,
        source_seed: detail.names.source_seed,
        intermediates: detail.intermediates.into_iter().map(intermediate).collect(),
        dependants: Vec::new(),
        dependants_count: 0,
        source_checkpoint_id: detail.source_checkpoint.map_or_else(String::new, |id| id.to_string()),
    }
}

pub(super) fn worker(row: WorkerRow) -> v1::WorkerSummary {
    v1::WorkerSummary {
        worker: row.worker,
        device_kind: row.device_kind,
        threads: row.threads,
        alive: row.alive,
        silent_s: row.silent_s,
        job: row.job.unwrap_or_default(),
        phase: convert::phase_number(row.phase),
        images_per_s: row.images_per_s,
        version: row.version,
        set_aside: row.set_aside.map(|aside| v1::SetAside {
            kind: aside.kind,
            reason: aside.reason,
            actor: aside.actor,
            since_unix_ms: aside.since.timestamp_millis(),
            now: aside.at_once,
        }),
    }
}

/// What people are told while the fleet is frozen.
pub(super) fn freeze_notice(freeze: &Freeze) -> String {
    format!(
        "the database was rolled back, as a worker's claim showed at {}: nothing is handed out until all \
         workers were heard ({} sessions were not yet); /api/health lists what came of it",
        freeze.since.to_rfc3339_opts(SecondsFormat::Secs, true),
        freeze.unheard
    )
}
