//! Replays: a training that was done again elsewhere, beside what was recorded of it.
//!
//! On one kind of device equal jobs give equal bits, so there every number must be the same;
//! on another kind it is told how far apart they are, and what is far is for people to judge.
//! Who trains again, and where, is the worker's business.

#[cfg(test)]
mod tests;

use std::fmt::Display;

use serde::{Deserialize, Serialize};

use crate::{
    ids::{Digest, JobKey},
    outcome::{JobResult, MetricPoint, MetricValue, TestResult},
};

/// Value of [`Replay::schema`].
pub const REPLAY_SCHEMA: &str = "selffer.replay/v1";

/// A training that was done again: from its start, wherever an earlier one had been stopped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Replay {
    /// [`REPLAY_SCHEMA`].
    pub schema: String,
    /// The job.
    pub key: JobKey,
    /// Of the program that trained.
    pub program_version: String,
    /// What it ran on, e.g. `cpu x86-64-v4`.
    pub device: String,
    /// With how many threads; 0 on a GPU.
    pub threads: u32,
    /// Updates done.
    pub iterations: u32,
    /// The learning curve.
    pub points: Vec<MetricPoint>,
    /// What came out, if it was trained to its end.
    pub result: Option<JobResult>,
    /// How far each layer is from the recorded one, in order; none unless it was trained to its
    /// end and came to other weights than those of a recorded result.
    pub weights: Option<Vec<LayerDistance>>,
}

/// How far a layer is from the recorded one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerDistance {
    /// Its name.
    pub layer: String,
    /// The largest difference of two values, as a share of the largest recorded one; finite.
    pub relative: f64,
}

/// What is recorded of a job.
#[derive(Clone, Copy, Debug)]
pub struct Recorded<'a> {
    /// The kind of device that it was trained on.
    pub device: &'a str,
    /// Its learning curve, as far as it goes.
    pub points: &'a [MetricPoint],
    /// Its result, if it has succeeded.
    pub result: Option<&'a JobResult>,
}

/// A replay beside what was recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Whether both ran on the same kind of device, where all must be the same.
    pub same_device: bool,
    /// How many recorded points were compared.
    pub points: usize,
    /// Whether the results at the end were compared.
    pub end: bool,
    /// The first thing that is not the same.
    pub difference: Option<Difference>,
    /// How far apart they are.
    pub within: Within,
}

/// How far a replay and what was recorded are apart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Within {
    /// The largest difference of two losses as a share of the recorded one, and the iteration
    /// of that; none if there was no loss to compare.
    pub loss: Option<(f64, u32)>,
    /// The largest difference of two tests' top-1 accuracies in percentage points, and the
    /// iteration of that; none if there was no test to compare.
    pub top1: Option<(f64, u32)>,
    /// How far each layer is from the recorded one; none if that was not compared, and all 0
    /// if the weights are the same.
    pub weights: Option<Vec<LayerDistance>>,
}

/// Something that is not as recorded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Difference {
    /// A number of the learning curve.
    #[error("at iteration {iteration} the {what} is recorded as {recorded} and replayed as {replayed}")]
    Point {
        /// Updates done.
        iteration: u32,
        /// Which number.
        what: &'static str,
        /// As recorded.
        recorded: String,
        /// As replayed.
        replayed: String,
    },
    /// A recorded point that the replay does not have.
    #[error(
        "point {sequence} of the learning curve is recorded at iteration {iteration}; the replay has none"
    )]
    Missing {
        /// Its number.
        sequence: u32,
        /// Updates done.
        iteration: u32,
    },
    /// Something about the trained network.
    #[error("at the end the {what} is recorded as {recorded} and replayed as {replayed}")]
    End {
        /// What.
        what: String,
        /// As recorded.
        recorded: String,
        /// As replayed.
        replayed: String,
    },
}

impl Comparison {
    /// Whether the replay bears out what was recorded: by every bit on the same kind of device,
    /// by the course of the training on another one.
    #[must_use]
    pub fn holds(&self) -> bool {
        match &self.difference {
            None => true,
            Some(Difference::Missing { .. }) => false,
            Some(_) => !self.same_device,
        }
    }
}

/// The iteration up to which a replay of at most `iterations` updates has anything to be
/// compared with; none if nothing is recorded up to there.
#[must_use]
pub fn reach(points: &[MetricPoint], iterations: u32) -> Option<u32> {
    points.iter().map(|point| point.iteration).filter(|iteration| *iteration <= iterations).max()
}

/// Compares a replay with what was recorded up to where it went.
#[must_use]
pub fn compare(recorded: &Recorded<'_>, replay: &Replay) -> Comparison {
    let mut comparison = Comparison {
        same_device: recorded.device == replay.device,
        points: 0,
        end: false,
        difference: None,
        within: Within::default(),
    };
    for point in recorded.points.iter().filter(|point| point.iteration <= replay.iterations) {
        comparison.points += 1;
        let Some(other) = replay.points.iter().find(|other| is_same_point(point, other)) else {
            let MetricPoint { sequence, iteration, .. } = *point;
            comparison.note(Difference::Missing { sequence, iteration });
            continue;
        };
        comparison.point(point, other);
    }
    if let (Some(recorded), Some(replayed)) = (recorded.result, &replay.result) {
        comparison.end = true;
        comparison.end(recorded, replayed);
        comparison.within.weights = match recorded.weights_digest == replayed.weights_digest {
            true => Some(replayed.layer_digests.iter().map(|(layer, _)| unmoved(layer)).collect()),
            false => replay.weights.clone(),
        };
    }
    comparison
}

