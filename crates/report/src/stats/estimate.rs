//! Estimates: a mean of differences, with an interval whose unit is the split.
//!
//! Networks of one split share base networks, halves and sources; they are not
//! independent, splits are. So differences are averaged within a split and Student's t
//! with S - 1 degrees of freedom is taken over the S splits. Where splits have unequal
//! numbers of differences every difference keeps its weight, and the standard error is
//! the cluster-robust one (with the factor S / (S - 1)), which for equal numbers is the
//! usual one.

use std::collections::BTreeMap;

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::Difference;

/// A number with its uncertainty, or the reason why there is none.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// Percentage points.
    pub value: Option<f64>,
    /// 95 % interval, percentage points.
    pub ci95: Option<[f64; 2]>,
    /// Splits that it rests on.
    pub splits: usize,
    /// Why something is null, or what to keep in mind.
    pub reason: Option<Reason>,
}

/// Why an estimate is not a full one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The study has no network of the kind that would be compared.
    NoNetworks,
    /// The networks exist, but none has a partner of equal split, n, target half and seed.
    NoMatchedControl,
    /// Base networks are what the others are compared with.
    IsBase,
    /// The networks to compare are not all trained yet.
    NotFinished,
    /// One split and fewer than three seeds: no interval.
    OneSplit,
    /// An interval from two splits: one degree of freedom.
    TwoSplits,
    /// One split: the interval is over training runs of this split, not over splits.
    ThisSplitOverTrainingRuns,
}

impl Reason {
    /// The reason for people; empty where nothing needs saying.
    #[must_use]
    pub fn as_words(self) -> &'static str {
        match self {
            Self::NoNetworks => "no such networks",
            Self::NoMatchedControl => "no matched control",
            Self::IsBase => "",
            Self::NotFinished => "not finished",
            Self::OneSplit => "one split",
            Self::TwoSplits => "two splits",
            Self::ThisSplitOverTrainingRuns => "this split, over training runs",
        }
    }
}

impl Estimate {
    /// No number, because of this.
    #[must_use]
    pub fn none(reason: Reason) -> Self {
        Self { value: None, ci95: None, splits: 0, reason: Some(reason) }
    }

    /// The mean of these differences with its interval.
    #[must_use]
    pub fn of(differences: &[Difference]) -> Self {
        let Some(value) = mean(differences.iter().map(|difference| difference.points)) else {
            return Self::none(Reason::NoMatchedControl);
        };
        let by_split = groups(differences, |difference| difference.split.clone());
        let splits = by_split.len();
        let (ci95, reason) = match splits {
            1 => {
                let by_seed = groups(differences, |difference| difference.seed);
                if by_seed.len() >= 3 {
                    (interval(value, &by_seed), Some(Reason::ThisSplitOverTrainingRuns))
                } else {
                    (None, Some(Reason::OneSplit))
                }
            }
            2 => (interval(value, &by_split), Some(Reason::TwoSplits)),
            _ => (interval(value, &by_split), None),
        };
        Self { value: Some(value), ci95, splits, reason }
    }
}

/// The mean, if there is anything to average.
pub fn mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0_u32);
    for value in values {
        sum += value;
        count += 1;
    }
    (count > 0).then(|| sum / f64::from(count))
}

/// The differences of one split, or of one seed.
struct Group {
    sum: f64,
    count: f64,
}

fn groups<K: Ord>(differences: &[Difference], key: impl Fn(&Difference) -> K) -> Vec<Group> {
    let mut groups: BTreeMap<K, Group> = BTreeMap::new();
    for difference in differences {
        let group = groups.entry(key(difference)).or_insert(Group { sum: 0.0, count: 0.0 });
        group.sum += difference.points;
        group.count += 1.0;
    }
    groups.into_values().collect()
}

/// Student's t interval around `value` with groups as units; at least two.
fn interval(value: f64, groups: &[Group]) -> Option<[f64; 2]> {
    let count = groups.len() as f64;
    let total: f64 = groups.iter().map(|group| group.count).sum();
    let squares: f64 = groups.iter().map(|group| ((group.sum - group.count * value) / total).powi(2)).sum();
    let standard_error = (squares * count / (count - 1.0)).sqrt();
    let distribution = StudentsT::new(0.0, 1.0, count - 1.0).ok()?;
    let half_width = distribution.inverse_cdf(0.975) * standard_error;
    Some([value - half_width, value + half_width])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(split: &str, seed: u64, points: f64) -> Difference {
        Difference { split: split.to_owned(), seed, points }
    }

    fn check(estimate: &Estimate, value: f64, ci95: [f64; 2]) {
        let found = estimate.ci95.unwrap();
        let all = [(estimate.value.unwrap(), value), (found[0], ci95[0]), (found[1], ci95[1])];
        assert!(all.iter().all(|(found, expected)| (found - expected).abs() < 1e-6), "{estimate:?}");
    }

    // from scipy import stats; import numpy as np
    // x = np.array([1.0, 1.5, 0.5, 2.0])
    // print(stats.t.interval(0.95, 3, x.mean(), stats.sem(x)))
    #[test]
    fn four_splits_give_students_t_with_three_degrees_of_freedom() {
        let differences: Vec<_> = [("a", 1.0), ("b", 1.5), ("c", 0.5), ("d", 2.0)]
            .into_iter()
            // Two directions a split, symmetric around the split's mean.
            .flat_map(|(split, mean)| [difference(split, 0, mean - 3.0), difference(split, 0, mean + 3.0)])
            .collect();

        let estimate = Estimate::of(&differences);

        check(&estimate, 1.25, [0.222_869_87, 2.277_130_13]);
        assert_eq!((estimate.splits, estimate.reason), (4, None));
    }

    // stats.t.interval(0.95, 1, 1.5, 0.5)
    #[test]
    fn two_splits_give_a_wide_interval_and_say_so() {
        let estimate = Estimate::of(&[difference("a", 0, 1.0), difference("b", 0, 2.0)]);

        check(&estimate, 1.5, [-4.853_102_37, 7.853_102_37]);
        assert_eq!(estimate.reason, Some(Reason::TwoSplits));
    }

    #[test]
    fn one_split_has_no_interval_over_splits() {
        let estimate = Estimate::of(&[difference("a", 0, 1.0), difference("a", 1, 2.0)]);

        assert_eq!(estimate.value, Some(1.5));
        assert_eq!((estimate.ci95, estimate.reason), (None, Some(Reason::OneSplit)));
    }

    // stats.t.interval(0.95, 2, 2.0, stats.sem([1, 2, 3]))
    #[test]
    fn one_split_with_three_seeds_has_an_interval_over_training_runs() {
        let differences: Vec<_> = (0..3).map(|seed| difference("a", seed, 1.0 + seed as f64)).collect();

        let estimate = Estimate::of(&differences);

        check(&estimate, 2.0, [-0.484_137_71, 4.484_137_71]);
        assert_eq!(estimate.reason, Some(Reason::ThisSplitOverTrainingRuns));
    }

    #[test]
    fn nothing_to_compare_is_null_with_a_reason() {
        let estimate = Estimate::of(&[]);
        assert_eq!((estimate.value, estimate.reason), (None, Some(Reason::NoMatchedControl)));
    }
}
