//! The pages, rendered from what the store says when they are asked for.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, State},
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use selffer_core::{
    interest::Interest,
    job::{Phase, StateKind},
};
use selffer_storage::{JobSummary, PackRow, StoreError, StudySummary, WorkerRow};
use tracing::error;

use super::{
    matrix::{Matrix, matrices, share_percent},
    text::{bytes, count, duration, percent},
};
use crate::{
    coordinator::Coordinator,
    grpc::{Pace, job_eta_s, pace, study_with_pace},
};

/// Jobs that one page shows; `jobctl` shows them all.
const JOBS_SHOWN_MAX: u32 = 2_000;

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    refresh_s: u32,
    studies: Vec<StudyLine>,
    workers: Vec<WorkerLine>,
    packs: Vec<PackLine>,
}

#[derive(Template)]
#[template(path = "study.html")]
struct StudyPage {
    refresh_s: u32,
    study: StudyLine,
    matrices: Vec<Matrix>,
    jobs: Vec<JobLine>,
    /// Jobs beyond those shown.
    more: u32,
}

#[derive(Template)]
#[template(path = "message.html")]
struct Message {
    refresh_s: u32,
    title: &'static str,
    text: String,
}

struct StudyLine {
    name: String,
    dataset: String,
    network: String,
    jobs: u32,
    percent_done: u64,
    /// State and number of jobs, without the states that have none.
    counts: Vec<(&'static str, u32)>,
    elapsed: String,
    left: String,
    has_ended: bool,
    /// Its interest, where that is worth a word.
    interest: Option<InterestLine>,
    priority: i32,
    /// How many of its networks may be at work at once.
    parallel_max: Option<u32>,
    /// When it is stopped, if it has not ended.
    deadline: Option<String>,
}

/// That a study is paused, stopped or cancelled.
struct InterestLine {
    word: &'static str,
    /// What that means, and a person's words.
    says: String,
}

struct WorkerLine {
    row: WorkerRow,
    silent: String,
    phase: &'static str,
    images_per_s: String,
}

struct PackLine {
    names: String,
    digest: String,
    classes: usize,
    train: String,
    validation: String,
    bytes: String,
}

struct JobLine {
    name: String,
    state: &'static str,
    phase: &'static str,
    attempt: u32,
    worker: String,
    percent_done: u64,
    progress: String,
    images_per_s: String,
    top1: String,
    left: String,
    reason: String,
}

/// `/`: studies, workers, packs.
pub(super) async fn overview(State(coordinator): State<Arc<Coordinator>>) -> Response {
    let read = async {
        let store = &coordinator.store;
        let mut studies = Vec::new();
        for study in store.studies().await? {
            let pace = pace(store, &study).await?;
            studies.push(study_line(&study, pace));
        }
        let workers = store.workers().await?.into_iter().map(worker_line).collect();
        let packs = store.packs().await?.iter().map(pack_line).collect();
        Ok(Overview { refresh_s: 5, studies, workers, packs })
    };
    answer(read.await)
}

/// `/studies/NAME`: the matrix and the jobs; `last` is the newest.
pub(super) async fn study(State(coordinator): State<Arc<Coordinator>>, Path(name): Path<String>) -> Response {
    let read = async {
        let store = &coordinator.store;
        let (study, pace) = study_with_pace(store, &name).await?;
        let mut jobs = store.study_jobs(study.name.as_str(), None, JOBS_SHOWN_MAX).await?;
        coordinator.pack_rooms.explain(store, &mut jobs).await?;
        let line = study_line(&study, pace);
        Ok(StudyPage {
            refresh_s: if line.has_ended { 60 } else { 2 },
            more: line.jobs.saturating_sub(jobs.len() as u32),
            matrices: matrices(&jobs),
            jobs: jobs.iter().map(job_line).collect(),
            study: line,
        })
    };
    answer(read.await)
}

/// `/style.css`.
pub(super) async fn style() -> Response {
    let headers = [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "max-age=60")];
    (headers, include_str!("../../templates/style.css")).into_response()
}

/// Whatever else is asked for.
pub(super) async fn no_such_page() -> Response {
    message(StatusCode::NOT_FOUND, "There is no such page", "The overview lists what there is.".to_owned())
}

