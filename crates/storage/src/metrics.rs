//! Learning curves: each point stored at most once, none lost that was acknowledged.
//!
//! An attempt's points are stored without gaps, in order of their sequence, so that one
//! number acknowledges them all. An attempt that goes on from a checkpoint starts where that
//! one had got to.

use selffer_core::{
    ids::JobId,
    limits::METRIC_POINTS_PER_HEARTBEAT_MAX,
    outcome::{MetricPoint, MetricValue, TestResult},
};
use sqlx::PgPool;

use crate::{
    Claim, Store, StoreError,
    convert::{from_i32, from_i64, to_i32, to_i64},
};

/// Stores the points that come next for this claim and returns how far its points go: every
/// sequence before that is stored. Points beyond a gap, and beyond the bound of one
/// heartbeat, are left for the sender to repeat.
pub(crate) async fn store(pool: &PgPool, claim: Claim, points: &[MetricPoint]) -> Result<u32, StoreError> {
    let stored = sqlx::query_scalar!(
        r#"SELECT MAX(m.sequence) + 1
           FROM attempts a JOIN metrics m USING (job_id, attempt)
           WHERE a.claim_id = $1"#,
        &claim.claim_id.0[..],
    );
    let stored = stored.fetch_one(pool).await?.map(from_i32);
    let mut sorted = points.to_vec();
    sorted.sort_by_key(|point| point.sequence);
    let Some(start) = stored.or(sorted.first().map(|point| point.sequence)) else { return Ok(0) };
    let next = next_in_order(&sorted, start);
    if !next.is_empty() {
        insert(pool, claim, Columns::of(&next)?).await?;
    }
    Ok(next.last().map_or(start, |point| point.sequence + 1))
}

fn next_in_order(sorted: &[MetricPoint], start: u32) -> Vec<MetricPoint> {
    let mut next: Vec<MetricPoint> = Vec::new();
    for point in sorted.iter().take(METRIC_POINTS_PER_HEARTBEAT_MAX) {
        if point.sequence == start + next.len() as u32 {
            next.push(*point);
        }
    }
    next
}

#[derive(Default)]
struct Columns {
    sequence: Vec<i32>,
    iteration: Vec<i32>,
    training_loss: Vec<Option<f64>>,
    images: Vec<Option<i64>>,
    top1_correct: Vec<Option<i64>>,
    top5_correct: Vec<Option<i64>>,
    test_loss: Vec<Option<f64>>,
}

impl Columns {
    fn of(points: &[MetricPoint]) -> Result<Self, StoreError> {
        let mut columns = Self::default();
        for point in points {
            columns.sequence.push(to_i32("sequence", point.sequence)?);
            columns.iteration.push(to_i32("iteration", point.iteration)?);
            let (training_loss, test) = match point.value {
                MetricValue::TrainingLoss(loss) => (Some(loss), None),
                MetricValue::Test(test) => (None, Some(test)),
            };
            let whole = |value: u64| to_i64("test images", value);
            columns.training_loss.push(training_loss);
            columns.images.push(test.map(|test| whole(test.images)).transpose()?);
            columns.top1_correct.push(test.map(|test| whole(test.top1_correct)).transpose()?);
            columns.top5_correct.push(test.map(|test| whole(test.top5_correct)).transpose()?);
            columns.test_loss.push(test.map(|test| test.loss));
        }
        Ok(columns)
    }
}

// DO NOTHING: the same heartbeat may arrive twice at once.
async fn insert(pool: &PgPool, claim: Claim, columns: Columns) -> Result<(), StoreError> {
    sqlx::query!(
        r#"INSERT INTO metrics (job_id, attempt, sequence, iteration, training_loss, test_images,
               test_top1_correct, test_top5_correct, test_loss)
           SELECT a.job_id, a.attempt, new.*
           FROM attempts a,
               UNNEST($2::integer[], $3::integer[], $4::double precision[], $5::bigint[], $6::bigint[],
                   $7::bigint[], $8::double precision[]) AS new
           WHERE a.claim_id = $1
           ON CONFLICT DO NOTHING"#,
        &claim.claim_id.0[..],
        &columns.sequence,
        &columns.iteration,
        &columns.training_loss as _,
        &columns.images as _,
        &columns.top1_correct as _,
        &columns.top5_correct as _,
        &columns.test_loss as _,
    )
    .execute(pool)
    .await?;
    Ok(())
}

impl Store {
    /// A job's learning curve: of each attempt what no later attempt has gone over again.
    pub(crate) async fn curve(&self, job_id: JobId) -> Result<Vec<MetricPoint>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT sequence, iteration, training_loss, test_images, test_top1_correct,
                   test_top5_correct, test_loss
               FROM metrics m
               WHERE job_id = $1
                 AND NOT EXISTS (
                     SELECT 1
                     FROM metrics later
                     WHERE later.job_id = m.job_id
                       AND later.attempt > m.attempt
                       AND later.sequence <= m.sequence)
               ORDER BY sequence"#,
            job_id.0,
        );
        let rows = rows.fetch_all(&self.main).await?;
        let points = rows.into_iter().map(|row| {
            let test = (row.test_images, row.test_top1_correct, row.test_top5_correct, row.test_loss);
            let value = match (row.training_loss, test) {
                (Some(loss), _) => MetricValue::TrainingLoss(loss),
                (None, (Some(images), Some(top1), Some(top5), Some(loss))) => MetricValue::Test(TestResult {
                    images: from_i64(images),
                    top1_correct: from_i64(top1),
                    top5_correct: from_i64(top5),
                    loss,
                }),
                _ => {
                    let problem = format!("point {} of job {job_id} has no value", row.sequence);
                    return Err(StoreError::Corrupt { what: "a metric", problem });
                }
            };
            Ok(MetricPoint { sequence: from_i32(row.sequence), iteration: from_i32(row.iteration), value })
        });
        points.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(sequence: u32) -> MetricPoint {
        MetricPoint { sequence, iteration: sequence, value: MetricValue::TrainingLoss(1.0) }
    }

    #[test]
    fn what_is_stored_already_is_skipped_and_a_gap_ends_it() {
        let points: Vec<_> = [3, 4, 4, 5, 7].map(point).to_vec();
        let next: Vec<_> = next_in_order(&points, 4).iter().map(|point| point.sequence).collect();
        assert_eq!(next, [4, 5]);
    }
}
