//! Jobs as lists show them: a study's networks, in its order.

use std::time::Duration;

use chrono::{DateTime, Utc};
use selffer_core::{
    ids::{AttemptNumber, JobId, JobKey, StudyId},
    interest::Interest,
    job::{Failure, HoldReason, Phase, StateKind},
    placement::{NeededPack, WaitReason},
    spec::{Half, ImagesPerClass},
    stall::StallRule,
};
use sqlx::types::Json;
use uuid::Uuid;

use crate::{
    Store, StoreError,
    convert::{self, from_i32},
};

/// So that no statement runs for long, whatever the size of the study.
const ROWS_OF_ONE_READ: i64 = 5_000;

/// One network of a study.
#[derive(Clone, Debug, PartialEq)]
pub struct JobSummary {
    /// Its place in the study.
    pub position: u32,
    /// Within the study, e.g. `random-0/A3B`.
    pub name: String,
    /// Its row.
    pub job_id: JobId,
    /// Its key.
    pub key: JobKey,
    /// Where it stands.
    pub state: StateKind,
    /// Since when; only kept for states with a lease and for ends.
    pub state_since: DateTime<Utc>,
    /// What it is doing, while it runs.
    pub phase: Option<Phase>,
    /// The newest attempt.
    pub attempt: AttemptNumber,
    /// Who runs it, or ran it last.
    pub worker: Option<String>,
    /// On what kind of device.
    pub device_kind: Option<String>,
    /// Updates done.
    pub iteration: u32,
    /// Updates in all.
    pub iterations: u32,
    /// Training images a second, while it trains.
    pub images_per_s: f32,
    /// Seconds since it last got further, while it runs.
    pub progress_age_s: Option<f64>,
    /// Share of the newest test classified rightly, 0..=1.
    pub top1: Option<f64>,
    /// Why it is held.
    pub hold: Option<HoldReason>,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// Not to start before, while it is ready.
    pub not_before: Option<DateTime<Utc>>,
    /// The strongest interest of its studies.
    pub interest: Interest,
    /// Whether its worker is asked to end it.
    pub withdrawn: bool,
    /// Why it is to be held once its worker has made a checkpoint.
    pub hold_asked: Option<HoldReason>,
    /// Whether its studies have as many networks at work as they may.
    pub studies_full: bool,
    /// The network it copies from.
    pub source: Option<SourceState>,
    /// The split's name.
    pub split: String,
    /// The paper's name of the treatment.
    pub treatment: String,
    /// n; 0 for base networks.
    pub layers_copied: u8,
    /// Where copied layers come from.
    pub source_half: Option<Half>,
    /// What it is trained and tested on.
    pub target_half: Half,
    /// The replicate.
    pub seed: u64,
    /// Limit on the training images of each class.
    pub images_per_class: ImagesPerClass,
    /// Its work, in floating-point operations.
    pub flops: f64,
    /// Images in one update.
    pub batch: u32,
    /// What it reads.
    pub pack: NeededPack,
    /// That no worker may take its pack, or any job. Who knows what they hold fills it in.
    pub fits_nobody: Option<WaitReason>,
}

/// The network that a job copies from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceState {
    /// Its name within the study.
    pub name: String,
    /// Where it stands.
    pub state: StateKind,
}

struct SummaryRow {
    position: i32,
    name: String,
    job_id: Uuid,
    key: Vec<u8>,
    state: String,
    state_since: DateTime<Utc>,
    phase: Option<String>,
    attempt: i32,
    worker: Option<String>,
    device_kind: Option<String>,
    iteration: i32,
    iterations: i32,
    images_per_s: f32,
    progress_age_s: Option<f64>,
    top1: Option<f64>,
    hold: Option<Json<HoldReason>>,
    failure: Option<Json<Failure>>,
    not_before: Option<DateTime<Utc>>,
    interest: String,
    withdrawn: bool,
    hold_asked: Option<Json<HoldReason>>,
    studies_full: bool,
    source_name: Option<String>,
    source_state: Option<String>,
    split: String,
    treatment: String,
    layers_copied: i32,
    source_half: Option<String>,
    target_half: String,
    seed: i64,
    images_per_class: Option<i32>,
    flops: f64,
    batch: i32,
    pack: Vec<u8>,
    pack_bytes: i64,
}