fn answer<T: Template>(page: Result<T, StoreError>) -> Response {
    match page {
        Ok(page) => html(StatusCode::OK, &page),
        Err(StoreError::NotFound { what, name }) => {
            message(StatusCode::NOT_FOUND, "Not found", format!("There is no {what} named {name}."))
        }
        Err(error) => {
            error!(error = &error as &dyn std::error::Error, "a page could not be read from the store");
            let text = "The coordinator cannot read its database just now; this page tries again.";
            message(StatusCode::SERVICE_UNAVAILABLE, "Not available", text.to_owned())
        }
    }
}

fn message(status: StatusCode, title: &'static str, text: String) -> Response {
    html(status, &Message { refresh_s: 10, title, text })
}

fn html(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => (status, Html(text)).into_response(),
        Err(error) => {
            error!(%error, "a page could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn study_line(study: &StudySummary, pace: Pace) -> StudyLine {
    let has_ended = study.has_ended();
    let counts = study.counts.iter().filter(|(_, jobs)| **jobs > 0);
    StudyLine {
        name: study.name.to_string(),
        dataset: study.dataset.clone(),
        network: study.network.clone(),
        jobs: study.jobs(),
        percent_done: (100.0 * study.work_done / study.work_total.max(1.0)).clamp(0.0, 100.0) as u64,
        counts: counts.map(|(state, jobs)| (state.as_str(), *jobs)).collect(),
        elapsed: duration(study.elapsed_s),
        left: if has_ended { String::new() } else { pace.eta_s(study).map_or_else(String::new, duration) },
        has_ended,
        interest: interest_line(study),
        priority: study.priority,
        parallel_max: study.parallel_max,
        deadline: study.deadline.filter(|_| !has_ended).map(|at| at.format("%Y-%m-%d %H:%M UTC").to_string()),
    }
}

fn interest_line(study: &StudySummary) -> Option<InterestLine> {
    let meaning = match (study.interest, study.ending) {
        (Interest::Active, _) => return None,
        (Interest::Paused, _) => "nothing new is handed out until it is resumed".to_owned(),
        (Interest::Stopped, _) => "nothing more is handed out; what runs finishes".to_owned(),
        (Interest::Cancelled, 0) => "submit it again to go on".to_owned(),
        (Interest::Cancelled, ending) => format!("{ending} still end with a checkpoint"),
    };
    let reason = &study.interest_reason;
    let says = if reason.is_empty() { meaning } else { format!("{meaning} ({reason})") };
    Some(InterestLine { word: study.interest.as_str(), says })
}

fn worker_line(row: WorkerRow) -> WorkerLine {
    WorkerLine {
        silent: duration(row.silent_s),
        phase: phase_word(row.phase),
        images_per_s: rate(row.images_per_s),
        row,
    }
}

fn pack_line(row: &PackRow) -> PackLine {
    PackLine {
        names: row.names.join(", "),
        digest: row.digest.short(),
        classes: row.manifest.classes.len(),
        train: count(row.manifest.train.images()),
        validation: count(row.manifest.validation.images()),
        bytes: bytes(row.objects.bytes()),
    }
}

fn job_line(job: &JobSummary) -> JobLine {
    JobLine {
        name: job.name.clone(),
        state: job.state.as_str(),
        phase: if job.state == StateKind::Running { phase_word(job.phase) } else { "" },
        attempt: job.attempt.0,
        worker: job.worker.clone().unwrap_or_default(),
        percent_done: share_percent(job),
        progress: format!("{} / {}", job.iteration, job.iterations),
        images_per_s: rate(job.images_per_s),
        top1: job.top1.map_or_else(String::new, percent),
        left: job_eta_s(job).map_or_else(String::new, duration),
        reason: job.reason(),
    }
}

fn rate(images_per_s: f32) -> String {
    if images_per_s > 0.0 { count(images_per_s.round() as u64) } else { String::new() }
}

/// The word for a phase.
pub(super) fn phase_word(phase: Option<Phase>) -> &'static str {
    match phase {
        Some(Phase::Fetching) => "fetching",
        Some(Phase::Training) => "training",
        Some(Phase::Testing) => "testing",
        Some(Phase::Uploading) => "uploading",
        None => "",
    }
}
