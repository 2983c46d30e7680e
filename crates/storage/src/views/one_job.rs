//! One job with everything that belongs to it.

use chrono::{DateTime, Utc};
use selffer_core::{
    ids::{AttemptNumber, CheckpointId, JobId},
    outcome::{JobResult, MetricPoint},
    proof::LayerProof,
    spec::JobSpec,
};

use super::{JobRef, JobSummary};
use crate::{
    Store, StoreError,
    convert::{self, from_i32},
};

/// How many events are shown, the newest.
const EVENTS_MAX: i64 = 200;

/// Everything about a job.
#[derive(Clone, Debug, PartialEq)]
pub struct JobDetail {
    /// As lists show it, in the study it was asked for.
    pub summary: JobSummary,
    /// What it is.
    pub spec: JobSpec,
    /// The same as canonical JSON.
    pub spec_json: String,
    /// All attempts, oldest first.
    pub attempts: Vec<AttemptRow>,
    /// Its learning curve.
    pub metrics: Vec<MetricPoint>,
    /// What happened to it, oldest first.
    pub events: Vec<EventRow>,
    /// All studies that want it, as `STUDY:NAME`, newest first.
    pub studies: Vec<String>,
    /// What it found, if it succeeded.
    pub result: Option<JobResult>,
    /// Its final checkpoint.
    pub final_checkpoint: Option<CheckpointId>,
    /// Its published intermediate checkpoints, newest first, and how many updates each has.
    pub intermediates: Vec<(CheckpointId, u32)>,
    /// The published final checkpoint of the network that it copies from.
    pub source_checkpoint: Option<CheckpointId>,
    /// Its layers beside those they were copied from, if it succeeded.
    pub layers: Vec<LayerProof>,
    /// What people call what it is made of.
    pub names: Names,
}

/// What people call what a job is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Its pack, as the newest study that wants it names it.
    pub dataset: String,
    /// Its network, likewise.
    pub network: String,
    /// The seed of the network it copies from.
    pub source_seed: Option<u64>,
}

/// One attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct AttemptRow {
    /// Its number.
    pub attempt: AttemptNumber,
    /// Who made it.
    pub worker: String,
    /// On what kind of device.
    pub device_kind: String,
    /// With how many threads; 0 on a GPU.
    pub threads: u32,
    /// By which version of the program.
    pub program_version: String,
    /// When it was claimed.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// How it ended; `failed` with its class.
    pub outcome: Option<String>,
    /// What was said about that.
    pub message: String,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRow {
    /// When.
    pub at: DateTime<Utc>,
    /// What, in two words.
    pub what: String,
    /// What it came to.
    pub detail: String,
}

impl Store {
    /// Everything about a job that [`Store::find_job`] found.
    ///
    /// # Errors
    /// It is gone.
    pub async fn job(&self, job: &JobRef) -> Result<JobDetail, StoreError> {
        let summary = self.summary_at(job.study_id, job.position).await?;
        let gone = || StoreError::NotFound { what: "job", name: job.name.clone() };
        let spec_json = self.spec_of(job.job_id).await?;
        let spec = convert::spec(&spec_json)?;
        let (result, final_checkpoint) = self.result_of(job.job_id).await?.unzip();
        let layers = match (&result, final_checkpoint) {
            (Some(result), Some(id)) => self.proofs_of(job.job_id, &spec, result, id).await?,
            _ => Vec::new(),
        };
        let names = self.names_of(job.job_id).await?;
        Ok(JobDetail {
            summary: summary.filter(|summary| summary.job_id == job.job_id).ok_or_else(gone)?,
            spec,
            spec_json,
            layers,
            names,
            attempts: self.attempts_of(job.job_id).await?,
            metrics: self.curve(job.job_id).await?,
            events: self.events_of(job.job_id).await?,
            studies: self.studies_of(job.job_id).await?,
            result,
            final_checkpoint,
            intermediates: self.intermediates_of(job.job_id).await?,
            source_checkpoint: self.source_checkpoint_of(job.job_id).await?,
        })
    }

    /// A job's spec as it is stored.
    pub(crate) async fn spec_of(&self, job_id: JobId) -> Result<String, StoreError> {
        let spec = sqlx::query_scalar!("SELECT spec FROM jobs WHERE job_id = $1", job_id.0);
        let spec = spec.fetch_optional(&self.main).await?;
        spec.ok_or_else(|| StoreError::NotFound { what: "job", name: job_id.to_string() })
    }

