//! Results: what succeeded attempts found, stored whole and read back.

use std::collections::HashMap;

use selffer_core::{
    ids::{AttemptNumber, CheckpointId, Digest, JobId},
    outcome::{JobResult, TestResult},
};
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use crate::{
    Claim, Store, StoreError,
    convert::{digest, from_i32, from_i64, to_i32, to_i64},
};

/// A result that is to be stored, under its claim's published final checkpoint.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewResult<'a> {
    pub(crate) claim: Claim,
    pub(crate) attempt: AttemptNumber,
    pub(crate) checkpoint_id: CheckpointId,
    pub(crate) result: &'a JobResult,
}

/// Stores results. The attempts' rows must exist; the jobs' may not point to them yet. Returns
/// how many were stored: one whose checkpoint is not its claim's, final and published is not.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    results: &[NewResult<'_>],
) -> Result<u64, StoreError> {
    let columns = Columns::of(results)?;
    let inserted = sqlx::query!(
        r#"INSERT INTO results (job_id, attempt, checkpoint_id, committed_at, test_images,
               test_top1_correct, test_top5_correct, test_loss, tests, top1_best10, correct_bits,
               weights_digest, layer_digests, copied_layers_unchanged, stuck_at_chance, training_s,
               testing_s, waiting_s, device_kind)
           SELECT new.job_id, new.attempt, c.checkpoint_id, clock_timestamp(), new.images, new.top1,
               new.top5, new.loss, new.tests, new.best10, new.bits, new.weights, new.layers,
               new.unchanged, new.stuck, new.training_s, new.testing_s, new.waiting_s, new.device
           FROM UNNEST($1::uuid[], $2::integer[], $3::uuid[], $4::bytea[], $5::bigint[], $6::bigint[],
                   $7::bigint[], $8::double precision[], $9::integer[], $10::double precision[],
                   $11::bytea[], $12::bytea[], $13::jsonb[], $14::boolean[], $15::boolean[],
                   $16::double precision[], $17::double precision[], $18::double precision[], $19::text[])
               AS new (job_id, attempt, checkpoint_id, claim_id, images, top1, top5, loss, tests, best10,
                   bits, weights, layers, unchanged, stuck, training_s, testing_s, waiting_s, device)
           -- By its key and nothing else, also where the plan was made while the table was small.
           CROSS JOIN LATERAL (
               SELECT checkpoint_id, claim_id, kind, state
               FROM checkpoints
               WHERE checkpoint_id = new.checkpoint_id
               OFFSET 0) AS c
           WHERE c.claim_id = new.claim_id
             AND c.kind = 'final'
             AND c.state = 'published'"#,
        &columns.job_id,
        &columns.attempt,
        &columns.checkpoint_id,
        &columns.claim_id,
        &columns.images,
        &columns.top1,
        &columns.top5,
        &columns.loss,
        &columns.tests,
        &columns.best10 as _,
        &columns.bits,
        &columns.weights,
        &columns.layers,
        &columns.unchanged as _,
        &columns.stuck,
        &columns.training_s,
        &columns.testing_s,
        &columns.waiting_s,
        &columns.device,
    );
    Ok(inserted.execute(connection).await?.rows_affected())
}

/// Results as arrays, one for each column.
#[derive(Default)]
struct Columns {
    job_id: Vec<Uuid>,
    attempt: Vec<i32>,
    checkpoint_id: Vec<Uuid>,
    claim_id: Vec<Vec<u8>>,
    images: Vec<i64>,
    top1: Vec<i64>,
    top5: Vec<i64>,
    loss: Vec<f64>,
    tests: Vec<i32>,
    best10: Vec<Option<f64>>,
    bits: Vec<Vec<u8>>,
    weights: Vec<Vec<u8>>,
    layers: Vec<serde_json::Value>,
    unchanged: Vec<Option<bool>>,
    stuck: Vec<bool>,
    training_s: Vec<f64>,
    testing_s: Vec<f64>,
    waiting_s: Vec<f64>,
    device: Vec<String>,
}

