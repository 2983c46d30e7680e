//! From wire messages to views. An answer that makes no sense names its field.

use chrono::{DateTime, Utc};
use selffer_core::{
    ids::JobKey,
    job::StateKind,
    outcome::{JobResult, MetricPoint},
    plan::MeasuredSpeed,
    proof::LayerProof,
    spec::Half,
};
use selffer_proto::{
    convert::{self, ConvertError},
    v1::{self, import_summary},
};

use super::views::{
    ActView, AttemptView, CheckpointView, EventView, JobDetail, JobView, LogView, PackView, SetAsideView,
    StudyView, Submitted, WatchView, WeightsView, WorkerView, WorkersActView,
};

/// A study's summary.
pub(super) fn study(study: v1::StudySummary) -> Result<StudyView, ConvertError> {
    let count = |count: &v1::StateCount| Ok((convert::state("counts.state", count.state)?, count.jobs));
    Ok(StudyView {
        counts: study.counts.iter().map(count).collect::<Result<_, _>>()?,
        pack_digest: convert::digest("pack_digest", &study.pack_digest)?,
        created_at: time("created_unix_ms", study.created_unix_ms)?,
        name: study.name,
        dataset: study.dataset,
        network: study.network,
        work_total: study.work_total,
        work_done: study.work_done,
        eta_s: study.eta_s,
        elapsed_s: study.elapsed_s,
        interest: convert::interest("interest", study.interest)?,
        interest_reason: filled(study.interest_reason),
        interest_since: time("interest_unix_ms", study.interest_unix_ms)?,
        priority: study.priority,
        parallel_max: study.parallel_max,
        deadline: study.deadline_unix_ms.map(|ms| time("deadline_unix_ms", ms)).transpose()?,
        ended: study.ended,
    })
}

/// A job's summary.
pub(super) fn job(job: v1::JobSummary) -> Result<JobView, ConvertError> {
    let result = job.result.map(JobResult::try_from).transpose().map_err(|error| error.within("result"))?;
    Ok(JobView {
        key: convert::job_key("key", &job.key)?,
        state: convert::state("state", job.state)?,
        phase: convert::phase(job.phase),
        worker: filled(job.worker),
        reason: filled(job.reason),
        source: filled(job.source).map(|text| half("source", &text)).transpose()?,
        target: half("target", &job.target)?,
        name: job.name,
        attempt: job.attempt,
        iteration: job.iteration,
        iterations: job.iterations,
        images_per_s: job.images_per_s,
        top1: job.top1,
        eta_s: job.eta_s,
        split: job.split,
        treatment: job.treatment,
        layers_copied: job.layers_copied,
        seed: job.seed,
        images_per_class: job.images_per_class,
        result,
    })
}

/// Everything about a job.
pub(super) fn job_detail(detail: v1::GetJobResponse) -> Result<JobDetail, ConvertError> {
    let summary = detail.job.ok_or_else(|| ConvertError::new("job", "is missing"))?;
    let layer = |layer: v1::LayerProof| {
        LayerProof::try_from(layer).map_err(|error: ConvertError| error.within("layers"))
    };
    let point = |point: v1::MetricPoint| {
        MetricPoint::try_from(point).map_err(|error: ConvertError| error.within("metrics"))
    };
    Ok(JobDetail {
        job: job(summary)?,
        spec_json: detail.spec_json,
        attempts: detail.attempts.into_iter().map(attempt).collect::<Result<_, _>>()?,
        metrics: detail.metrics.into_iter().map(point).collect::<Result<_, _>>()?,
        events: detail.events.into_iter().map(event).collect::<Result<_, _>>()?,
        studies: detail.studies,
        final_checkpoint_id: filled(detail.final_checkpoint_id),
        intermediates: detail.intermediates.into_iter().map(intermediate).collect(),
        source_checkpoint_id: filled(detail.source_checkpoint_id),
        source_name: filled(detail.source_name),
        layers: detail.layers.into_iter().map(layer).collect::<Result<_, _>>()?,
        dataset: detail.dataset,
        network: detail.network,
        source_seed: detail.source_seed,
        dependants: detail.dependants,
        dependants_count: detail.dependants_count,
    })
}

