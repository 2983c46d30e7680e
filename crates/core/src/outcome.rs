//! What a finished training says about itself.

use serde::{Deserialize, Serialize};

use crate::ids::Digest;

/// One test during or at the end of training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TestResult {
    /// Images tested.
    pub images: u64,
    /// Of those, classified rightly.
    pub top1_correct: u64,
    /// Of those, with the right class among the five best (all, if there are five or fewer).
    pub top5_correct: u64,
    /// Mean cross-entropy, in nats.
    pub loss: f64,
}

impl TestResult {
    /// Share classified rightly, 0..=1.
    #[must_use]
    pub fn top1(&self) -> f64 {
        self.top1_correct as f64 / self.images as f64
    }

    /// Share with the right class among the five best, 0..=1.
    #[must_use]
    pub fn top5(&self) -> f64 {
        self.top5_correct as f64 / self.images as f64
    }
}

/// One point of a learning curve. Points of an attempt are numbered by `sequence` from 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricPoint {
    /// Number within the attempt; stored at most once.
    pub sequence: u32,
    /// Updates done when it was taken.
    pub iteration: u32,
    /// What was measured.
    pub value: MetricValue,
}

/// What a metric point holds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetricValue {
    /// Mean training loss since the point before, in nats.
    TrainingLoss(f64),
    /// A test.
    Test(TestResult),
}

/// The outcome of a succeeded attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobResult {
    /// The final test.
    pub test: TestResult,
    /// Tests in all.
    pub tests: u32,
    /// Mean top-1 of the ten best tests, where there were at least 100.
    pub top1_best10: Option<f64>,
    /// For each image of the final test, in the pack's order, one bit: was it right
    /// (lowest bit first)?
    pub correct_bits: Vec<u8>,
    /// BLAKE3 of all weights in layer order; equal networks, equal digests.
    pub weights_digest: Digest,
    /// The same for each layer, by name, in order.
    pub layer_digests: Vec<(String, Digest)>,
    /// Digest of layers 1..n equals the source's; none where nothing was copied.
    pub copied_layers_unchanged: Option<bool>,
    /// Loss never fell below chance: flagged, not failed.
    pub stuck_at_chance: bool,
    /// Wall-clock seconds of training and testing.
    pub training_s: f64,
    /// Of those, seconds of testing.
    pub testing_s: f64,
    /// Of all, seconds in which the trainer waited for images; 0 where nobody measured it.
    #[serde(default)]
    pub waiting_s: f64,
    /// What it ran on, e.g. `cpu x86-64-v4`.
    pub device_kind: String,
}
