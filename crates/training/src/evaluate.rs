//! Testing a network: centre crops, no mirror, dropout off.

use candle_core::Result;
use rayon::ThreadPool;
use selffer_core::{network::ShapeError, outcome::TestResult, spec::JobSpec};

use crate::{
    error::TrainError,
    images::{BATCHES_PER_LOADER_MAX, Batch, Loaders},
    network::Network,
    ops::softmax_loss,
};

/// Images tested at a time, at most.
const TEST_BATCH_MAX: u64 = 4_096;
/// Guesses that count for top-5.
const TOP: usize = 5;

/// What a test found.
pub(crate) struct Evaluation {
    pub(crate) result: TestResult,
    /// For each image in the order of the test: was the first guess right?
    pub(crate) is_correct: Vec<bool>,
}

/// How many images to test at a time: as many as fit where a batch, those that loaders have
/// ahead and what its way back needs were in training, about, and at least a batch. No result
/// depends on it.
///
/// # Errors
/// When the network does not fit its images.
pub(crate) fn test_batch(spec: &JobSpec, loaders: usize) -> std::result::Result<usize, ShapeError> {
    let layers = spec.network.shapes(spec.image.channels, spec.outputs())?;
    let learning = &layers[usize::from(spec.treatment.layers_frozen)..];
    let kept: u64 = learning.iter().map(|layer| layer.values_kept).sum();
    let at_a_time = layers.iter().map(|layer| layer.values_at_a_time).max().unwrap_or(1).max(1);
    let side = u64::from(spec.network.side);
    let loaded =
        side * side * u64::from(spec.image.channels) * (BATCHES_PER_LOADER_MAX * loaders.max(1)) as u64;
    let batch = u64::from(spec.recipe.batch);
    let images = batch.saturating_mul(kept + loaded) / (at_a_time + loaded);
    Ok(images.max(batch).min(TEST_BATCH_MAX) as usize)
}

/// Tests on the next batches of the loaders, until so many images are tested, with
/// `iteration` updates done; `tested` hears how many batches are.
pub(crate) fn evaluate(
    (network, pool): (&Network, &ThreadPool),
    loaders: &mut Loaders<'_>,
    (images, iteration): (usize, u32),
    tested: &mut dyn FnMut(u64),
) -> std::result::Result<Evaluation, TrainError> {
    let (mut sums, mut batches) = (Sums::default(), 0);
    while sums.is_correct.len() < images {
        let batch = loaders.next()?;
        test(network, pool, batch, &mut sums).map_err(|source| TrainError::Tensor { iteration, source })?;
        batches += 1;
        tested(batches);
    }
    Ok(sums.finish())
}

fn test(network: &Network, pool: &ThreadPool, batch: &Batch, sums: &mut Sums) -> Result<()> {
    let logits = pool.install(|| network.test(&batch.images))?.to_vec2::<f32>()?;
    for (logits, label) in logits.iter().zip(batch.labels.to_vec1::<u32>()?) {
        sums.add(logits, label as usize);
    }
    Ok(())
}

#[derive(Default)]
struct Sums {
    is_correct: Vec<bool>,
    top5_correct: u64,
    loss: f64,
}

impl Sums {
    fn add(&mut self, logits: &[f32], label: usize) {
        let rank = rank(logits, label);
        self.is_correct.push(rank == 0);
        self.top5_correct += u64::from(rank < TOP);
        self.loss += softmax_loss::loss(logits, label);
    }

    fn finish(self) -> Evaluation {
        let images = self.is_correct.len() as u64;
        let top1_correct = self.is_correct.iter().filter(|&&is_correct| is_correct).count() as u64;
        let loss = self.loss / images as f64;
        let result = TestResult { images, top1_correct, top5_correct: self.top5_correct, loss };
        Evaluation { result, is_correct: self.is_correct }
    }
}

/// How many classes are guessed before `label`. Of equal logits the lower class comes
/// first; a logit that is not a number ranks its image last.
fn rank(logits: &[f32], label: usize) -> usize {
    let own = logits[label];
    let is_before = |&(class, &logit): &(usize, &f32)| {
        logit > own || (logit == own && class < label) || logit.is_nan() || own.is_nan()
    };
    logits.iter().enumerate().filter(is_before).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equal_logits_the_lower_class_is_guessed() {
        assert_eq!(rank(&[1.0, 2.0, 2.0], 1), 0);
        assert_eq!(rank(&[1.0, 2.0, 2.0], 2), 1);
        assert_eq!(rank(&[1.0, 2.0, 2.0], 0), 2);
        assert_eq!(rank(&[f32::NAN, f32::NAN], 0), 2);
    }
}