impl Columns {
    fn of(results: &[NewResult<'_>]) -> Result<Self, StoreError> {
        let mut columns = Self::default();
        for new in results {
            columns.job_id.push(new.claim.job_id.0);
            columns.attempt.push(to_i32("attempt", new.attempt.0)?);
            columns.checkpoint_id.push(new.checkpoint_id.0);
            columns.claim_id.push(new.claim.claim_id.0.to_vec());
            columns.push(new.result)?;
        }
        Ok(columns)
    }

    fn push(&mut self, result: &JobResult) -> Result<(), StoreError> {
        let layers = serde_json::to_value(&result.layer_digests)
            .map_err(|error| StoreError::Corrupt { what: "a result", problem: error.to_string() })?;
        self.images.push(to_i64("test images", result.test.images)?);
        self.top1.push(to_i64("test images", result.test.top1_correct)?);
        self.top5.push(to_i64("test images", result.test.top5_correct)?);
        self.loss.push(result.test.loss);
        self.tests.push(to_i32("tests", result.tests)?);
        self.best10.push(result.top1_best10);
        self.bits.push(result.correct_bits.clone());
        self.weights.push(result.weights_digest.0.to_vec());
        self.layers.push(layers);
        self.unchanged.push(result.copied_layers_unchanged);
        self.stuck.push(result.stuck_at_chance);
        self.training_s.push(result.training_s);
        self.testing_s.push(result.testing_s);
        self.waiting_s.push(result.waiting_s);
        self.device.push(result.device_kind.clone());
        Ok(())
    }
}

/// A result as stored.
struct ResultRow {
    job_id: Uuid,
    checkpoint_id: Uuid,
    test_images: i64,
    test_top1_correct: i64,
    test_top5_correct: i64,
    test_loss: f64,
    tests: i32,
    top1_best10: Option<f64>,
    correct_bits: Vec<u8>,
    weights_digest: Vec<u8>,
    layer_digests: Json<Vec<(String, Digest)>>,
    copied_layers_unchanged: Option<bool>,
    stuck_at_chance: bool,
    training_s: f64,
    testing_s: f64,
    waiting_s: f64,
    device_kind: String,
}

impl ResultRow {
    fn read(self) -> Result<JobResult, StoreError> {
        Ok(JobResult {
            test: TestResult {
                images: from_i64(self.test_images),
                top1_correct: from_i64(self.test_top1_correct),
                top5_correct: from_i64(self.test_top5_correct),
                loss: self.test_loss,
            },
            tests: from_i32(self.tests),
            top1_best10: self.top1_best10,
            correct_bits: self.correct_bits,
            weights_digest: digest(&self.weights_digest)?,
            layer_digests: self.layer_digests.0,
            copied_layers_unchanged: self.copied_layers_unchanged,
            stuck_at_chance: self.stuck_at_chance,
            training_s: self.training_s,
            testing_s: self.testing_s,
            waiting_s: self.waiting_s,
            device_kind: self.device_kind,
        })
    }
}

impl Store {
    /// The results of those of these jobs that succeeded, without their `correct_bits`.
    ///
    /// # Errors
    /// The database.
    pub async fn results(&self, jobs: &[JobId]) -> Result<HashMap<JobId, JobResult>, StoreError> {
        let jobs: Vec<Uuid> = jobs.iter().map(|job| job.0).collect();
        let rows = sqlx::query_as!(
            ResultRow,
            r#"SELECT r.job_id, r.checkpoint_id, r.test_images, r.test_top1_correct, r.test_top5_correct,
                   r.test_loss, r.tests, r.top1_best10, ''::bytea AS "correct_bits!", r.weights_digest,
                   r.layer_digests AS "layer_digests: Json<Vec<(String, Digest)>>",
                   r.copied_layers_unchanged, r.stuck_at_chance, r.training_s, r.testing_s, r.waiting_s,
                   r.device_kind
               FROM jobs j
               JOIN results r ON r.job_id = j.job_id AND r.attempt = j.succeeded_attempt
               WHERE j.job_id = ANY($1)"#,
            &jobs,
        );
        let rows = rows.fetch_all(&self.main).await?;
        rows.into_iter().map(|row| Ok((JobId(row.job_id), row.read()?))).collect()
    }

    /// The result of a succeeded job, and its final checkpoint.
    pub(crate) async fn result_of(
        &self,
        job_id: JobId,
    ) -> Result<Option<(JobResult, CheckpointId)>, StoreError> {
        let row = sqlx::query_as!(
            ResultRow,
            r#"SELECT r.job_id, r.checkpoint_id, r.test_images, r.test_top1_correct, r.test_top5_correct,
                   r.test_loss, r.tests, r.top1_best10, r.correct_bits, r.weights_digest,
                   r.layer_digests AS "layer_digests: Json<Vec<(String, Digest)>>",
                   r.copied_layers_unchanged, r.stuck_at_chance, r.training_s, r.testing_s, r.waiting_s,
                   r.device_kind
               FROM jobs j
               JOIN results r ON r.job_id = j.job_id AND r.attempt = j.succeeded_attempt
               WHERE j.job_id = $1"#,
            job_id.0,
        );
        let Some(row) = row.fetch_optional(&self.main).await? else { return Ok(None) };
        let checkpoint_id = CheckpointId(row.checkpoint_id);
        Ok(Some((row.read()?, checkpoint_id)))
    }
}
