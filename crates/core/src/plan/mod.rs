//! What a study would do, before it is submitted: the JSON `selffer.plan/v1`.
//!
//! What cannot be known is null, and a warning says why. Costs are of the networks that
//! are still to be trained; one that runs counts whole, because nobody knows here how far
//! it is. Times are simulated and promise nothing.

mod costs;
mod makespan;
mod speed;
#[cfg(test)]
mod tests;
mod warnings;

use std::{collections::BTreeMap, num::NonZeroU32};

use serde::Serialize;

pub use self::{
    costs::TreatmentCost,
    makespan::{Makespan, Work, simulate},
    speed::{K20M, MeasuredSpeed, Speed, UnknownDevice, choose},
};
use crate::{
    grid::{Cell, Study, Warning},
    ids::JobKey,
    job::StateKind,
    spec::{Half, ImagesPerClass, Origin},
};

/// Value of [`Plan::schema`].
pub const SCHEMA: &str = "selffer.plan/v1";

/// The devices that a plan counts with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fleet {
    /// How fast one of them is, if that is known.
    pub speed: Option<Speed>,
    /// How many there are, if that is known.
    pub devices: Option<NonZeroU32>,
}

/// A study's networks, what they cost, and which of them exist already.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The study's name.
    pub study: String,
    /// Networks in all.
    pub jobs: usize,
    /// Of those, how many exist and need not be started anew; null without a coordinator.
    pub reused: Option<usize>,
    /// Networks in each state, `new` for those that no coordinator has; null without one.
    pub by_status: Option<BTreeMap<&'static str, usize>>,
    /// Networks of each treatment, by the paper's names.
    pub by_treatment: BTreeMap<&'static str, usize>,
    /// What each treatment still costs.
    pub cost_by_treatment: BTreeMap<&'static str, TreatmentCost>,
    /// Floating-point operations of everything still to be trained.
    pub flops: f64,
    /// Time on one device of the fleet; null while no device's speed is known.
    pub gpu_hours: Option<f64>,
    /// Final weights of everything still to be trained, as stored: frozen layers once. While
    /// a job runs, its two newest intermediate checkpoints come on top.
    pub checkpoint_bytes: u64,
    /// Time on the whole fleet; null while no device's speed is known, or not how many there are.
    pub makespan_hours: Option<f64>,
    /// The longest chain of networks that wait for each other: no fleet is faster.
    pub critical_path_hours: Option<f64>,
    /// The device that the times are of; null while no device's speed is known.
    pub device: Option<PlannedDevice>,
    /// What the person should know.
    pub warnings: Vec<Warning>,
    /// The networks; a source stands before those copied from it.
    pub cells: Vec<PlannedCell>,
}

/// The device that a plan's times are of.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedDevice {
    /// As in results, or the built-in name.
    pub kind: String,
    /// How many of them; null if nobody said.
    pub devices: Option<NonZeroU32>,
    /// Jobs that its speed was measured on; null for the paper's.
    pub measured_jobs: Option<u64>,
    /// Operations a second; null for the paper's, whose speed depends on what is frozen.
    pub flops_per_s: Option<f64>,
}

/// One network of a plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedCell {
    /// Unique within the study.
    pub name: String,
    /// The split's name.
    pub split: String,
    /// The paper's name.
    pub treatment: &'static str,
    /// Layers copied; null for base.
    pub n: Option<u8>,
    /// Half that layers are copied from; null for base and RnB.
    pub source: Option<Half>,
    /// Half it is trained and tested on.
    pub target: Half,
    /// Replicate.
    pub seed: u64,
    /// Limit on the target's training images.
    pub images_per_class: ImagesPerClass,
    /// The job's key; null without the pack's digest.
    pub key: Option<JobKey>,
    /// Names of the networks it copies from: one or none.
    pub needs: Vec<String>,
    /// Operations of its training.
    pub flops: f64,
    /// Time of its training on one device; null while no device's speed is known.
    pub gpu_hours: Option<f64>,
    /// The job's state, or `new`; null without a coordinator.
    pub status: Option<&'static str>,
}

