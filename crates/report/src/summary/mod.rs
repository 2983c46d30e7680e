//! The summary: everything that a study's rows support, as `selffer.report/v1`.
//!
//! Figure 2 and Table 1 are about the random splits; groupings and the whole set have
//! their panels in Figure 3. A study without random splits is summarised over what it has.

mod effects;
mod figure3;
mod panel;
mod table1;
mod warnings;

use serde::Serialize;

pub use effects::{Effect, EffectRow};
pub use figure3::{Figure3Point, Panel3};
pub use table1::Table1Row;
pub use warnings::{Warning, WarningCode};

use crate::{
    results::{Metric, NetworkRow, StudyFacts, TreatmentName},
    stats::{Contrast, Estimate, Reason, mean},
};

/// Value of [`Summary::schema`].
pub const SCHEMA: &str = "selffer.report/v1";

/// A study's answer. Serialises to what `jobctl report -o json` prints.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// Which accuracy it is computed from.
    pub metric: Metric,
    /// Plain mean of the base networks of Figure 2.
    pub base_mean: Option<f64>,
    /// Every network, in the study's order.
    pub networks: Vec<NetworkRow>,
    /// Means for each treatment and n.
    pub figure2: Vec<Figure2Row>,
    /// What the treatments do, for each n.
    pub effects: Vec<EffectRow>,
    /// The paper's Table 1, as printed and paired.
    pub table1: Vec<Table1Row>,
    /// The paper's Figure 3.
    pub figure3: Vec<Figure3Point>,
    /// What a reader must know before believing any of it.
    pub warnings: Vec<Warning>,
}

/// One treatment at one n.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure2Row {
    /// The treatment.
    pub treatment: TreatmentName,
    /// Layers copied.
    pub n: u32,
    /// Trained networks.
    pub networks: usize,
    /// Networks of the study, trained or not.
    #[serde(skip)]
    pub networks_planned: usize,
    /// Their mean accuracy.
    pub mean: Option<f64>,
    /// Percentage points over the mean of all base networks, as the paper draws it.
    pub minus_base_mean: Option<f64>,
    /// Percentage points over the base network of the same half.
    pub minus_own_base: Estimate,
}

impl Summary {
    /// Summarises a study.
    #[must_use]
    pub fn of(facts: &StudyFacts, networks: Vec<NetworkRow>) -> Self {
        let metric = facts.metric;
        let panel = panel::main_panel(&networks);
        let base_mean = panel::mean_accuracy(&panel, &TreatmentName::Base, &(0..=0), metric);
        let figure2 = figure2(&panel, base_mean, metric);
        let effects = effects::effects(&panel, metric);
        let table1 = table1::table1(&panel, base_mean, metric);
        let figure3 = figure3::figure3(&networks, metric);
        let warnings = warnings::warnings(&networks, &panel, metric);
        Self { schema: SCHEMA, metric, base_mean, figure2, effects, table1, figure3, warnings, networks }
    }

    /// The networks that Figure 2 shows.
    #[must_use]
    pub fn figure2_networks(&self) -> Vec<&NetworkRow> {
        panel::main_panel(&self.networks)
    }
}

fn figure2(panel: &[&NetworkRow], base_mean: Option<f64>, metric: Metric) -> Vec<Figure2Row> {
    let mut rows = Vec::new();
    for treatment in TreatmentName::ALL {
        for n in panel::layers_of(panel, &treatment) {
            let of_cell = |row: &&&NetworkRow| row.treatment == treatment && row.n == n;
            let accuracies: Vec<_> =
                panel.iter().filter(of_cell).filter_map(|row| row.accuracy(metric)).collect();
            let mean = mean(accuracies.iter().copied());
            let minus_own_base = match treatment {
                TreatmentName::Base => Estimate::none(Reason::IsBase),
                _ => Contrast::own_base(treatment.clone()).pair(panel, &(n..=n), metric).estimate(),
            };
            rows.push(Figure2Row {
                treatment: treatment.clone(),
                n,
                networks: accuracies.len(),
                networks_planned: panel.iter().filter(of_cell).count(),
                mean,
                minus_base_mean: mean.zip(base_mean).map(|(mean, base)| 100.0 * (mean - base)),
                minus_own_base,
            });
        }
    }
    rows
}
