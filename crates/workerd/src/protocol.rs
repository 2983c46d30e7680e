//! What the daemon and its trainer say to each other, as JSON lines.
//!
//! The daemon writes one [`Request`], then [`Control`] lines; the end of its stream means
//! that the daemon is gone. The trainer answers with [`Event`] lines on its standard output
//! and writes people's text to its standard error. Both are the same executable, so the
//! lines need no versions.

use std::path::PathBuf;

use selffer_core::{
    ids::{Digest, JobKey},
    job::{Failure, Phase},
    outcome::{JobResult, MetricPoint},
    spec::JobSpec,
};
use selffer_training::DeviceRequest;
use serde::{Deserialize, Serialize};

/// What to train, and where everything lies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The job's key; must be the spec's.
    pub key: JobKey,
    /// The job.
    pub spec: JobSpec,
    /// Folder of the pack.
    pub pack: PathBuf,
    /// Folder of the source network's final checkpoint.
    pub source: Option<PathBuf>,
    /// Folder of the imported weights that layers are copied from.
    pub imported: Option<PathBuf>,
    /// Folders of checkpoints to go on from, best first; from the start if none can be used.
    pub resume: Vec<PathBuf>,
    /// Where to train.
    pub device: Device,
    /// Milliseconds between checkpoints; none takes only the last.
    pub checkpoint_every_ms: Option<u64>,
    /// Folder of the mean images that are kept from job to job; without one it is computed.
    pub means: Option<PathBuf>,
    /// The attempt's own folder; exists.
    pub folder: PathBuf,
}

/// Where a trainer runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Device {
    /// The processor.
    Cpu {
        /// Threads to compute with, at least 1.
        threads: usize,
    },
    /// A GPU, by CUDA index.
    Gpu {
        /// From 0.
        index: u32,
    },
}

impl Device {
    /// As the trainer is asked for it.
    #[must_use]
    pub fn request(self) -> DeviceRequest {
        match self {
            Self::Cpu { .. } => DeviceRequest::Cpu,
            Self::Gpu { index } => DeviceRequest::Gpu(index),
        }
    }

    /// Threads to train with; beside a GPU one.
    #[must_use]
    pub fn threads(self) -> usize {
        match self {
            Self::Cpu { threads } => threads,
            Self::Gpu { .. } => 1,
        }
    }
}

/// What the daemon says after the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Control {
    /// Write a checkpoint and end.
    Stop,
}

/// What the trainer says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// It entered a phase.
    Phase {
        /// Which.
        phase: Phase,
        /// Updates done.
        iteration: u32,
    },
    /// It got further.
    Progress {
        /// Updates done.
        iteration: u32,
        /// Training images a second since the last report.
        images_per_s: f32,
    },
    /// It tests, and so many batches of this test are done.
    Tested {
        /// From 1.
        batches: u64,
    },
    /// A point of the learning curve.
    Metric(MetricPoint),
    /// A checkpoint lies ready; training goes on.
    Checkpoint(Saved),
    /// An input is not what was fetched, and of no use to anybody; it may go on without it.
    Damaged(Input),
    /// Trained and tested; the last line.
    Finished {
        /// What came out.
        result: Box<JobResult>,
        /// The final checkpoint.
        saved: Saved,
    },
    /// Ended early because it was told to; the last line.
    Stopped(Saved),
    /// Ended badly and knows why; the last line.
    Failed(Failure),
}

/// What a trainer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// The images.
    Pack,
    /// The source network's final checkpoint.
    Source,
    /// The imported weights.
    Imported,
    /// The checkpoint to go on from that was fetched.
    Resume,
}

/// A whole checkpoint in a folder of its own; the daemon removes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Saved {
    /// The folder.
    pub folder: PathBuf,
    /// Its files in order.
    pub files: Vec<String>,
    /// Updates done.
    pub iteration: u32,
    /// Digest of the weights, of final checkpoints only.
    pub weights: Option<Digest>,
}

/// One line of the protocol, with its line end.
///
/// # Panics
/// Never: the types have string keys, and floats that are not finite become `null`.
#[must_use]
pub fn line<T: Serialize>(message: &T) -> String {
    let mut text = serde_json::to_string(message).expect("our messages have string keys");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use selffer_core::{
        job::FailureClass,
        outcome::{MetricValue, TestResult},
    };

    use super::*;

    #[test]
    fn every_event_reads_back_as_it_was_written() {
        let test = TestResult { images: 5000, top1_correct: 4700, top5_correct: 5000, loss: 0.1 };
        let saved =
            Saved { folder: "a/b c".into(), files: vec!["state.json".into()], iteration: 7, weights: None };
        let events = [
            Event::Phase { phase: Phase::Testing, iteration: 3 },
            Event::Progress { iteration: 3, images_per_s: 1234.5 },
            Event::Tested { batches: 9 },
            Event::Metric(MetricPoint { sequence: 0, iteration: 1, value: MetricValue::TrainingLoss(2.3) }),
            Event::Metric(MetricPoint { sequence: 1, iteration: 1, value: MetricValue::Test(test) }),
            Event::Checkpoint(saved.clone()),
            Event::Damaged(Input::Source),
            Event::Stopped(saved.clone()),
            Event::Finished { result: Box::new(result(test)), saved },
            Event::Failed(Failure { class: FailureClass::Diverged, message: "loss is\nNaN".into() }),
        ];
        for event in events {
            let text = line(&event);
            assert_eq!(text.matches('\n').count(), 1, "{text}");
            assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event);
        }
        assert_eq!(line(&Control::Stop), "\"stop\"\n");
    }

    fn result(test: TestResult) -> JobResult {
        JobResult {
            test,
            tests: 4,
            top1_best10: None,
            correct_bits: vec![255, 3],
            weights_digest: Digest::of(b"weights"),
            layer_digests: vec![("conv1".into(), Digest::of(b"conv1"))],
            copied_layers_unchanged: Some(true),
            stuck_at_chance: false,
            training_s: 1.5,
            testing_s: 0.5,
            waiting_s: 0.25,
            device_kind: "cpu x86-64-v4".into(),
        }
    }
}
