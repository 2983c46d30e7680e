//! What a reader must know before believing a report.

mod training;

use std::collections::BTreeSet;

use selffer_core::{job::StateKind, spec::Half};
use serde::Serialize;

use super::panel;
use crate::{
    results::{Flag, Metric, NetworkRow, TreatmentName},
    stats::Contrast,
};

/// One thing to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// For machines.
    pub code: WarningCode,
    /// For people: a sentence.
    pub message: String,
}

/// Kinds of warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WarningCode {
    /// Networks that have no result yet.
    NotFinished,
    /// Networks that will have no result.
    NotTrained,
    /// Networks whose loss never fell below that of a guess.
    StuckAtChance,
    /// Frozen layers that changed: a fault.
    CopiedLayersChanged,
    /// Too few tests for the metric that was asked for.
    FewTests,
    /// Base networks were still learning.
    Undertrained,
    /// One split: no interval over splits.
    OneSplit,
    /// One seed: run-to-run variation is unknown.
    OneSeed,
    /// Transfers in one direction only.
    OneDirection,
    /// Frozen transfers without the selffers that they are to be compared with.
    NoSelffer,
    /// Fine-tuned transfers and selffers target different halves.
    ConfoundedWithHalf,
    /// Networks of one figure were trained on different kinds of device.
    DevicesMixed,
}

/// Every warning that applies, in a fixed order.
pub(super) fn warnings(rows: &[NetworkRow], panel: &[&NetworkRow], metric: Metric) -> Vec<Warning> {
    let mut warnings = Vec::new();
    warnings.extend(unfinished(rows, metric));
    warnings.extend(flagged(rows, metric));
    warnings.extend(training::undertrained(panel, metric));
    warnings.extend(design(panel));
    warnings.extend(controls(panel, metric));
    warnings.extend(training::devices_mixed(panel));
    warnings
}

fn warn(code: WarningCode, message: String) -> Warning {
    Warning { code, message }
}

fn unfinished(rows: &[NetworkRow], metric: Metric) -> Vec<Warning> {
    let missing = |is_terminal: bool| -> Vec<&NetworkRow> {
        let is_missing = |row: &&NetworkRow| row.top1.is_none() && row.accuracy(metric).is_none();
        rows.iter().filter(is_missing).filter(|row| row.status.is_terminal() == is_terminal).collect()
    };
    let mut warnings = Vec::new();
    let running = missing(false);
    if !running.is_empty() {
        let message = format!("{} of {} networks have no result yet", running.len(), rows.len());
        warnings.push(warn(WarningCode::NotFinished, message));
    }
    let ended = missing(true);
    if !ended.is_empty() {
        let failed = ended.iter().filter(|row| row.status == StateKind::Failed).count();
        let message =
            format!("{} will have no result ({failed} failed): {}", counted(ended.len()), names(&ended));
        warnings.push(warn(WarningCode::NotTrained, message));
    }
    warnings
}

fn flagged(rows: &[NetworkRow], metric: Metric) -> Vec<Warning> {
    let all = [
        (Flag::StuckAtChance, WarningCode::StuckAtChance, "never learned anything"),
        (Flag::CopiedLayersChanged, WarningCode::CopiedLayersChanged, "changed layers that are frozen"),
        (Flag::FewTests, WarningCode::FewTests, "had too few tests for a mean of the ten best"),
    ];
    let applies = |flag: Flag| flag != Flag::FewTests || metric == Metric::Best10;
    all.into_iter()
        .filter(|(flag, ..)| applies(*flag))
        .filter_map(|(flag, code, what)| {
            let of_flag: Vec<_> = rows.iter().filter(|row| row.flags.contains(&flag)).collect();
            let message = format!("{} {what}: {}", counted(of_flag.len()), names(&of_flag));
            (!of_flag.is_empty()).then(|| warn(code, message))
        })
        .collect()
}

fn design(panel: &[&NetworkRow]) -> Vec<Warning> {
    let splits: BTreeSet<&str> = panel.iter().map(|row| row.split.as_str()).collect();
    let seeds: BTreeSet<u64> = panel.iter().map(|row| row.seed).collect();
    let mut warnings = Vec::new();
    if splits.len() == 1 && !splits.contains("whole") {
        let message = "one split: how much results vary from split to split is unknown, so there are no \
                       intervals over splits";
        warnings.push(warn(WarningCode::OneSplit, message.to_owned()));
    }
    if seeds.len() == 1 {
        let message = "one seed: how much results vary from run to run is unknown";
        warnings.push(warn(WarningCode::OneSeed, message.to_owned()));
    }
    warnings
}

fn controls(panel: &[&NetworkRow], metric: Metric) -> Vec<Warning> {
    use TreatmentName::{AnB, AnBPlus, BnB, BnBPlus};
    let mut warnings = Vec::new();
    for treatment in [AnB, AnBPlus] {
        let targets = targets(panel, &treatment);
        if let (1, Some(half)) = (targets.len(), targets.first()) {
            let message = format!("{treatment} in one direction only: every target is half {half}");
            warnings.push(warn(WarningCode::OneDirection, message));
        }
    }
    let selffers = panel::layers_of(panel, &BnB);
    let alone: Vec<_> = panel::layers_of(panel, &AnB).difference(&selffers).copied().collect();
    if !alone.is_empty() {
        let message = format!(
            "AnB without BnB at n = {alone:?}: lost co-adaptation and specificity cannot be told apart"
        );
        warnings.push(warn(WarningCode::NoSelffer, message));
    }
    let boost = Contrast { treated: AnBPlus, control: BnBPlus }.pair(panel, &(0..=u32::MAX), metric);
    let has_selffers = panel.iter().any(|row| row.treatment == BnBPlus);
    if boost.treated > 0 && has_selffers && boost.matched == 0 {
        let message = format!(
            "treatment is confounded with half: AnB+ targets {}, BnB+ targets {}; the record neither shows nor \
             excludes a boost of transfer over the selffer",
            listed(&targets(panel, &AnBPlus)),
            listed(&targets(panel, &BnBPlus)),
        );
        warnings.push(warn(WarningCode::ConfoundedWithHalf, message));
    }
    warnings
}

fn targets(panel: &[&NetworkRow], treatment: &TreatmentName) -> BTreeSet<Half> {
    panel.iter().filter(|row| row.treatment == *treatment).map(|row| row.target).collect()
}

fn listed(halves: &BTreeSet<Half>) -> String {
    halves.iter().map(|half| format!("half {half}")).collect::<Vec<_>>().join(" and ")
}

fn counted(networks: usize) -> String {
    format!("{networks} network{}", if networks == 1 { "" } else { "s" })
}

/// The first few names; a thousand are no help.
fn names(rows: &[&NetworkRow]) -> String {
    const SHOWN_MAX: usize = 8;
    let mut text = rows.iter().take(SHOWN_MAX).map(|row| row.name.as_str()).collect::<Vec<_>>().join(", ");
    if rows.len() > SHOWN_MAX {
        text.push_str(", …");
    }
    text
}
