//! A training in progress: network, solver, images, and what is known so far.

use std::time::Duration;

use candle_core::Tensor;
use rayon::ThreadPool;
use selffer_core::{
    ids::{Digest, JobKey},
    outcome::{JobResult, MetricPoint, MetricValue, TestResult},
    spec::JobSpec,
};

use super::iterate;
use crate::{
    checkpoint::{Checkpoint, CheckpointLayer, LossSum},
    copy,
    error::TrainError,
    evaluate::{Evaluation, evaluate},
    images::{Loaders, Stock, images_per_test, is_test_due},
    network::{DropoutDraw, Network, build_operators},
    solver::{Rates, Sgd},
    weights::{HostTensor, digest_of_all},
};

/// Updates between two looks at the losses.
const LOSSES_READ_EVERY: u32 = 20;
/// Loss points of a whole training, at most.
const LOSS_POINTS_MAX: u32 = 250;
/// The mean of the ten best tests is taken of at least this many.
const TESTS_FOR_BEST10_MIN: usize = 100;
/// A network whose mean loss never fell below this share of chance has learned nothing.
const CHANCE_SHARE: f64 = 0.99;

/// A training in progress.
pub(super) struct Run<'a> {
    spec: &'a JobSpec,
    stock: &'a Stock<'a>,
    loaders: Loaders<'a>,
    key: JobKey,
    device_kind: String,
    pool: ThreadPool,
    network: Network,
    solver: Sgd,
    /// Digests that the copied layers started with.
    copied: Vec<Digest>,
    iteration: u32,
    /// Losses of the last updates, not read yet.
    unread: Vec<Tensor>,
    metric_points: u32,
    loss: LossSum,
    lowest_loss: f64,
    tests: Vec<TestResult>,
}

/// What a training works with.
pub(super) struct Parts<'a> {
    pub(super) pool: ThreadPool,
    pub(super) stock: &'a Stock<'a>,
    /// They begin where the training goes on.
    pub(super) loaders: Loaders<'a>,
    /// Digests that the copied layers started with.
    pub(super) copied: Vec<Digest>,
}

impl<'a> Run<'a> {
    /// Goes on from a checkpoint, whose mean image is the stock's.
    pub(super) fn start(spec: &'a JobSpec, at: Checkpoint, parts: Parts<'a>) -> Result<Self, TrainError> {
        let Parts { pool, stock, loaders, copied } = parts;
        let operators = build_operators(spec)?;
        let frozen = usize::from(spec.treatment.layers_frozen);
        let parameters: Vec<_> = at.layers.iter().map(|layer| layer.parameters.clone()).collect();
        let momentum: Vec<_> = at.layers.iter().filter_map(|layer| layer.momentum.clone()).collect();
        let failed = |source| TrainError::Tensor { iteration: at.iteration, source };
        let mut network = Network::new(operators, &parameters, frozen).map_err(failed)?;
        let solver = Sgd::new(&mut network.layers[frozen..], &momentum).map_err(failed)?;
        Ok(Self {
            spec,
            stock,
            loaders,
            key: at.key,
            pool,
            network,
            solver,
            device_kind: at.device_kind,
            copied,
            iteration: at.iteration,
            unread: Vec::new(),
            metric_points: at.metric_points,
            loss: at.loss,
            lowest_loss: at.lowest_loss,
            tests: at.tests,
        })
    }

    /// Updates done.
    pub(super) fn iteration(&self) -> u32 {
        self.iteration
    }

    /// Updates in the whole training.
    pub(super) fn iterations(&self) -> u32 {
        self.spec.recipe.iterations
    }

    /// Images in one update.
    pub(super) fn batch(&self) -> u32 {
        self.spec.recipe.batch
    }

    /// How long it waited for images so far.
    pub(super) fn waited(&self) -> Duration {
        self.loaders.waited()
    }

    fn failed(&self) -> impl Fn(candle_core::Error) -> TrainError + use<> {
        let iteration = self.iteration;
        move |source| TrainError::Tensor { iteration, source }
    }

    /// One update of the weights.
    pub(super) fn update(&mut self) -> Result<(), TrainError> {
        let failed = self.failed();
        let Self { spec, stock, pool, network, solver, loaders, iteration, .. } = self;
        let draw = DropoutDraw { streams: &stock.streams, iteration: *iteration, share: spec.recipe.dropout };
        let rates = Rates::at(&spec.recipe, *iteration);
        let batch = loaders.next()?;
        let loss = pool.install(|| iterate(network, solver, batch, (draw, rates)));
        self.unread.push(loss.map_err(failed)?);
        self.iteration += 1;
        Ok(())
    }

    /// Reads the losses that were not read yet; waits for the device.
    fn read_losses(&mut self) -> Result<(), TrainError> {
        let first = self.iteration - self.unread.len() as u32;
        let failed = self.failed();
        for (iteration, loss) in (first..).zip(self.unread.drain(..)) {
            let loss: f64 = loss.to_vec1::<f64>().map_err(&failed)?.into_iter().sum();
            if !loss.is_finite() {
                return Err(TrainError::Diverged { iteration });
            }
            self.loss.sum += loss;
            self.loss.iterations += 1;
        }
        Ok(())
    }