impl SummaryRow {
    fn source(&self) -> Result<Option<SourceState>, StoreError> {
        let (Some(name), Some(state)) = (&self.source_name, &self.source_state) else { return Ok(None) };
        Ok(Some(SourceState { name: name.clone(), state: convert::state_kind(state)? }))
    }

    fn read(self) -> Result<JobSummary, StoreError> {
        let source = self.source()?;
        Ok(JobSummary {
            position: from_i32(self.position),
            name: self.name,
            job_id: JobId(self.job_id),
            key: convert::job_key(&self.key)?,
            state: convert::state_kind(&self.state)?,
            state_since: self.state_since,
            phase: self.phase.as_deref().map(convert::phase).transpose()?,
            attempt: AttemptNumber(from_i32(self.attempt)),
            worker: self.worker,
            device_kind: self.device_kind,
            iteration: from_i32(self.iteration),
            iterations: from_i32(self.iterations),
            images_per_s: self.images_per_s,
            progress_age_s: self.progress_age_s,
            top1: self.top1,
            hold: self.hold.map(|hold| hold.0),
            failure: self.failure.map(|failure| failure.0),
            not_before: self.not_before,
            interest: convert::interest(&self.interest)?,
            withdrawn: self.withdrawn,
            hold_asked: self.hold_asked.map(|asked| asked.0),
            studies_full: self.studies_full,
            source,
            split: self.split,
            treatment: self.treatment,
            layers_copied: u8::try_from(self.layers_copied).unwrap_or(u8::MAX),
            source_half: self.source_half.as_deref().map(half),
            target_half: half(&self.target_half),
            seed: self.seed.cast_unsigned(),
            images_per_class: match self.images_per_class {
                None => ImagesPerClass::All,
                Some(count) => ImagesPerClass::First(from_i32(count)),
            },
            flops: self.flops,
            batch: from_i32(self.batch),
            pack: convert::needed_pack(&self.pack, self.pack_bytes)?,
            fits_nobody: None,
        })
    }
}

// The columns' CHECKs allow these three.
fn half(text: &str) -> Half {
    match text {
        "A" => Half::A,
        "B" => Half::B,
        _ => Half::W,
    }
}

impl Store {
    /// A study's networks after this position, in the grid's order.
    ///
    /// # Errors
    /// There is no such study.
    pub async fn study_jobs(
        &self,
        study: &str,
        after: Option<u32>,
        limit: u32,
    ) -> Result<Vec<JobSummary>, StoreError> {
        let study_id = self.study_id(study).await?;
        let after = after.map_or(-1, i64::from);
        self.summaries(study_id, after, i64::from(limit)).await
    }

    /// All of a study's networks, in the grid's order.
    ///
    /// # Errors
    /// There is no such study.
    pub async fn all_study_jobs(&self, study: &str) -> Result<Vec<JobSummary>, StoreError> {
        let study_id = self.study_id(study).await?;
        let mut jobs: Vec<JobSummary> = Vec::new();
        loop {
            let after = jobs.last().map_or(-1, |job| i64::from(job.position));
            let rows = self.summaries(study_id, after, ROWS_OF_ONE_READ).await?;
            let is_last = rows.len() < ROWS_OF_ONE_READ as usize;
            jobs.extend(rows);
            if is_last {
                return Ok(jobs);
            }
        }
    }

    /// One network of a study, by its place.
    pub(super) async fn summary_at(
        &self,
        study_id: StudyId,
        position: u32,
    ) -> Result<Option<JobSummary>, StoreError> {
        Ok(self.summaries(study_id, i64::from(position) - 1, 1).await?.pop())
    }

