//! Paired differences: every comparison is within a split, n, target half and seed.
//!
//! Halves are not equally hard (in the paper's own record by up to 1.9 points), so a
//! network is only ever compared with one that is tested on the same half.

use std::{collections::BTreeMap, ops::RangeInclusive};

use selffer_core::spec::Half;

use crate::results::{Metric, NetworkRow, TreatmentName};

use super::{Estimate, Reason};

/// A treated network minus its control.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The split of both.
    pub split: String,
    /// The seed of both.
    pub seed: u64,
    /// Percentage points.
    pub points: f64,
}

/// Which networks are compared with which.
#[derive(Clone, Debug, PartialEq)]
pub struct Contrast {
    /// The treatment.
    pub treated: TreatmentName,
    /// What it is compared with: of equal n, or the base network of its half.
    pub control: TreatmentName,
}

/// The outcome of pairing, before averaging.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Paired {
    /// Pairs of which both are trained.
    pub differences: Vec<Difference>,
    /// Treated networks in the study.
    pub treated: usize,
    /// Of those, with a control in the study, trained or not.
    pub matched: usize,
}

/// What two networks must share to be compared.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key<'a> {
    split: &'a str,
    // 0 if the control is a base network.
    n: u32,
    target: Half,
    seed: u64,
    images_per_class: Option<u32>,
}

impl Contrast {
    /// The treated networks against the base network of their own target half.
    #[must_use]
    pub fn own_base(treated: TreatmentName) -> Self {
        Self { treated, control: TreatmentName::Base }
    }

    /// Pairs the rows with n in `layers`.
    #[must_use]
    pub fn pair(&self, rows: &[&NetworkRow], layers: &RangeInclusive<u32>, metric: Metric) -> Paired {
        let controls: BTreeMap<Key<'_>, &NetworkRow> = rows
            .iter()
            .filter(|row| row.treatment == self.control)
            .map(|row| (self.key(row), *row))
            .collect();
        let mut paired = Paired::default();
        for row in rows.iter().filter(|row| row.treatment == self.treated && layers.contains(&row.n)) {
            paired.treated += 1;
            let Some(control) = controls.get(&self.key(row)) else { continue };
            paired.matched += 1;
            let (Some(treated), Some(control)) = (row.accuracy(metric), control.accuracy(metric)) else {
                continue;
            };
            let points = 100.0 * (treated - control);
            paired.differences.push(Difference { split: row.split.clone(), seed: row.seed, points });
        }
        paired
    }

    fn key<'a>(&self, row: &'a NetworkRow) -> Key<'a> {
        Key {
            split: &row.split,
            n: if self.control == TreatmentName::Base { 0 } else { row.n },
            target: row.target,
            seed: row.seed,
            images_per_class: row.images_per_class,
        }
    }
}

impl Paired {
    /// The mean difference, or why there is none.
    #[must_use]
    pub fn estimate(&self) -> Estimate {
        if !self.differences.is_empty() {
            return Estimate::of(&self.differences);
        }
        Estimate::none(match (self.treated, self.matched) {
            (0, _) => Reason::NoNetworks,
            (_, 0) => Reason::NoMatchedControl,
            _ => Reason::NotFinished,
        })
    }
}
