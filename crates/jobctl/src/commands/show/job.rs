//! One job: its spec, its result, and what happened to it.

use anyhow::Context;
use selffer_core::{
    outcome::{JobResult, MetricPoint, MetricValue},
    spec::JobSpec,
};
use serde::Serialize;
use serde_json::Value;

use super::proof::{self, ProofRecord};
use crate::{
    client::{AttemptView, EventView, JobDetail, JobView, iso},
    commands::records::JobRecord,
    output::{
        Screen, human,
        table::{self, Cell, Column, Look, Side},
    },
};

#[derive(Serialize)]
pub(super) struct JobDocument {
    schema: &'static str,
    job: JobRecord,
    studies: Vec<String>,
    source: Option<String>,
    spec: Value,
    result: Option<ResultRecord>,
    final_checkpoint: Option<String>,
    pub(super) proof: ProofRecord,
    attempts: Vec<AttemptRecord>,
    metrics: Vec<MetricPoint>,
    events: Vec<EventRecord>,
}

#[derive(Serialize)]
struct ResultRecord {
    top1: f64,
    top5: f64,
    loss: f64,
    images: u64,
    tests: u32,
    top1_best10: Option<f64>,
    weights_digest: String,
    copied_layers_unchanged: Option<bool>,
    stuck_at_chance: bool,
    training_s: f64,
    testing_s: f64,
    waiting_s: f64,
    device: String,
}

impl From<&JobResult> for ResultRecord {
    fn from(result: &JobResult) -> Self {
        Self {
            top1: result.test.top1(),
            top5: result.test.top5(),
            loss: result.test.loss,
            images: result.test.images,
            tests: result.tests,
            top1_best10: result.top1_best10,
            weights_digest: result.weights_digest.to_string(),
            copied_layers_unchanged: result.copied_layers_unchanged,
            stuck_at_chance: result.stuck_at_chance,
            training_s: result.training_s,
            testing_s: result.testing_s,
            waiting_s: result.waiting_s,
            device: result.device_kind.clone(),
        }
    }
}

#[derive(Serialize)]
struct AttemptRecord {
    attempt: u32,
    worker: String,
    program_version: String,
    device: String,
    threads: u32,
    started: String,
    ended: Option<String>,
    outcome: Option<String>,
    message: String,
}

impl From<&AttemptView> for AttemptRecord {
    fn from(attempt: &AttemptView) -> Self {
        Self {
            attempt: attempt.attempt,
            worker: attempt.worker.clone(),
            program_version: attempt.program_version.clone(),
            device: attempt.device_kind.clone(),
            threads: attempt.threads,
            started: iso(attempt.started_at),
            ended: attempt.ended_at.map(iso),
            outcome: attempt.outcome.clone(),
            message: attempt.message.clone(),
        }
    }
}

#[derive(Serialize)]
pub(super) struct EventRecord {
    at: String,
    what: String,
    detail: String,
}

impl From<&EventView> for EventRecord {
    fn from(event: &EventView) -> Self {
        Self { at: iso(event.at), what: event.what.clone(), detail: event.detail.clone() }
    }
}

/// Shows one job with everything that is known about it.
pub(super) fn show_job(screen: &Screen, detail: &JobDetail) -> anyhow::Result<()> {
    let document = document(detail)?;
    let text = job_text(detail, &document.proof, screen.look);
    screen.item(&detail.job.name, &document, &text)
}

pub(super) fn document(detail: &JobDetail) -> anyhow::Result<JobDocument> {
    let unreadable =
        || format!("the spec of {} cannot be read; is jobctl as new as the coordinator?", detail.job.name);
    let spec_json: Value = serde_json::from_str(&detail.spec_json).with_context(unreadable)?;
    let spec: JobSpec = serde_json::from_value(spec_json.clone()).with_context(unreadable)?;
    Ok(JobDocument {
        schema: "selffer.job/v1",
        job: (&detail.job).into(),
        studies: detail.studies.clone(),
        source: detail.source_name.clone(),
        proof: proof::record(detail, &spec, &spec_json),
        spec: spec_json,
        result: detail.job.result.as_ref().map(Into::into),
        final_checkpoint: detail.final_checkpoint_id.clone(),
        attempts: detail.attempts.iter().map(Into::into).collect(),
        metrics: detail.metrics.clone(),
        events: detail.events.iter().map(Into::into).collect(),
    })
}

pub(super) fn job_text(detail: &JobDetail, proof: &ProofRecord, look: Look) -> String {
    let mut text = human::facts(&detail.job.name, &job_facts(detail));
    if let Some(result) = &detail.job.result {
        text.push_str(&human::facts("\nresult", &result_facts(result)));
    }
    text.push_str(&human::facts("\nmade of", &proof::facts(proof)));
    text.push_str(&human::facts("\nrecipe", &proof::recipe_facts(proof)));
    let tests = tests_of(&detail.metrics);
    for (title, section) in [
        ("layers", table_unless_empty(&proof::LAYER_COLUMNS, proof.layers(), look)),
        ("attempts", table_unless_empty(&ATTEMPT_COLUMNS, &detail.attempts, look)),
        ("tests", table_unless_empty(&TEST_COLUMNS, &tests, look)),
        ("events", table_unless_empty(&EVENT_COLUMNS, &detail.events, look)),
    ] {
        if let Some(section) = section {
            text.push_str(&format!("\n{title}\n{section}"));
        }
    }
    text
}