/// What a coordinator knows of a study's jobs; none when no coordinator was asked.
type Known<'a> = Option<&'a BTreeMap<JobKey, StateKind>>;

impl Plan {
    /// The plan of a study. `known` holds the states of those of its jobs that a
    /// coordinator has, and is none when no coordinator was asked.
    #[must_use]
    pub fn of(study: &Study, known: Option<&BTreeMap<JobKey, StateKind>>, fleet: &Fleet) -> Self {
        // Keys made without the pack's digest are nobody's.
        let known = known.filter(|_| study.pack.is_some());
        let seconds = costs::seconds(study, fleet.speed.as_ref());
        let costs = costs::of(study, known, &seconds);
        let makespan = costs::makespan(study, known, &seconds, fleet);
        Self {
            schema: SCHEMA,
            study: study.name.to_string(),
            jobs: study.cells.len(),
            reused: known.map(|known| {
                study.cells.iter().filter(|cell| known.get(&cell.key).copied().is_some_and(is_reused)).count()
            }),
            by_status: known.map(|known| {
                let mut counts = BTreeMap::new();
                for cell in &study.cells {
                    *counts.entry(status(cell, known)).or_default() += 1;
                }
                counts
            }),
            by_treatment: costs.by_treatment.iter().map(|(name, cost)| (*name, cost.networks)).collect(),
            flops: costs.flops,
            gpu_hours: costs.gpu_hours,
            checkpoint_bytes: costs.checkpoint_bytes,
            cost_by_treatment: costs.by_treatment,
            makespan_hours: makespan.hours,
            critical_path_hours: makespan.critical_path_hours,
            device: fleet.speed.as_ref().map(|speed| device(speed, fleet)),
            warnings: warnings::of(study, known, fleet),
            cells: study
                .cells
                .iter()
                .zip(&seconds)
                .map(|(cell, s)| planned(study, cell, known, *s))
                .collect(),
        }
    }
}

/// Whether a job in this state serves a submission as it is; all others are opened again.
fn is_reused(state: StateKind) -> bool {
    !matches!(state, StateKind::Failed | StateKind::Cancelled | StateKind::Held)
}

fn is_trained(cell: &Cell, known: Known<'_>) -> bool {
    known.and_then(|known| known.get(&cell.key)) == Some(&StateKind::Succeeded)
}

fn status(cell: &Cell, known: &BTreeMap<JobKey, StateKind>) -> &'static str {
    known.get(&cell.key).map_or("new", |state| state.as_str())
}

fn device(speed: &Speed, fleet: &Fleet) -> PlannedDevice {
    let measured = match speed {
        Speed::Measured(measured) => Some(measured),
        Speed::K20m => None,
    };
    PlannedDevice {
        kind: speed.device_kind().to_owned(),
        devices: fleet.devices,
        measured_jobs: measured.map(|measured| measured.jobs),
        flops_per_s: measured.map(|measured| measured.flops_per_s),
    }
}

fn planned(study: &Study, cell: &Cell, known: Known<'_>, seconds: Option<f64>) -> PlannedCell {
    let spec = &cell.spec;
    PlannedCell {
        name: cell.name.clone(),
        split: spec.split.clone(),
        treatment: cell.treatment_name,
        n: (spec.treatment.origin != Origin::None).then_some(spec.treatment.layers_copied),
        source: spec.source.as_ref().map(|source| source.classes.half),
        target: spec.target.half,
        seed: spec.seed,
        images_per_class: spec.images_per_class,
        key: cell.key_is_known.then_some(cell.key),
        needs: cell.source.iter().map(|source| study.cells[*source].name.clone()).collect(),
        flops: cell.flops,
        gpu_hours: seconds.map(costs::hours),
        status: known.map(|known| status(cell, known)),
    }
}