fn unmoved(layer: &str) -> LayerDistance {
    LayerDistance { layer: layer.to_owned(), relative: 0.0 }
}

fn is_same_point(one: &MetricPoint, other: &MetricPoint) -> bool {
    (one.sequence, one.iteration) == (other.sequence, other.iteration)
        && std::mem::discriminant(&one.value) == std::mem::discriminant(&other.value)
}

impl Comparison {
    // A missing point weighs more than any number: on no device it may be missing.
    fn note(&mut self, difference: Difference) {
        let is_missing = matches!(difference, Difference::Missing { .. });
        match &self.difference {
            Some(Difference::Missing { .. }) => {}
            Some(_) if !is_missing || self.same_device => {}
            _ => self.difference = Some(difference),
        }
    }

    fn point(&mut self, recorded: &MetricPoint, replayed: &MetricPoint) {
        let iteration = recorded.iteration;
        match (&recorded.value, &replayed.value) {
            (MetricValue::TrainingLoss(recorded), MetricValue::TrainingLoss(replayed)) => {
                self.loss((iteration, "training loss"), *recorded, *replayed);
            }
            (MetricValue::Test(recorded), MetricValue::Test(replayed)) => {
                self.test(iteration, recorded, replayed);
            }
            // Only points of one kind are compared.
            _ => {}
        }
    }

    fn loss(&mut self, (iteration, what): (u32, &'static str), recorded: f64, replayed: f64) {
        let relative = match recorded.to_bits() == replayed.to_bits() {
            true => 0.0,
            false => (replayed - recorded).abs() / recorded.abs(),
        };
        widen(&mut self.within.loss, relative, iteration);
        if recorded.to_bits() != replayed.to_bits() {
            self.unequal((iteration, what), &exact(recorded), &exact(replayed));
        }
    }

    fn test(&mut self, iteration: u32, recorded: &TestResult, replayed: &TestResult) {
        self.loss((iteration, "test loss"), recorded.loss, replayed.loss);
        widen(&mut self.within.top1, 100.0 * (replayed.top1() - recorded.top1()).abs(), iteration);
        for (what, one, other) in [
            ("number of tested images", recorded.images, replayed.images),
            ("top-1 count", recorded.top1_correct, replayed.top1_correct),
            ("top-5 count", recorded.top5_correct, replayed.top5_correct),
        ] {
            if one != other {
                self.unequal((iteration, what), &one, &other);
            }
        }
    }

    fn unequal(
        &mut self,
        (iteration, what): (u32, &'static str),
        recorded: &dyn Display,
        replayed: &dyn Display,
    ) {
        let (recorded, replayed) = (recorded.to_string(), replayed.to_string());
        self.note(Difference::Point { iteration, what, recorded, replayed });
    }

    // Times are not compared: no two trainings take equally long.
    fn end(&mut self, recorded: &JobResult, replayed: &JobResult) {
        let layers = recorded.layer_digests.iter().zip(&replayed.layer_digests);
        for ((layer, one), (_, other)) in layers {
            self.ended(&format!("digest of layer {layer}"), one, other);
        }
        let both = [recorded, replayed];
        let [one, other] = both.map(|result| result.weights_digest);
        self.ended("digest of the weights", &one, &other);
        let [one, other] = both.map(|result| told(&result.test));
        self.ended("final test", &one, &other);
        let [one, other] = both.map(|result| result.tests);
        self.ended("number of tests", &one, &other);
        let [one, other] = both.map(|result| result.top1_best10.map_or_else(|| "none".to_owned(), exact));
        self.ended("mean of the ten best tests", &one, &other);
        let [one, other] = both.map(|result| Digest::of(&result.correct_bits));
        self.ended("digest of the list of rightly classified images", &one, &other);
        let [one, other] = both.map(|result| result.stuck_at_chance);
        self.ended("verdict of having learned nothing", &one, &other);
    }

    fn ended<T: Display + PartialEq>(&mut self, what: &str, recorded: &T, replayed: &T) {
        if recorded != replayed {
            let (recorded, replayed) = (recorded.to_string(), replayed.to_string());
            self.note(Difference::End { what: what.to_owned(), recorded, replayed });
        }
    }
}

fn widen(largest: &mut Option<(f64, u32)>, distance: f64, iteration: u32) {
    // What is not a number is as far as can be.
    let distance = if distance.is_nan() { f64::INFINITY } else { distance };
    if largest.is_none_or(|(so_far, _)| distance > so_far) {
        *largest = Some((distance, iteration));
    }
}

fn told(test: &TestResult) -> String {
    let TestResult { images, top1_correct, top5_correct, loss } = test;
    format!("{top1_correct} and {top5_correct} of {images} images right, loss {}", exact(*loss))
}

/// The shortest text that stands for no other number.
fn exact(number: f64) -> String {
    format!("{number:?}")
}
