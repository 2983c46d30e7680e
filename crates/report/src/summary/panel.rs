//! Which networks are compared in one figure.

use std::{collections::BTreeSet, ops::RangeInclusive};

use crate::{
    results::{Metric, NetworkRow, TreatmentName},
    stats::mean,
};

/// The networks of Figure 2: those of the random splits, else of all splits into halves,
/// else of the whole set; of these, those trained on the most images a class.
pub(super) fn main_panel(rows: &[NetworkRow]) -> Vec<&NetworkRow> {
    let is_random = |row: &&NetworkRow| row.split.starts_with("random-");
    let is_halved = |row: &&NetworkRow| row.split != "whole";
    let of_splits: Vec<&NetworkRow> = if rows.iter().any(|row| is_random(&row)) {
        rows.iter().filter(is_random).collect()
    } else if rows.iter().any(|row| is_halved(&row)) {
        rows.iter().filter(is_halved).collect()
    } else {
        rows.iter().collect()
    };
    most_images(of_splits)
}

/// Of these, those with the largest limit on images a class; none is the largest.
pub(super) fn most_images(rows: Vec<&NetworkRow>) -> Vec<&NetworkRow> {
    let limit = |row: &NetworkRow| row.images_per_class.unwrap_or(u32::MAX);
    let most = rows.iter().map(|row| limit(row)).max();
    rows.into_iter().filter(|row| Some(limit(row)) == most).collect()
}

/// Every n at which this treatment occurs, increasing.
pub(super) fn layers_of(rows: &[&NetworkRow], treatment: &TreatmentName) -> BTreeSet<u32> {
    rows.iter().filter(|row| row.treatment == *treatment).map(|row| row.n).collect()
}

/// Plain mean accuracy of the trained networks of a treatment, each with weight 1.
pub(super) fn mean_accuracy(
    rows: &[&NetworkRow],
    treatment: &TreatmentName,
    layers: &RangeInclusive<u32>,
    metric: Metric,
) -> Option<f64> {
    let of_range = rows.iter().filter(|row| row.treatment == *treatment && layers.contains(&row.n));
    mean(of_range.filter_map(|row| row.accuracy(metric)))
}
