//! The paper's Figure 3: how much is lost when tasks are similar, dissimilar, or the
//! features random.

use std::collections::BTreeSet;

use serde::{Serialize, Serializer};

use super::panel;
use crate::results::{Metric, NetworkRow, TreatmentName};

/// One panel at one n.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure3Point {
    /// The panel.
    pub panel: Panel3,
    /// Layers copied.
    pub n: u32,
    /// Percentage points: mean of the transfers (or random networks) minus mean of the
    /// base networks.
    pub points: f64,
}

/// A panel of Figure 3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Panel3 {
    /// Random splits: A and B are alike.
    Similar,
    /// A grouping, by its name: A and B differ, as man-made and natural things do.
    Grouping(String),
    /// Random features, on the whole set.
    Random,
}

impl Serialize for Panel3 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::Similar => "similar",
            Self::Grouping(name) => name,
            Self::Random => "random",
        })
    }
}

/// Every point that the study's networks give.
pub(super) fn figure3(rows: &[NetworkRow], metric: Metric) -> Vec<Figure3Point> {
    let is_grouping =
        |split: &str| !(split.starts_with("random-") || split.starts_with("similar-") || split == "whole");
    let groupings: BTreeSet<&str> =
        rows.iter().map(|row| row.split.as_str()).filter(|split| is_grouping(split)).collect();
    let mut points = drops(
        &Panel3::Similar,
        &select(rows, |split| split.starts_with("random-")),
        &TreatmentName::AnB,
        metric,
    );
    for grouping in groupings {
        let of_grouping = select(rows, |split| split == grouping);
        let panel = Panel3::Grouping(grouping.to_owned());
        points.extend(drops(&panel, &of_grouping, &TreatmentName::AnB, metric));
    }
    let whole = select(rows, |split| split == "whole");
    points.extend(drops(&Panel3::Random, &whole, &TreatmentName::RnB, metric));
    points
}

fn select(rows: &[NetworkRow], is_wanted: impl Fn(&str) -> bool) -> Vec<&NetworkRow> {
    panel::most_images(rows.iter().filter(|row| is_wanted(&row.split)).collect())
}

fn drops(
    panel: &Panel3,
    rows: &[&NetworkRow],
    treatment: &TreatmentName,
    metric: Metric,
) -> Vec<Figure3Point> {
    let Some(base) = panel::mean_accuracy(rows, &TreatmentName::Base, &(0..=0), metric) else {
        return Vec::new();
    };
    panel::layers_of(rows, treatment)
        .into_iter()
        .filter_map(|n| {
            let mean = panel::mean_accuracy(rows, treatment, &(n..=n), metric)?;
            Some(Figure3Point { panel: panel.clone(), n, points: 100.0 * (mean - base) })
        })
        .collect()
}