fn job_facts(detail: &JobDetail) -> Vec<(&'static str, String)> {
    let job = &detail.job;
    let reason = job.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let mut facts = vec![
        ("key", job.key.to_string()),
        ("state", format!("{}{reason}", job.state.as_str())),
        ("network", network_fact(job)),
        (
            "iteration",
            format!("{} of {}", human::count(job.iteration.into()), human::count(job.iterations.into())),
        ),
        ("wanted by", detail.studies.join(", ")),
    ];
    if let Some(source) = &detail.source_name {
        facts.push(("copies from", source.clone()));
    }
    if let Some(worker) = &job.worker {
        facts.push(("worker", worker.clone()));
    }
    if job.images_per_s > 0.0 {
        facts.push(("speed", human::images_per_s(job.images_per_s.into())));
    }
    if let Some(eta_s) = job.eta_s {
        facts.push(("time left", human::duration(eta_s)));
    }
    if let Some(checkpoint) = &detail.final_checkpoint_id {
        facts.push(("checkpoint", checkpoint.clone()));
    }
    facts
}

fn network_fact(job: &JobView) -> String {
    let copied = match job.layers_copied {
        0 => String::new(),
        layers => format!(", {}", human::counted(layers.into(), "layer")),
    };
    let source = job.source.map(|half| format!(" from {half}")).unwrap_or_default();
    let limit = job.images_per_class.map(|images| format!(", {images} images a class")).unwrap_or_default();
    format!(
        "{}{copied}{source} on half {} of {}, seed {}{limit}",
        job.treatment, job.target, job.split, job.seed
    )
}

fn result_facts(result: &JobResult) -> Vec<(&'static str, String)> {
    let test = &result.test;
    let mut facts = vec![
        ("top-1", format!("{} of {} images", human::percent(test.top1()), human::count(test.images))),
        ("top-5", human::percent(test.top5())),
        ("loss", format!("{:.4}", test.loss)),
        ("tests", result.tests.to_string()),
        ("weights", result.weights_digest.to_string()),
        ("training", human::duration(result.training_s)),
        ("testing", part(result.testing_s, result)),
        ("waiting", part(result.waiting_s, result) + ", for images"),
    ];
    if result.stuck_at_chance {
        facts.push(("warning", "the loss never fell below chance".to_owned()));
    }
    facts
}

/// How long a part of the training took, and of the whole time.
fn part(seconds: f64, result: &JobResult) -> String {
    let share = seconds / result.training_s;
    let share =
        if share.is_finite() { format!(", {} of the time", human::percent(share)) } else { String::new() };
    human::duration(seconds) + &share
}

fn table_unless_empty<T>(columns: &[Column<T>], records: &[T], look: Look) -> Option<String> {
    (!records.is_empty()).then(|| table::render(columns, records, look))
}

const ATTEMPT_COLUMNS: [Column<AttemptView>; 7] = [
    Column { title: "ATTEMPT", side: Side::Right, cell: |attempt| attempt.attempt.to_string().into() },
    Column { title: "WORKER", side: Side::Left, cell: |attempt| attempt.worker.as_str().into() },
    Column { title: "DEVICE", side: Side::Left, cell: |attempt| attempt.device_kind.as_str().into() },
    Column { title: "THREADS", side: Side::Right, cell: |attempt| attempt.threads.to_string().into() },
    Column { title: "STARTED", side: Side::Left, cell: |attempt| iso(attempt.started_at).into() },
    Column { title: "OUTCOME", side: Side::Left, cell: |attempt| Cell::optional(attempt.outcome.clone()) },
    Column { title: "MESSAGE", side: Side::Left, cell: |attempt| attempt.message.as_str().into() },
];

/// A test of the newest attempt: iteration, top-1, loss.
type Test = (u32, f64, f64);

fn tests_of(metrics: &[MetricPoint]) -> Vec<Test> {
    let tests = metrics.iter().filter_map(|point| match &point.value {
        MetricValue::Test(test) => Some((point.iteration, test.top1(), test.loss)),
        MetricValue::TrainingLoss(_) => None,
    });
    tests.collect()
}

const TEST_COLUMNS: [Column<Test>; 3] = [
    Column { title: "ITERATION", side: Side::Right, cell: |test| human::count(test.0.into()).into() },
    Column { title: "TOP-1", side: Side::Right, cell: |test| human::percent(test.1).into() },
    Column { title: "LOSS", side: Side::Right, cell: |test| format!("{:.4}", test.2).into() },
];

pub(super) const EVENT_COLUMNS: [Column<EventView>; 3] = [
    Column { title: "TIME", side: Side::Left, cell: |event| iso(event.at).into() },
    Column { title: "WHAT", side: Side::Left, cell: |event| event.what.as_str().into() },
    Column { title: "DETAIL", side: Side::Left, cell: |event| event.detail.as_str().into() },
];