    async fn intermediates_of(&self, job_id: JobId) -> Result<Vec<(CheckpointId, u32)>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT checkpoint_id, iteration
               FROM checkpoints
               WHERE job_id = $1
                 AND kind = 'intermediate'
                 AND state = 'published'
               ORDER BY published_at DESC"#,
            job_id.0,
        );
        let rows = rows.fetch_all(&self.main).await?.into_iter();
        Ok(rows.map(|row| (CheckpointId(row.checkpoint_id), from_i32(row.iteration))).collect())
    }

    // The newest result's, as a worker gets it; none that was found damaged.
    async fn source_checkpoint_of(&self, job_id: JobId) -> Result<Option<CheckpointId>, StoreError> {
        let id = sqlx::query_scalar!(
            r#"SELECT c.checkpoint_id
               FROM jobs j
               JOIN results r ON r.job_id = j.source_job_id
               JOIN checkpoints c USING (checkpoint_id)
               WHERE j.job_id = $1
                 AND c.state = 'published'
               ORDER BY r.attempt DESC
               LIMIT 1"#,
            job_id.0,
        );
        Ok(id.fetch_optional(&self.main).await?.map(CheckpointId))
    }

    async fn names_of(&self, job_id: JobId) -> Result<Names, StoreError> {
        let names = sqlx::query!(
            r#"SELECT newest.dataset AS "dataset?", newest.network AS "network?",
                   source.seed AS "source_seed?"
               FROM jobs j
               LEFT JOIN jobs source ON source.job_id = j.source_job_id
               LEFT JOIN LATERAL (
                   SELECT s.dataset, s.network
                   FROM study_jobs sj JOIN studies s USING (study_id)
                   WHERE sj.job_id = j.job_id
                   ORDER BY s.created_at DESC
                   LIMIT 1) AS newest ON true
               WHERE j.job_id = $1"#,
            job_id.0,
        );
        let Some(row) = names.fetch_optional(&self.main).await? else { return Ok(Names::default()) };
        Ok(Names {
            dataset: row.dataset.unwrap_or_default(),
            network: row.network.unwrap_or_default(),
            source_seed: row.source_seed.map(i64::cast_unsigned),
        })
    }

    async fn attempts_of(&self, job_id: JobId) -> Result<Vec<AttemptRow>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT a.attempt, a.worker, a.device_kind, w.threads AS "threads?", s.program_version,
                   a.claimed_at, a.ended_at, a.outcome, a.failure_class, a.message
               FROM attempts a
               JOIN sessions s USING (session_id)
               LEFT JOIN workers w USING (session_id, worker)
               WHERE a.job_id = $1
               ORDER BY a.attempt"#,
            job_id.0,
        );
        let attempts = rows.fetch_all(&self.main).await?.into_iter().map(|row| AttemptRow {
            attempt: AttemptNumber(from_i32(row.attempt)),
            worker: row.worker,
            device_kind: row.device_kind,
            threads: row.threads.map_or(0, from_i32),
            program_version: row.program_version,
            started_at: row.claimed_at,
            ended_at: row.ended_at,
            outcome: match (row.outcome, row.failure_class) {
                (Some(outcome), Some(class)) => Some(format!("{outcome}: {class}")),
                (outcome, _) => outcome,
            },
            message: row.message.unwrap_or_default(),
        });
        Ok(attempts.collect())
    }

    async fn events_of(&self, job_id: JobId) -> Result<Vec<EventRow>, StoreError> {
        let rows = sqlx::query_as!(
            EventRow,
            r#"SELECT at, what, detail
               FROM (
                   SELECT event_id, at, what, detail
                   FROM events
                   WHERE job_id = $1
                   ORDER BY event_id DESC
                   LIMIT $2) AS newest
               ORDER BY event_id"#,
            job_id.0,
            EVENTS_MAX,
        );
        Ok(rows.fetch_all(&self.main).await?)
    }

    async fn studies_of(&self, job_id: JobId) -> Result<Vec<String>, StoreError> {
        let names = sqlx::query_scalar!(
            r#"SELECT s.name || ':' || sj.name AS "name!"
               FROM study_jobs sj JOIN studies s USING (study_id)
               WHERE sj.job_id = $1
               ORDER BY s.created_at DESC"#,
            job_id.0,
        );
        Ok(names.fetch_all(&self.main).await?)
    }
}
