//! Plans: what is counted, what it costs, how long a fleet takes, and what nobody can know.

use std::{collections::BTreeMap, num::NonZeroU32};

use super::*;
use crate::{grid, ids::Digest, pack::PackFacts};

fn expanded(axes: &str, digest: Option<Digest>) -> Study {
    let text = format!(
        "study: s\ndataset: fashion-mnist\nnetwork: caffenet-28-slim\nrecipe: {{preset: quick-28}}\n\
         split: random-0\n{axes}"
    );
    let pack = PackFacts { digest, ..PackFacts::well_known("fashion-mnist").unwrap() };
    grid::expand(&grid::parse("grid.yaml", &text, &grid::GridFiles::new()).unwrap(), &pack).unwrap()
}

fn study(digest: Option<Digest>) -> Study {
    expanded("treatment: AnB\nn: 3\ndirection: AtoB\n", digest)
}

/// A device that does a trillion operations a second.
fn measured() -> Speed {
    Speed::Measured(MeasuredSpeed {
        device_kind: "cpu x86-64-v4".to_owned(),
        network: "caffenet-28-slim".to_owned(),
        jobs: 12,
        flops_per_s: 1e12,
    })
}

fn fleet(speed: Speed, devices: u32) -> Fleet {
    Fleet { speed: Some(speed), devices: NonZeroU32::new(devices) }
}

fn codes(plan: &Plan) -> Vec<&'static str> {
    plan.warnings.iter().map(|warning| warning.code).collect()
}

#[test]
fn a_plan_without_pack_and_coordinator_has_nulls_and_says_why() {
    let plan = Plan::of(&study(None), None, &Fleet::default());
    insta::assert_snapshot!(serde_json::to_string_pretty(&plan).unwrap());
}

#[test]
fn a_plan_counts_what_exists_and_costs_what_does_not() {
    let study = study(Some(Digest([7; 32])));
    let [base, transfer] = study.cells.as_slice() else { panic!("{:?}", study.cells) };
    let known = BTreeMap::from([(base.key, StateKind::Succeeded), (transfer.key, StateKind::Failed)]);

    let plan = Plan::of(&study, Some(&known), &fleet(measured(), 2));

    assert_eq!((plan.jobs, plan.reused), (2, Some(1)));
    assert_eq!(plan.by_status, Some(BTreeMap::from([("succeeded", 1), ("failed", 1)])));
    assert_eq!(plan.flops, transfer.flops);
    assert_eq!(plan.gpu_hours, Some(transfer.flops / 1e12 / 3_600.0));
    let base_cost = plan.cost_by_treatment["base"];
    assert_eq!((base_cost.networks, base_cost.to_train, base_cost.gpu_hours), (1, 0, Some(0.0)));
    let statuses: Vec<_> = plan.cells.iter().map(|cell| cell.status).collect();
    assert_eq!(statuses, [Some("succeeded"), Some("failed")]);
    assert_eq!(plan.cells[1].key, Some(transfer.key));
    assert!(codes(&plan).contains(&"reopened"));
}

#[test]
fn a_job_that_no_coordinator_has_is_new() {
    let plan = Plan::of(&study(Some(Digest([7; 32]))), Some(&BTreeMap::new()), &Fleet::default());
    assert_eq!(plan.reused, Some(0));
    assert!(plan.cells.iter().all(|cell| cell.status == Some("new")));
}

#[test]
fn a_fleet_is_as_fast_as_its_sources_let_it_be() {
    let study = expanded("treatment: [base, AnB]\nn: 1..7\n", None);
    let hours = |devices| Plan::of(&study, None, &fleet(measured(), devices));

    let one = hours(1);
    assert!((one.makespan_hours.unwrap() - one.gpu_hours.unwrap()).abs() < 1e-6);
    let many = hours(100);
    assert_eq!(many.makespan_hours, many.critical_path_hours);
    let four = hours(4).makespan_hours.unwrap();
    assert!(four < one.makespan_hours.unwrap() / 3.0 && four > many.makespan_hours.unwrap());
    assert!(!codes(&many).iter().any(|code| ["device_unknown", "fleet_unknown"].contains(code)));
}

#[test]
fn without_the_number_of_devices_only_their_time_is_known() {
    let unsized_fleet = Fleet { speed: Some(measured()), devices: None };
    let plan = Plan::of(&study(None), None, &unsized_fleet);
    assert!(plan.gpu_hours.is_some() && plan.critical_path_hours.is_some());
    assert_eq!(plan.makespan_hours, None);
    assert!(codes(&plan).contains(&"fleet_unknown"));
}

#[test]
fn times_of_a_network_that_nobody_timed_are_estimates() {
    let plan = Plan::of(&study(None), None, &fleet(Speed::K20m, 8));
    assert!(codes(&plan).contains(&"speed_estimated"), "{:?}", plan.warnings);
    assert!(plan.gpu_hours.unwrap() > 0.0);
    let plan = Plan::of(&study(None), None, &fleet(measured(), 8));
    assert!(!codes(&plan).contains(&"speed_estimated"), "{:?}", plan.warnings);
}

#[test]
fn random_networks_share_the_layers_that_they_freeze() {
    let bytes = |n: &str| {
        let study = expanded(&format!("treatment: RnB\nn: {n}\ndirection: AtoB\n"), None);
        Plan::of(&study, None, &Fleet::default()).checkpoint_bytes
    };
    let conv1 = 4 * (16 * 25 + 16);
    let whole = bytes("1");
    assert_eq!(bytes("2"), whole);
    assert_eq!(bytes("[1, 2]"), whole + whole - conv1);
}

#[test]
fn a_large_study_is_planned_within_moments() {
    let seeds: Vec<String> = (0..400).map(|seed| seed.to_string()).collect();
    let axes =
        format!("treatment: [base, BnB, BnB+, AnB, AnB+, RnB]\nn: 1..7\nseed: [{}]\n", seeds.join(", "));
    let study = expanded(&axes, None);
    let plan = Plan::of(&study, None, &fleet(measured(), 64));
    assert_eq!(plan.jobs, 400 * 72);
    assert!(plan.makespan_hours >= plan.critical_path_hours);
}
