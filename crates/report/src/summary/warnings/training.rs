//! Warnings about how networks were trained.

use std::collections::{BTreeMap, BTreeSet};

use super::{Warning, WarningCode, warn};
use crate::{
    results::{Metric, NetworkRow, TreatmentName},
    stats::{Contrast, mean},
};

// Base networks that gain more than this in their last quarter have not converged.
const GAIN_LAST_QUARTER_MAX: f64 = 0.5;

/// Base networks were still learning: gains over base then contain longer training.
///
/// Told by their curves, or by selffers at the largest n that differ from their own base
/// by more than twice the deviation from run to run.
pub(super) fn undertrained(panel: &[&NetworkRow], metric: Metric) -> Option<Warning> {
    let bases = || panel.iter().filter(|row| row.treatment == TreatmentName::Base);
    let gain = mean(bases().filter_map(|row| row.gain_last_quarter));
    if let Some(gain) = gain.filter(|gain| *gain > GAIN_LAST_QUARTER_MAX) {
        let message = format!(
            "undertrained: base networks still gained {gain:.1} points in the last quarter; gains over base \
             contain longer training"
        );
        return Some(warn(WarningCode::Undertrained, message));
    }
    let n = super::panel::layers_of(panel, &TreatmentName::BnB).last().copied()?;
    let differences = Contrast::own_base(TreatmentName::BnB).pair(panel, &(n..=n), metric).differences;
    let gain = mean(differences.iter().map(|difference| difference.points))?;
    let deviation = deviation_between_runs(bases().copied(), metric)?;
    (gain.abs() > 2.0 * deviation).then(|| {
        let message = format!(
            "undertrained: B{n}B differs from its own base by {gain:+.1} points, and runs of one base by \
             {deviation:.1}; gains over base contain longer training"
        );
        warn(WarningCode::Undertrained, message)
    })
}

/// Standard deviation over seeds, pooled over splits and halves, in points; none with
/// fewer than two degrees of freedom.
fn deviation_between_runs<'a>(bases: impl Iterator<Item = &'a NetworkRow>, metric: Metric) -> Option<f64> {
    let mut runs: BTreeMap<_, Vec<f64>> = BTreeMap::new();
    for row in bases {
        if let Some(accuracy) = row.accuracy(metric) {
            runs.entry((&row.split, row.target)).or_default().push(100.0 * accuracy);
        }
    }
    let (mut squares, mut freedom) = (0.0, 0);
    for accuracies in runs.values() {
        let mean = mean(accuracies.iter().copied())?;
        squares += accuracies.iter().map(|accuracy| (accuracy - mean).powi(2)).sum::<f64>();
        freedom += accuracies.len() - 1;
    }
    (freedom >= 2).then(|| (squares / freedom as f64).sqrt())
}

/// Different kinds of device give different networks; comparisons should not mix them.
pub(super) fn devices_mixed(panel: &[&NetworkRow]) -> Option<Warning> {
    let kinds: BTreeSet<&str> = panel.iter().filter_map(|row| row.device_kind.as_deref()).collect();
    (kinds.len() > 1).then(|| {
        let kinds = kinds.into_iter().collect::<Vec<_>>().join(", ");
        let message = format!("networks were trained on different kinds of device: {kinds}");
        warn(WarningCode::DevicesMixed, message)
    })
}
