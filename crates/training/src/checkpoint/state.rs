//! `state.json`: everything of a checkpoint but tensors, and the digests of their files.

use selffer_core::{
    identity::canonical_json,
    ids::{Digest, JobKey},
    outcome::TestResult,
};
use serde::{Deserialize, Serialize};

/// Value of [`State::schema`].
pub(super) const SCHEMA: &str = "selffer.checkpoint/v1";

/// The file. Floats are written as the hexadecimal digits of their bits: JSON numbers need
/// not read back exactly, and infinity has none.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    pub(super) schema: String,
    pub(super) key: JobKey,
    pub(super) iteration: u32,
    pub(super) device_kind: String,
    pub(super) metric_points: u32,
    pub(super) loss_sum: Bits,
    pub(super) loss_iterations: u32,
    pub(super) lowest_loss: Bits,
    pub(super) tests: Vec<Test>,
    #[serde(default)]
    pub(super) training_s: Bits,
    #[serde(default)]
    pub(super) testing_s: Bits,
    #[serde(default)]
    pub(super) waiting_s: Bits,
    /// Names of the layers, in order.
    pub(super) layers: Vec<String>,
    /// Every other file of the checkpoint, in order.
    pub(super) files: Vec<File>,
}

/// A file's name and BLAKE3.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) digest: Digest,
}

/// A test.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Test {
    images: u64,
    top1_correct: u64,
    top5_correct: u64,
    loss: Bits,
}

/// The bits of an f64, as 16 hexadecimal digits.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Bits(pub(super) f64);

impl From<Bits> for String {
    fn from(bits: Bits) -> Self {
        format!("{:016x}", bits.0.to_bits())
    }
}

impl TryFrom<String> for Bits {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        u64::from_str_radix(&text, 16).map(|bits| Self(f64::from_bits(bits)))
    }
}

impl From<&TestResult> for Test {
    fn from(test: &TestResult) -> Self {
        let TestResult { images, top1_correct, top5_correct, loss } = *test;
        Self { images, top1_correct, top5_correct, loss: Bits(loss) }
    }
}

impl From<&Test> for TestResult {
    fn from(test: &Test) -> Self {
        let Test { images, top1_correct, top5_correct, loss: Bits(loss) } = *test;
        Self { images, top1_correct, top5_correct, loss }
    }
}

impl State {
    /// The one text of this state.
    pub(super) fn to_text(&self) -> String {
        canonical_json(self)
    }
}