    async fn summaries(
        &self,
        study_id: StudyId,
        after: i64,
        limit: i64,
    ) -> Result<Vec<JobSummary>, StoreError> {
        let rows = sqlx::query_as!(
            SummaryRow,
            r#"SELECT sj.position, sj.name, j.job_id, j.key, j.state, j.state_since, p.phase, j.attempt,
                   a.worker AS "worker?", a.device_kind AS "device_kind?",
                   CASE WHEN j.state = 'succeeded' THEN j.iterations ELSE COALESCE(p.iteration, 0) END
                       AS "iteration!",
                   j.iterations, COALESCE(p.images_per_s, 0) AS "images_per_s!",
                   p.progress_age_s + EXTRACT(EPOCH FROM clock_timestamp() - p.reported_at)::double precision
                       AS progress_age_s,
                   COALESCE(r.test_top1_correct::double precision / NULLIF(r.test_images, 0), test.top1) AS top1,
                   j.hold AS "hold: Json<HoldReason>", j.failure AS "failure: Json<Failure>", j.not_before,
                   j.interest, j.withdrawn_at IS NOT NULL AS "withdrawn!",
                   j.hold_asked AS "hold_asked: Json<HoldReason>",
                   COALESCE(j.limited_by <@ ARRAY(SELECT study_id FROM study_room WHERE room <= 0), false)
                       AS "studies_full!",
                   COALESCE(named.name, encode(substring(source.key FOR 4), 'hex')) AS source_name,
                   source.state AS "source_state?", j.split, sj.treatment, j.layers_copied, j.source_half,
                   j.target_half, j.seed, j.images_per_class, j.flops, j.batch,
                   j.pack AS "pack!", COALESCE(pack.bytes, 0) AS "pack_bytes!"
               FROM study_jobs sj
               JOIN jobs j USING (job_id)
               LEFT JOIN progress p ON p.job_id = j.job_id AND p.claim_id = j.claim_id
               LEFT JOIN attempts a ON a.job_id = j.job_id AND a.attempt = j.attempt
               LEFT JOIN results r ON r.job_id = j.job_id AND r.attempt = j.succeeded_attempt
               LEFT JOIN imports pack ON pack.digest = j.pack AND pack.kind = 'pack'
               LEFT JOIN jobs source ON source.job_id = j.source_job_id
               LEFT JOIN study_jobs named ON named.study_id = sj.study_id AND named.job_id = source.job_id
               LEFT JOIN LATERAL (
                   SELECT m.test_top1_correct::double precision / NULLIF(m.test_images, 0) AS top1
                   FROM metrics m
                   WHERE m.job_id = j.job_id AND m.attempt = j.attempt AND m.test_images IS NOT NULL
                   ORDER BY m.sequence DESC
                   LIMIT 1) AS test ON true
               WHERE sj.study_id = $1
                 AND sj.position > $2
               ORDER BY sj.position
               LIMIT $3"#,
            study_id.0,
            after as i32,
            limit,
        );
        rows.fetch_all(&self.main).await?.into_iter().map(SummaryRow::read).collect()
    }
}

impl JobSummary {
    /// How long it has not got further, if that is longer than it may: its worker should have
    /// noticed.
    fn hangs_for(&self) -> Option<Duration> {
        let age = Duration::try_from_secs_f64(self.progress_age_s?).ok()?;
        let iteration = f64::from(self.batch) / f64::from(self.images_per_s);
        let iteration = Duration::try_from_secs_f64(iteration).ok();
        (age > StallRule::DEFAULT.longest(self.phase?, iteration)).then_some(age)
    }

    /// Why it is not getting on, in a few words; empty if there is nothing to say.
    #[must_use]
    pub fn reason(&self) -> String {
        let paused = self.interest == Interest::Paused;
        match (&self.hold, &self.failure, self.state, &self.source) {
            (Some(hold), ..) => hold.to_string(),
            (None, Some(failure), ..) => failure.message.clone(),
            (None, None, StateKind::Running | StateKind::Suspect, _) if self.withdrawn => {
                "cancelled: ends after a checkpoint".to_owned()
            }
            (None, None, StateKind::Leased | StateKind::Running | StateKind::Suspect, _)
                if self.hold_asked.is_some() =>
            {
                let reason = self.hold_asked.as_ref().map(ToString::to_string).unwrap_or_default();
                format!("to be held after a checkpoint: {reason}")
            }
            (None, None, StateKind::Waiting, Some(source)) if paused => {
                format!("paused; waits for {}", source.name)
            }
            (None, None, StateKind::Waiting, Some(source)) => format!("waits for {}", source.name),
            (None, None, StateKind::Ready, _) if paused => "paused".to_owned(),
            (None, None, StateKind::Ready, _) => {
                let full = self.studies_full.then_some(&WaitReason::StudiesFull);
                self.fits_nobody.as_ref().or(full).map_or_else(String::new, WaitReason::to_string)
            }
            (None, None, StateKind::Suspect, _) => "its worker is silent".to_owned(),
            (None, None, StateKind::Running, _) => self.hangs_for().map_or_else(String::new, |age| {
                format!("no progress for {} min, though its worker answers", age.as_secs() / 60)
            }),
            _ => String::new(),
        }
    }
}
