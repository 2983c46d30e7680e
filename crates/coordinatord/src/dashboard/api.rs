//! The pages' JSON twins.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, SecondsFormat, Utc};
use selffer_storage::{Divergence, JobSummary, PackRow, StoreError, StudySummary, WorkerRow};
use serde_json::{Value, json};

use super::pages::phase_word;
use crate::{
    chunk_health,
    coordinator::Coordinator,
    grpc::{Pace, job_eta_s, pace, study_with_pace},
};

/// `/api/studies`.
pub(super) async fn studies(State(coordinator): State<Arc<Coordinator>>) -> Response {
    let read = async {
        let store = &coordinator.store;
        let mut studies = Vec::new();
        for study in store.studies().await? {
            let pace = pace(store, &study).await?;
            studies.push(study_json(&study, pace));
        }
        Ok(json!({"schema": "selffer.api.studies/v1", "studies": studies}))
    };
    answer(read.await)
}

/// `/api/studies/NAME`: the study and its jobs.
pub(super) async fn study(State(coordinator): State<Arc<Coordinator>>, Path(name): Path<String>) -> Response {
    let read = async {
        let store = &coordinator.store;
        let (study, pace) = study_with_pace(store, &name).await?;
        let mut jobs = store.all_study_jobs(study.name.as_str()).await?;
        coordinator.pack_rooms.explain(store, &mut jobs).await?;
        let jobs: Vec<Value> = jobs.iter().map(job_json).collect();
        Ok(json!({"schema": "selffer.api.study/v1", "study": study_json(&study, pace), "jobs": jobs}))
    };
    answer(read.await)
}

/// `/api/workers`.
pub(super) async fn workers(State(coordinator): State<Arc<Coordinator>>) -> Response {
    let rows = coordinator.store.workers().await;
    answer(rows.map(|rows| {
        let workers: Vec<Value> = rows.iter().map(worker_json).collect();
        json!({"schema": "selffer.api.workers/v1", "workers": workers})
    }))
}

/// `/api/packs`.
pub(super) async fn packs(State(coordinator): State<Arc<Coordinator>>) -> Response {
    let rows = coordinator.store.packs().await;
    answer(rows.map(|rows| {
        let packs: Vec<Value> = rows.iter().map(pack_json).collect();
        json!({"schema": "selffer.api.packs/v1", "packs": packs})
    }))
}

/// `/api/health`: whether the database answers, whether something is stuck in it, and how the
/// chunk store is.
pub(super) async fn health(State(coordinator): State<Arc<Coordinator>>) -> Response {
    let chunks = chunk_health::json(&coordinator).await;
    let read = async {
        let store = &coordinator.store;
        let divergences: Vec<Value> = store.divergences().await?.iter().map(divergence_json).collect();
        Ok(json!({
            "schema": "selffer.api.health/v1",
            "database": "ok",
            "transactions_left_open": store.transactions_left_open().await?,
            "frozen_since": store.freeze().await?.map(|freeze| iso(freeze.since)),
            "divergences": divergences,
            "chunk_store": chunks,
        }))
    };
    answer(read.await)
}

fn divergence_json(divergence: &Divergence) -> Value {
    json!({
        "job": divergence.name,
        "job_id": divergence.job_id.to_string(),
        "node": divergence.node,
        "adopted": divergence.adopted,
        "detail": divergence.detail,
        "found_at": iso(divergence.found_at),
    })
}

fn iso(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn answer(value: Result<Value, StoreError>) -> Response {
    let (status, code, error) = match value {
        Ok(value) => return Json(value).into_response(),
        Err(error @ StoreError::NotFound { .. }) => (StatusCode::NOT_FOUND, "not_found", error),
        Err(error) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "an answer could not be read from the store"
            );
            (StatusCode::SERVICE_UNAVAILABLE, "unavailable", error)
        }
    };
    let body = json!({"error": {"code": code, "message": error.to_string()}});
    (status, Json(body)).into_response()
}

fn study_json(study: &StudySummary, pace: Pace) -> Value {
    let counts: serde_json::Map<String, Value> =
        study.counts.iter().map(|(state, jobs)| (state.as_str().to_owned(), json!(jobs))).collect();
    json!({
        "name": study.name.as_str(),
        "dataset": study.dataset,
        "pack": study.pack,
        "network": study.network,
        "created_at": iso(study.created_at),
        "jobs": study.jobs(),
        "counts": counts,
        "work_total": study.work_total,
        "work_done": study.work_done,
        "elapsed_s": study.elapsed_s,
        "eta_s": pace.eta_s(study),
        "ended": study.has_ended(),
        "interest": study.interest,
        "interest_reason": some_text(&study.interest_reason),
        "interest_since": iso(study.interest_since),
        "priority": study.priority,
        "parallel_max": study.parallel_max,
        "deadline": study.deadline.map(|at| at.to_rfc3339_opts(SecondsFormat::Millis, true)),
    })
}

fn job_json(job: &JobSummary) -> Value {
    json!({
        "name": job.name,
        "key": job.key,
        "state": job.state,
        "phase": some_text(phase_word(job.phase)),
        "attempt": job.attempt,
        "worker": job.worker,
        "iteration": job.iteration,
        "iterations": job.iterations,
        "images_per_s": job.images_per_s,
        "top1": job.top1,
        "reason": some_text(&job.reason()),
        "eta_s": job_eta_s(job),
        "split": job.split,
        "treatment": job.treatment,
        "n": job.layers_copied,
        "target": job.target_half,
        "seed": job.seed,
    })
}

fn worker_json(row: &WorkerRow) -> Value {
    json!({
        "worker": row.worker,
        "device_kind": row.device_kind,
        "threads": row.threads,
        "alive": row.alive,
        "silent_s": row.silent_s,
        "job": row.job,
        "phase": some_text(phase_word(row.phase)),
        "images_per_s": row.images_per_s,
        "version": row.version,
        "set_aside": row.set_aside.as_ref().map(|aside| json!({
            "kind": aside.kind,
            "reason": some_text(&aside.reason),
            "by": aside.actor,
            "since": aside.since.to_rfc3339_opts(SecondsFormat::Millis, true),
            "now": aside.at_once,
        })),
    })
}

fn pack_json(row: &PackRow) -> Value {
    json!({
        "names": row.names,
        "digest": row.digest,
        "classes": row.manifest.classes.len(),
        "train_images": row.manifest.train.images(),
        "validation_images": row.manifest.validation.images(),
        "bytes": row.objects.bytes(),
    })
}

fn some_text(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}
