//! What a plan's networks cost: operations, bytes, hours of one device and of the fleet.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Fleet, Known, Speed, Work, is_trained, simulate};
use crate::{
    cost,
    grid::{Cell, Study},
    recipe::Initialiser,
    spec::{Half, Origin},
};

/// What the networks of one treatment still cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct TreatmentCost {
    /// Networks of this treatment.
    pub networks: usize,
    /// Of those, how many are still to be trained.
    pub to_train: usize,
    /// Operations of those.
    pub flops: f64,
    /// Time of those on one device; null while no device's speed is known.
    pub gpu_hours: Option<f64>,
}

/// What everything that is still to be trained costs.
#[derive(Debug, Default)]
pub(super) struct Costs {
    pub(super) flops: f64,
    pub(super) gpu_hours: Option<f64>,
    pub(super) checkpoint_bytes: u64,
    pub(super) by_treatment: BTreeMap<&'static str, TreatmentCost>,
}

/// The fleet's time, in hours.
#[derive(Debug, Default)]
pub(super) struct FleetTime {
    pub(super) hours: Option<f64>,
    pub(super) critical_path_hours: Option<f64>,
}

pub(super) fn hours(seconds: f64) -> f64 {
    seconds / 3_600.0
}

/// Seconds of each network on one device; none while no speed is known.
pub(super) fn seconds(study: &Study, speed: Option<&Speed>) -> Vec<Option<f64>> {
    let seconds = |cell: &Cell| speed.map(|speed| speed.seconds(&cell.spec, cell.flops));
    study.cells.iter().map(seconds).collect()
}

/// Sums over the networks that are still to be trained.
pub(super) fn of(study: &Study, known: Known<'_>, seconds: &[Option<f64>]) -> Costs {
    let is_speed_known = seconds.first().is_some_and(Option::is_some);
    let zero_if_known = is_speed_known.then_some(0.0);
    let mut costs = Costs { gpu_hours: zero_if_known, ..Costs::default() };
    for (cell, seconds) in study.cells.iter().zip(seconds) {
        let empty = TreatmentCost { gpu_hours: zero_if_known, ..TreatmentCost::default() };
        let treatment = costs.by_treatment.entry(cell.treatment_name).or_insert(empty);
        treatment.networks += 1;
        if is_trained(cell, known) {
            continue;
        }
        treatment.to_train += 1;
        treatment.flops += cell.flops;
        add(&mut treatment.gpu_hours, *seconds);
        costs.flops += cell.flops;
        add(&mut costs.gpu_hours, *seconds);
        costs.checkpoint_bytes += cost::checkpoint_bytes(&cell.spec);
    }
    costs.checkpoint_bytes += random_layers_bytes(study, known);
    costs
}

fn add(sum: &mut Option<f64>, seconds: Option<f64>) {
    if let (Some(sum), Some(seconds)) = (sum, seconds) {
        *sum += hours(seconds);
    }
}

/// The draws that random networks freeze their layers from: one for each half and seed,
/// stored as deep as the deepest of them needs.
fn random_layers_bytes(study: &Study, known: Known<'_>) -> u64 {
    type Draw<'a> = (&'a str, Half, u64, bool);
    let mut deepest: BTreeMap<Draw<'_>, [u64; 2]> = BTreeMap::new();
    for cell in study.cells.iter().filter(|cell| cell.spec.treatment.origin == Origin::Random) {
        let spec = &cell.spec;
        let is_he = spec.recipe.initialiser == Initialiser::He;
        let draw = (spec.split.as_str(), spec.target.half, spec.seed, is_he);
        let bytes = &mut deepest.entry(draw).or_default()[usize::from(is_trained(cell, known))];
        *bytes = (*bytes).max(cost::frozen_bytes(spec));
    }
    deepest.values().map(|[wanted, there]| wanted.saturating_sub(*there)).sum()
}

/// What the fleet needs, where speed and size are known.
pub(super) fn makespan(study: &Study, known: Known<'_>, seconds: &[Option<f64>], fleet: &Fleet) -> FleetTime {
    if fleet.speed.is_none() {
        return FleetTime::default();
    }
    let mut works = Vec::new();
    let mut place = vec![None; study.cells.len()];
    for (index, (cell, seconds)) in study.cells.iter().zip(seconds).enumerate() {
        if !is_trained(cell, known) {
            place[index] = Some(works.len());
            let micros = (seconds.unwrap_or(0.0) * 1e6).round() as u64;
            works.push(Work { micros, source: cell.source.and_then(|source| place[source]) });
        }
    }
    // The critical path is that of any fleet.
    let simulated = simulate(&works, fleet.devices.unwrap_or(std::num::NonZeroU32::MIN));
    let hours = |micros: u64| hours(micros as f64 / 1e6);
    FleetTime {
        hours: fleet.devices.map(|_| hours(simulated.micros)),
        critical_path_hours: Some(hours(simulated.critical_path_micros)),
    }
}