    /// The mean training loss since the point before, where one is due. Depends on the
    /// iteration alone, so that a resumed training has the same points.
    pub(super) fn loss_point(&mut self) -> Result<Option<MetricPoint>, TrainError> {
        let is_last = self.iteration == self.iterations();
        if is_last || self.iteration.is_multiple_of(LOSSES_READ_EVERY) {
            self.read_losses()?;
        }
        let reads = self.iterations().div_ceil(LOSSES_READ_EVERY * LOSS_POINTS_MAX);
        if !is_last && !self.iteration.is_multiple_of(LOSSES_READ_EVERY * reads) {
            return Ok(None);
        }
        let LossSum { sum, iterations } = std::mem::take(&mut self.loss);
        let mean = sum / f64::from(iterations.max(1));
        self.lowest_loss = self.lowest_loss.min(mean);
        Ok(Some(self.point(MetricValue::TrainingLoss(mean))))
    }

    fn point(&mut self, value: MetricValue) -> MetricPoint {
        let sequence = self.metric_points;
        self.metric_points += 1;
        MetricPoint { sequence, iteration: self.iteration, value }
    }

    pub(super) fn is_test_due(&self) -> bool {
        is_test_due(&self.spec.recipe, self.iteration)
    }

    /// Tests the network on the validation images; `tested` hears how many batches are done.
    pub(super) fn test(
        &mut self,
        tested: &mut dyn FnMut(u64),
    ) -> Result<(MetricPoint, Evaluation), TrainError> {
        let images = images_per_test(&self.spec.recipe, self.stock.validation.len());
        let Self { pool, network, loaders, iteration, .. } = self;
        let evaluation = evaluate((network, pool), loaders, (images, *iteration), tested)?;
        if !evaluation.result.loss.is_finite() {
            // The losses since the last look may tell an earlier update.
            self.read_losses()?;
            return Err(TrainError::Diverged { iteration: self.iteration });
        }
        self.tests.push(evaluation.result);
        self.lowest_loss = self.lowest_loss.min(evaluation.result.loss);
        Ok((self.point(MetricValue::Test(evaluation.result)), evaluation))
    }

    /// All that a resume needs, without times; waits for the device.
    pub(super) fn checkpoint(&mut self) -> Result<Checkpoint, TrainError> {
        self.read_losses()?;
        let failed = self.failed();
        let parameters = self.network.to_host().map_err(&failed)?;
        let frozen = self.network.layers_frozen;
        let mut momentum = self.solver.to_host().map_err(&failed)?.into_iter();
        let layers = self.network.layers.iter().zip(parameters).enumerate();
        let layers = layers.map(|(index, (layer, parameters))| CheckpointLayer {
            name: layer.name.clone(),
            parameters,
            momentum: if index < frozen { None } else { momentum.next() },
        });
        let shape = [self.spec.image.height, self.spec.image.width, self.spec.image.channels];
        let shape = shape.map(|length| length as usize).to_vec();
        Ok(Checkpoint {
            key: self.key,
            iteration: self.iteration,
            device_kind: self.device_kind.clone(),
            metric_points: self.metric_points,
            loss: self.loss,
            lowest_loss: self.lowest_loss,
            tests: self.tests.clone(),
            training_s: 0.0,
            testing_s: 0.0,
            waiting_s: 0.0,
            layers: layers.collect(),
            mean: HostTensor { shape, values: self.stock.feed.mean().to_vec() },
        })
    }

    /// The result, without times, and the final checkpoint.
    pub(super) fn finish(mut self, last: &Evaluation) -> Result<(JobResult, Checkpoint), TrainError> {
        let mut checkpoint = self.checkpoint()?;
        for layer in &mut checkpoint.layers {
            layer.momentum = None;
        }
        let layers = || checkpoint.layers.iter();
        let layer_digests: Vec<_> =
            layers().map(|layer| (layer.name.clone(), layer.parameters.digest())).collect();
        let chance = (self.spec.target.indices.len() as f64).ln();
        let result = JobResult {
            test: last.result,
            tests: self.tests.len() as u32,
            top1_best10: best10(&self.tests),
            correct_bits: bits(&last.is_correct),
            weights_digest: digest_of_all(layers().map(|layer| &layer.parameters)),
            copied_layers_unchanged: copy::check_end(self.spec, &self.copied, &layer_digests)?,
            layer_digests,
            stuck_at_chance: self.lowest_loss >= CHANCE_SHARE * chance,
            training_s: 0.0,
            testing_s: 0.0,
            waiting_s: 0.0,
            device_kind: self.device_kind,
        };
        Ok((result, checkpoint))
    }
}

/// Mean top-1 of the ten best tests, where there are enough tests (the authors' measure).
fn best10(tests: &[TestResult]) -> Option<f64> {
    if tests.len() < TESTS_FOR_BEST10_MIN {
        return None;
    }
    let mut accuracies: Vec<f64> = tests.iter().map(TestResult::top1).collect();
    accuracies.sort_by(|one, other| other.total_cmp(one));
    Some(accuracies[..10].iter().sum::<f64>() / 10.0)
}

/// One bit for each, lowest first.
fn bits(facts: &[bool]) -> Vec<u8> {
    let byte = |facts: &[bool]| facts.iter().rev().fold(0, |byte, &fact| byte << 1 | u8::from(fact));
    facts.chunks(8).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_written_lowest_first() {
        let mut facts = [false; 10];
        (facts[0], facts[3], facts[9]) = (true, true, true);
        assert_eq!(bits(&facts), [0b0000_1001, 0b0000_0010]);
    }

    #[test]
    fn the_ten_best_are_taken_of_a_hundred_tests() {
        let test = |top1_correct| TestResult { images: 100, top1_correct, top5_correct: 0, loss: 0.0 };
        let tests: Vec<_> = (0..100).map(test).collect();
        assert_eq!(best10(&tests[..99]), None);
        assert!((best10(&tests).unwrap() - 0.945).abs() < 1e-12);
    }
}