/// A published checkpoint.
pub(super) fn checkpoint(checkpoint: v1::GetCheckpointResponse) -> Result<CheckpointView, ConvertError> {
    let is_final = match checkpoint.kind() {
        v1::CheckpointKind::Final => true,
        v1::CheckpointKind::Intermediate => false,
        v1::CheckpointKind::Unspecified => {
            return Err(ConvertError::new("kind", "is none that is known here"));
        }
    };
    Ok(CheckpointView {
        is_final,
        manifest: convert::required("manifest", checkpoint.manifest)?,
        id: checkpoint.checkpoint_id,
        iteration: checkpoint.iteration,
    })
}

fn intermediate(checkpoint: v1::IntermediateCheckpoint) -> (String, u32) {
    (checkpoint.checkpoint_id, checkpoint.iteration)
}

/// What was done to a study: by whom, and why or what it came to.
pub(super) fn study_event(event: v1::StudyEvent) -> Result<EventView, ConvertError> {
    let colon = if event.detail.is_empty() { "" } else { ": " };
    Ok(EventView {
        at: time("at_unix_ms", event.at_unix_ms)?,
        what: event.what,
        detail: format!("by {}{colon}{}", event.actor, event.detail),
    })
}

/// A piece of a log.
pub(super) fn log(log: v1::GetLogResponse) -> LogView {
    LogView { attempt: log.attempt, text: log.text, next_offset: log.next_offset, ended: log.ended }
}

/// The speed of a kind of device on a network.
pub(super) fn speed(speed: v1::list_device_speeds_response::DeviceSpeed) -> MeasuredSpeed {
    let v1::list_device_speeds_response::DeviceSpeed { device_kind, network, jobs, flops_per_s } = speed;
    MeasuredSpeed { device_kind, network, jobs, flops_per_s }
}

/// A worker.
pub(super) fn worker(worker: v1::WorkerSummary) -> Result<WorkerView, ConvertError> {
    let set_aside = |aside: v1::SetAside| {
        let since = time("set_aside.since_unix_ms", aside.since_unix_ms)?;
        Ok(SetAsideView { kind: aside.kind, reason: filled(aside.reason), actor: aside.actor, since })
    };
    Ok(WorkerView {
        set_aside: worker.set_aside.map(set_aside).transpose()?,
        phase: convert::phase(worker.phase),
        job: filled(worker.job),
        worker: worker.worker,
        device_kind: worker.device_kind,
        threads: worker.threads,
        alive: worker.alive,
        silent_s: worker.silent_s,
        images_per_s: worker.images_per_s,
        version: worker.version,
    })
}

/// What an act on workers came to.
pub(super) fn workers_act(act: Option<v1::WorkersAct>) -> Result<WorkersActView, ConvertError> {
    let act = act.ok_or_else(|| ConvertError::new("act", "is missing"))?;
    Ok(WorkersActView {
        name: act.name,
        changed: act.changed,
        workers: act.workers,
        running: act.running,
        ending: act.ending,
        still: filled(act.still),
    })
}

/// A pack in the store.
pub(super) fn pack(import: v1::ImportSummary) -> Result<PackView, ConvertError> {
    let Some(import_summary::Of::Pack(pack)) = import.of else {
        return Err(ConvertError::new("of", "is no pack"));
    };
    Ok(PackView {
        digest: convert::digest("digest", &import.digest)?,
        name: import.name,
        classes: pack.classes,
        train_images: pack.train_images,
        validation_images: pack.validation_images,
        bytes: import.bytes,
    })
}

/// Weights in the store.
pub(super) fn weights(import: v1::ImportSummary) -> Result<WeightsView, ConvertError> {
    let Some(import_summary::Of::Weights(weights)) = import.of else {
        return Err(ConvertError::new("of", "is no weights"));
    };
    Ok(WeightsView {
        digest: convert::digest("digest", &import.digest)?,
        name: import.name,
        channels: weights.channels,
        layers: weights.layers,
        bytes: import.bytes,
    })
}

