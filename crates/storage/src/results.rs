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

/// Stores a result, with the claim's published final checkpoint. The attempt's row must exist;
/// the job's may not point to it yet.
///
/// # Errors
/// [`StoreError::NotPublished`] if the checkpoint is another one.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    claim: Claim,
    attempt: AttemptNumber,
    checkpoint_id: CheckpointId,
    result: &JobResult,
) -> Result<(), StoreError> {
    let inserted = sqlx::query!(
        r#"INSERT INTO results (job_id, attempt, checkpoint_id, committed_at, test_images,
               test_top1_correct, test_top5_correct, test_loss, tests, top1_best10, correct_bits,
               weights_digest, layer_digests, copied_layers_unchanged, stuck_at_chance, training_s,
               testing_s, waiting_s, device_kind)
           SELECT $1, $2, checkpoint_id, clock_timestamp(), $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,
               $14, $15, $16, $17, $18
           FROM checkpoints
           WHERE checkpoint_id = $3
             AND claim_id = $19
             AND kind = 'final'
             AND state = 'published'"#,
        claim.job_id.0,
        to_i32("attempt", attempt.0)?,
        checkpoint_id.0,
        to_i64("test images", result.test.images)?,
        to_i64("test images", result.test.top1_correct)?,
        to_i64("test images", result.test.top5_correct)?,
        result.test.loss,
        to_i32("tests", result.tests)?,
        result.top1_best10,
        &result.correct_bits,
        &result.weights_digest.0[..],
        Json(&result.layer_digests) as _,
        result.copied_layers_unchanged,
        result.stuck_at_chance,
        result.training_s,
        result.testing_s,
        result.waiting_s,
        result.device_kind,
        &claim.claim_id.0[..],
    );
    match inserted.execute(connection).await?.rows_affected() {
        0 => Err(StoreError::NotPublished { checkpoint_id }),
        _ => Ok(()),
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
