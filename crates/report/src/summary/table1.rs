//! The paper's Table 1: the boost of fine-tuned transfer, as printed and as paired.
//!
//! As printed it pools all AnB+ networks of a range and subtracts the mean of all base
//! networks; if the networks that were trained target unequal halves, that difference is
//! partly the halves'. So the paired ones stand beside it.

use std::{collections::BTreeMap, ops::RangeInclusive};

use serde::Serialize;

use super::panel;
use crate::{
    results::{Metric, NetworkRow, TreatmentName},
    stats::{Contrast, Difference, Estimate, Reason, mean},
};

/// The ranges of layers that the paper prints.
const RANGES: [RangeInclusive<u32>; 3] = [1..=7, 3..=7, 5..=7];

/// One range of layers; percentage points throughout.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Table1Row {
    /// `1-7`.
    pub layers: String,
    /// Mean of all AnB+ minus mean of all base networks, as printed.
    pub boost_over_base: Option<f64>,
    /// Mean of all AnB+ minus mean of all BnB+, as printed.
    pub boost_over_selffer: Option<f64>,
    /// AnB+ minus the base network of its own half.
    pub boost_over_own_base: Estimate,
    /// BnB+ minus the base network of its own half.
    pub selffer_over_own_base: Estimate,
    /// The difference of the two, paired by split, n and seed; halves may differ.
    pub boost_over_selffer_base_adjusted: Estimate,
    /// AnB+ minus BnB+, paired by split, n, half and seed.
    pub boost_over_selffer_matched: Estimate,
}

/// The table, for every range that has AnB+ networks.
pub(super) fn table1(panel: &[&NetworkRow], base_mean: Option<f64>, metric: Metric) -> Vec<Table1Row> {
    let transfers = panel::layers_of(panel, &TreatmentName::AnBPlus);
    RANGES
        .into_iter()
        .filter(|range| transfers.iter().any(|n| range.contains(n)))
        .map(|range| row(panel, base_mean, &range, metric))
        .collect()
}

fn row(
    panel: &[&NetworkRow],
    base_mean: Option<f64>,
    range: &RangeInclusive<u32>,
    metric: Metric,
) -> Table1Row {
    use TreatmentName::{AnBPlus, BnBPlus};
    let transfer = panel::mean_accuracy(panel, &AnBPlus, range, metric);
    let selffer = panel::mean_accuracy(panel, &BnBPlus, range, metric);
    let points_over = |base: Option<f64>| transfer.zip(base).map(|(of, base)| 100.0 * (of - base));
    let estimate = |contrast: Contrast| contrast.pair(panel, range, metric).estimate();
    Table1Row {
        layers: format!("{}-{}", range.start(), range.end()),
        boost_over_base: points_over(base_mean),
        boost_over_selffer: points_over(selffer),
        boost_over_own_base: estimate(Contrast::own_base(AnBPlus)),
        selffer_over_own_base: estimate(Contrast::own_base(BnBPlus)),
        boost_over_selffer_base_adjusted: base_adjusted(panel, range, metric),
        boost_over_selffer_matched: estimate(Contrast { treated: AnBPlus, control: BnBPlus }),
    }
}

/// Gains over own base, AnB+ minus BnB+, for each split, n and seed that have both.
fn base_adjusted(panel: &[&NetworkRow], range: &RangeInclusive<u32>, metric: Metric) -> Estimate {
    let transfer = gains(panel, TreatmentName::AnBPlus, range, metric);
    let selffer = gains(panel, TreatmentName::BnBPlus, range, metric);
    if transfer.is_empty() || selffer.is_empty() {
        return Estimate::none(Reason::NoNetworks);
    }
    let differences: Vec<_> = transfer
        .into_iter()
        .filter_map(|((split, n, seed), gain)| {
            let control = selffer.get(&(split.clone(), n, seed))?;
            Some(Difference { split, seed, points: gain - control })
        })
        .collect();
    Estimate::of(&differences)
}

/// Mean gain over own base for each split, n and seed, in points.
fn gains(
    panel: &[&NetworkRow],
    treated: TreatmentName,
    range: &RangeInclusive<u32>,
    metric: Metric,
) -> BTreeMap<(String, u32, u64), f64> {
    let contrast = Contrast::own_base(treated);
    let mut gains: BTreeMap<_, Vec<f64>> = BTreeMap::new();
    for n in range.clone() {
        for difference in contrast.pair(panel, &(n..=n), metric).differences {
            gains.entry((difference.split, n, difference.seed)).or_default().push(difference.points);
        }
    }
    gains.into_iter().filter_map(|(key, points)| Some((key, mean(points)?))).collect()
}