/// What became of a submission.
pub(super) fn submitted(response: v1::SubmitResponse) -> Submitted {
    let v1::SubmitResponse { study, existed, jobs, shared, succeeded, added, reopened } = response;
    Submitted { study, existed, jobs, shared, succeeded, added, reopened }
}

/// What an act came to.
pub(super) fn act(act: Option<v1::Act>) -> Result<ActView, ConvertError> {
    let act = act.ok_or_else(|| ConvertError::new("act", "is missing"))?;
    Ok(ActView {
        name: act.name,
        changed: act.changed,
        interest: convert::interest("interest", act.interest)?,
        priority: act.priority,
        cancelled: act.cancelled,
        ending: act.ending,
        running: act.running,
        held: act.held,
        reopened: act.reopened,
        others: act.others.into_iter().map(|other| (other.study, other.jobs)).collect(),
    })
}

/// A change of a watched study.
pub(super) fn watch(update: v1::WatchStudyResponse) -> Result<WatchView, ConvertError> {
    let summary = update.study.ok_or_else(|| ConvertError::new("study", "is missing"))?;
    Ok(WatchView {
        study: study(summary)?,
        jobs: update.jobs.into_iter().map(job).collect::<Result<_, _>>()?,
    })
}

/// A job that exists, and where it stands.
pub(super) fn known(known: &v1::look_up_jobs_response::Known) -> Result<(JobKey, StateKind), ConvertError> {
    Ok((convert::job_key("key", &known.key)?, convert::state("state", known.state)?))
}

fn attempt(attempt: v1::Attempt) -> Result<AttemptView, ConvertError> {
    Ok(AttemptView {
        attempt: attempt.attempt,
        worker: attempt.worker,
        program_version: attempt.program_version,
        device_kind: attempt.device_kind,
        threads: attempt.threads,
        started_at: time("started_unix_ms", attempt.started_unix_ms)?,
        ended_at: attempt.ended_unix_ms.map(|ms| time("ended_unix_ms", ms)).transpose()?,
        outcome: filled(attempt.outcome),
        message: attempt.message,
    })
}

fn event(event: v1::Event) -> Result<EventView, ConvertError> {
    Ok(EventView { at: time("at_unix_ms", event.at_unix_ms)?, what: event.what, detail: event.detail })
}

fn half(field: &str, text: &str) -> Result<Half, ConvertError> {
    match text {
        "A" => Ok(Half::A),
        "B" => Ok(Half::B),
        "W" => Ok(Half::W),
        _ => Err(ConvertError::new(field, format!("{text:?} is not A, B or W"))),
    }
}

fn time(field: &str, unix_ms: i64) -> Result<DateTime<Utc>, ConvertError> {
    DateTime::from_timestamp_millis(unix_ms)
        .ok_or_else(|| ConvertError::new(field, format!("{unix_ms} is no time")))
}

fn filled(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_makes_no_sense_names_its_field() {
        let wire = v1::JobSummary {
            key: vec![7; 32],
            state: v1::JobState::Running.into(),
            target: "C".to_owned(),
            ..Default::default()
        };
        assert_eq!(job(wire.clone()).unwrap_err().to_string(), "target: \"C\" is not A, B or W");
        let error = job(v1::JobSummary { key: vec![7; 31], ..wire }).unwrap_err();
        assert_eq!(error.to_string(), "key: has 31 bytes, not 32");
    }

    #[test]
    fn what_was_not_said_is_none_not_an_empty_text() {
        let wire = v1::JobSummary {
            key: vec![7; 32],
            state: v1::JobState::Ready.into(),
            target: "A".to_owned(),
            ..Default::default()
        };
        let job = job(wire).unwrap();
        assert_eq!((job.worker, job.reason, job.source, job.phase), (None, None, None, None));
    }
}
