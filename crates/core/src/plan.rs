//! What a study would do, before it is submitted: the JSON `selffer.plan/v1`.
//!
//! What cannot be known is null, and a warning says why. Costs are of the networks that
//! are still to be trained.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    cost,
    grid::{Cell, Study, Warning},
    ids::JobKey,
    job::StateKind,
    spec::{Half, ImagesPerClass, Origin},
};

/// Value of [`Plan::schema`].
pub const SCHEMA: &str = "selffer.plan/v1";

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
    /// Networks of each treatment, by the paper's names.
    pub by_treatment: BTreeMap<&'static str, usize>,
    /// Floating-point operations of everything still to be trained.
    pub flops: f64,
    /// Time on one device of the fleet; null while no device's speed is known.
    pub gpu_hours: Option<f64>,
    /// Final weights of everything still to be trained, as stored.
    pub checkpoint_bytes: u64,
    /// Time on the whole fleet; null while no device's speed is known.
    pub makespan_hours: Option<f64>,
    /// What the person should know.
    pub warnings: Vec<Warning>,
    /// The networks; a source stands before those copied from it.
    pub cells: Vec<PlannedCell>,
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
    /// The job's state, or `new`; null without a coordinator.
    pub status: Option<&'static str>,
}

impl Plan {
    /// The plan of a study. `known` holds the states of those of its jobs that a
    /// coordinator has, and is none when no coordinator was asked.
    #[must_use]
    pub fn of(study: &Study, known: Option<&BTreeMap<JobKey, StateKind>>) -> Self {
        // Keys made without the pack's digest are nobody's.
        let known = known.filter(|_| study.pack.is_some());
        let state_of = |cell: &Cell| known.and_then(|known| known.get(&cell.key).copied());
        let untrained = || study.cells.iter().filter(|cell| state_of(cell) != Some(StateKind::Succeeded));
        let mut by_treatment = BTreeMap::new();
        for cell in &study.cells {
            *by_treatment.entry(cell.treatment_name).or_default() += 1;
        }
        Self {
            schema: SCHEMA,
            study: study.name.to_string(),
            jobs: study.cells.len(),
            reused: known
                .map(|_| study.cells.iter().filter(|cell| state_of(cell).is_some_and(is_reused)).count()),
            by_treatment,
            // An empty sum would be minus zero.
            flops: untrained().map(|cell| cell.flops).fold(0.0, |sum, flops| sum + flops),
            gpu_hours: None,
            checkpoint_bytes: untrained().map(|cell| cost::checkpoint_bytes(&cell.spec)).sum(),
            makespan_hours: None,
            warnings: warnings(study, known),
            cells: study.cells.iter().map(|cell| planned(study, cell, known)).collect(),
        }
    }
}

/// Whether a job in this state serves a new study as it is.
fn is_reused(state: StateKind) -> bool {
    !matches!(state, StateKind::Failed | StateKind::Cancelled)
}

fn planned(study: &Study, cell: &Cell, known: Option<&BTreeMap<JobKey, StateKind>>) -> PlannedCell {
    let spec = &cell.spec;
    let state = known.map(|known| known.get(&cell.key).map_or("new", |state| state.as_str()));
    PlannedCell {
        name: cell.name.clone(),
        split: spec.split.clone(),
        treatment: cell.treatment_name,
        n: (spec.treatment.origin != Origin::None).then_some(spec.treatment.layers_copied),
        source: spec.source.as_ref().map(|source| source.classes.half),
        target: spec.target.half,
        seed: spec.seed,
        images_per_class: spec.images_per_class,
        key: study.pack.map(|_| cell.key),
        needs: cell.source.iter().map(|source| study.cells[*source].name.clone()).collect(),
        flops: cell.flops,
        status: state,
    }
}

fn warnings(study: &Study, known: Option<&BTreeMap<JobKey, StateKind>>) -> Vec<Warning> {
    let mut warnings = study.warnings.clone();
    let mut warn = |code, message: String| warnings.push(Warning { code, message });
    let dataset = &study.dataset;
    match known {
        None if study.pack.is_none() => warn(
            "pack_unknown",
            format!("keys and statuses are null: the digest of {dataset} is known only where the pack is"),
        ),
        None => warn("coordinator_unknown", "statuses are null: no coordinator was asked".to_owned()),
        Some(known) => {
            let state_of = |cell: &Cell| known.get(&cell.key).copied();
            let reopened =
                study.cells.iter().filter(|cell| state_of(cell).is_some_and(|state| !is_reused(state)));
            match reopened.count() {
                0 => {}
                jobs => warn("reopened", format!("{jobs} failed or cancelled jobs will be started again")),
            }
        }
    }
    let unmeasured = "gpu_hours and makespan_hours are null: no device has been measured".to_owned();
    warn("device_unknown", unmeasured);
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{grid, ids::Digest, pack::PackFacts};

    fn study(digest: Option<Digest>) -> Study {
        let text = "study: s\ndataset: fashion-mnist\nnetwork: caffenet-28-slim\nrecipe: {preset: quick-28}\n\
                    split: random-0\ntreatment: AnB\nn: 3\ndirection: AtoB\n";
        let pack = PackFacts { digest, ..PackFacts::well_known("fashion-mnist").unwrap() };
        grid::expand(&grid::parse("grid.yaml", text).unwrap(), &pack).unwrap()
    }

    #[test]
    fn a_plan_without_pack_and_coordinator_has_nulls_and_says_why() {
        let plan = Plan::of(&study(None), None);
        insta::assert_snapshot!(serde_json::to_string_pretty(&plan).unwrap());
    }

    #[test]
    fn a_plan_counts_what_exists_and_costs_what_does_not() {
        let study = study(Some(Digest([7; 32])));
        let [base, transfer] = study.cells.as_slice() else { panic!("{:?}", study.cells) };
        let known = BTreeMap::from([(base.key, StateKind::Succeeded), (transfer.key, StateKind::Failed)]);

        let plan = Plan::of(&study, Some(&known));

        assert_eq!((plan.jobs, plan.reused), (2, Some(1)));
        assert_eq!(plan.flops, transfer.flops);
        let statuses: Vec<_> = plan.cells.iter().map(|cell| cell.status).collect();
        assert_eq!(statuses, [Some("succeeded"), Some("failed")]);
        assert_eq!(plan.cells[1].key, Some(transfer.key));
        assert!(plan.warnings.iter().any(|warning| warning.code == "reopened"));
    }

    #[test]
    fn a_job_that_no_coordinator_has_is_new() {
        let plan = Plan::of(&study(Some(Digest([7; 32]))), Some(&BTreeMap::new()));
        assert_eq!(plan.reused, Some(0));
        assert!(plan.cells.iter().all(|cell| cell.status == Some("new")));
    }
}
