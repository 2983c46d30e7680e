//! Results: one row for each network of a study, trained or not.
//!
//! Rows are filled from the wire by the programs. A network without a result is a row
//! too: what is missing must be seen to be missing.

use std::{convert::Infallible, fmt, str::FromStr};

use selffer_core::{job::StateKind, outcome::JobResult, spec::Half};
use serde::{Serialize, Serializer};

/// Tests from which on the mean of the ten best means anything.
pub const BEST10_TESTS_MIN: u32 = 100;

/// What a whole study is about, for titles and for the chance level.
#[derive(Clone, Debug, PartialEq)]
pub struct StudyFacts {
    /// The study's name.
    pub study: String,
    /// The pack's name.
    pub dataset: String,
    /// The network's name.
    pub network: String,
    /// Accuracy of a guess: 1 / classes of a target half; none if halves differ in that.
    pub chance: Option<f64>,
    /// Which accuracy everything is computed from.
    pub metric: Metric,
}

/// Which accuracy of a network counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// Its final test.
    #[default]
    Final,
    /// The mean of its ten best tests, as in the paper; only with
    /// [`BEST10_TESTS_MIN`] tests or more.
    Best10,
}

/// One network.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NetworkRow {
    /// Within the study: `random-0/A3B+`.
    pub name: String,
    /// The split: `random-0`.
    pub split: String,
    /// The treatment.
    pub treatment: TreatmentName,
    /// Layers copied; 0 for base networks.
    pub n: u32,
    /// The half that the copied layers come from.
    pub source: Option<Half>,
    /// The half it is trained and tested on.
    pub target: Half,
    /// The replicate.
    pub seed: u64,
    /// Accuracy of the final test.
    pub top1: Option<f64>,
    /// Mean of the ten best tests.
    pub top1_best10: Option<f64>,
    /// How many tests there were.
    pub tests: u32,
    /// Where its job stands.
    pub status: StateKind,
    /// What a reader should know about it.
    pub flags: Vec<Flag>,
    /// Limit on training images a class; it is in the name, too.
    #[serde(skip)]
    pub images_per_class: Option<u32>,
    /// Percentage points gained over the last quarter of its training, where the curve is
    /// known.
    #[serde(skip)]
    pub gain_last_quarter: Option<f64>,
    /// What it was trained on.
    #[serde(skip)]
    pub device_kind: Option<String>,
}

/// A treatment by the paper's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TreatmentName {
    /// Trained from nothing.
    Base,
    /// Selffer: its own half's layers, frozen.
    BnB,
    /// Selffer, fine-tuned.
    BnBPlus,
    /// Transfer: the other half's layers, frozen.
    AnB,
    /// Transfer, fine-tuned.
    AnBPlus,
    /// Random layers, frozen.
    RnB,
    /// Any other mixture of copying and freezing; listed, in no figure or effect.
    Custom(String),
}

/// What a reader should know about a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Flag {
    /// Its loss never fell below that of a guess.
    StuckAtChance,
    /// Frozen layers are not those of its source: a fault.
    CopiedLayersChanged,
    /// Fewer than [`BEST10_TESTS_MIN`] tests, so there is no mean of the ten best.
    FewTests,
}

impl NetworkRow {
    /// The accuracy that counts.
    #[must_use]
    pub fn accuracy(&self, metric: Metric) -> Option<f64> {
        match metric {
            Metric::Final => self.top1,
            Metric::Best10 => self.top1_best10,
        }
    }

    /// The row with what its training said: accuracies, tests, device and flags.
    #[must_use]
    pub fn with_result(mut self, result: &JobResult) -> Self {
        self.top1 = Some(result.test.top1());
        self.top1_best10 = result.top1_best10;
        self.tests = result.tests;
        self.device_kind = Some(result.device_kind.clone());
        let frozen = matches!(self.treatment, TreatmentName::BnB | TreatmentName::AnB);
        let flags = [
            (result.stuck_at_chance, Flag::StuckAtChance),
            (frozen && result.copied_layers_unchanged == Some(false), Flag::CopiedLayersChanged),
            (result.tests < BEST10_TESTS_MIN, Flag::FewTests),
        ];
        self.flags = flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| flag).collect();
        self
    }
}

impl TreatmentName {
    /// Those with a name in the paper, in the order in which we show them.
    pub const ALL: [Self; 6] = [Self::Base, Self::BnB, Self::BnBPlus, Self::AnB, Self::AnBPlus, Self::RnB];

    /// The paper's name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Base => "base",
            Self::BnB => "BnB",
            Self::BnBPlus => "BnB+",
            Self::AnB => "AnB",
            Self::AnBPlus => "AnB+",
            Self::RnB => "RnB",
            Self::Custom(name) => name,
        }
    }
}

impl FromStr for TreatmentName {
    type Err = Infallible;
    fn from_str(text: &str) -> Result<Self, Infallible> {
        let known = Self::ALL.into_iter().find(|treatment| treatment.as_str() == text);
        Ok(known.unwrap_or_else(|| Self::Custom(text.to_owned())))
    }
}

impl fmt::Display for TreatmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for TreatmentName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Flag {
    /// Whether people must see it. Few tests are what short recipes have.
    #[must_use]
    pub fn is_remarkable(self) -> bool {
        self != Self::FewTests
    }

    /// The flag as machines read it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StuckAtChance => "stuck_at_chance",
            Self::CopiedLayersChanged => "copied_layers_changed",
            Self::FewTests => "few_tests",
        }
    }
}

impl Metric {
    /// The metric as machines read it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Final => "final",
            Self::Best10 => "best10",
        }
    }
}
