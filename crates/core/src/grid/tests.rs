//! The grid module as a whole: what grids expand to, and here what all its tests need.

mod broken;
mod examples;
mod never_panics;
mod refused;
mod unions;

use std::collections::{BTreeMap, HashSet};

use super::{GridFiles, Study, expand, parse};
use crate::{ids::Digest, pack::PackFacts, spec::Half};

const DEMO: &str = include_str!("../../../../examples/grids/fashion-demo.yaml");
const HEAD: &str = "study: s\ndataset: fashion-mnist\nnetwork: caffenet-28-slim\n";
const RECIPE: &str = "recipe: {preset: quick-28}\n";

fn pack() -> PackFacts {
    let facts = PackFacts::well_known("fashion-mnist").unwrap();
    PackFacts { digest: Some(Digest([7; 32])), ..facts }
}

/// A pack of the same images with a grouping.
fn grouped_pack() -> PackFacts {
    let halves = [Half::A, Half::B].repeat(5);
    PackFacts { groupings: BTreeMap::from([("even-odd".to_owned(), halves)]), ..pack() }
}

fn study(axes: &str) -> Study {
    study_on(axes, &grouped_pack())
}

fn study_on(axes: &str, pack: &PackFacts) -> Study {
    let text = format!("{HEAD}{RECIPE}{axes}");
    let expanded = parse("grid.yaml", &text, &GridFiles::new()).and_then(|grid| expand(&grid, pack));
    expanded.unwrap_or_else(|errors| panic!("{}", errors.render(false)))
}

fn names(study: &Study) -> Vec<&str> {
    study.cells.iter().map(|cell| cell.name.as_str()).collect()
}

fn check_names(axes: &str, expected: &[&str]) {
    assert_eq!(names(&study(axes)), expected, "{axes}");
}

fn check_job_count(axes: &str, listed: usize) {
    let study = study(axes);
    assert_eq!(study.cells.iter().filter(|cell| !cell.added_as_source).count(), listed, "{axes}");
}

#[test]
fn the_demo_is_32_networks() {
    let study = expand(&parse("fashion-demo.yaml", DEMO, &GridFiles::new()).unwrap(), &pack()).unwrap();
    assert_eq!(study.cells.len(), 32);
    assert!(study.cells.iter().all(|cell| !cell.added_as_source));
    assert_eq!(study.warnings, []);
    insta::assert_snapshot!(names(&study).join("\n"));
}

#[test]
fn the_key_of_a_job_stays_what_it_is() {
    // A change here means that every network anybody has trained is trained again.
    let study = expand(&parse("fashion-demo.yaml", DEMO, &GridFiles::new()).unwrap(), &pack()).unwrap();
    let cell = study.cells.iter().find(|cell| cell.name == "random-0/A4B").unwrap();
    insta::assert_snapshot!(format!("{}\n{}", cell.key, crate::identity::canonical_json(&cell.spec)));
}

#[test]
fn expansion_is_the_product_of_its_axes() {
    check_job_count("split: random-0\ntreatment: [AnB, AnB+]\nn: 1..7\ndirection: AtoB", 14);
    check_job_count("split: [random-0, random-1, even-odd]\ntreatment: AnB\nn: 1..7", 42);
    check_job_count("split: random-0\ntreatment: [RnB, BnB]\nn: [1, 3..5]\nseed: 0..4", 80);
    check_job_count("split: random-0\ntreatment: base\nimages_per_class: [1, 5, all]", 6);
    check_job_count("split: whole\ntreatment: [base, RnB]\nn: 1..7\ndirection: [AtoB, BtoA]", 8);
}

#[test]
fn the_same_cell_from_two_places_is_one_cell() {
    check_job_count("split: [random-0, random-0]\ntreatment: [AnB, transfer]\nn: [1, 1..2]\nseed: [0, 0]", 4);
    check_job_count("split: random-0\ntreatment: base\nn: 1..7", 2);
}

#[test]
fn aliases_are_the_papers_treatments() {
    let long = "split: random-0\nn: 2\ntreatment: [base, selffer, selffer+, transfer, transfer+, random]";
    let short = "split: random-0\nn: 2\ntreatment: [RnB, AnB+, AnB, BnB+, BnB, base]";
    assert_eq!(study(long), study(short));
}

#[test]
fn a_source_that_is_not_listed_is_added_before_its_dependant() {
    let study = study("split: random-0\ntreatment: [base, AnB]\nn: 3\ndirection: AtoB");
    assert_eq!(names(&study), ["random-0/baseB", "random-0/baseA", "random-0/A3B"]);
    assert!(!study.cells[0].added_as_source);
    assert!(study.cells[1].added_as_source);
    assert_eq!(study.cells[2].source, Some(1));
    assert_eq!(study.warnings.iter().map(|warning| warning.code).collect::<Vec<_>>(), ["sources_added"]);
    assert_eq!(
        study.warnings[0].message,
        "1 base network was added because others copy from it: random-0/baseA"
    );
}

#[test]
fn limits_on_images_hold_for_the_target_and_for_the_source_of_a_selffer() {
    check_names(
        "split: random-0\ntreatment: [BnB, AnB]\nn: 1\ndirection: AtoB\nimages_per_class: 25",
        &["random-0/baseB@k=25", "random-0/B1B@k=25", "random-0/baseA", "random-0/A1B@k=25"],
    );
    check_names(
        "split: random-0\ntreatment: AnB\nn: 1\ndirection: AtoB\nsource_images_per_class: 50",
        &["random-0/baseA@k=50", "random-0/A1B"],
    );
}

#[test]
fn a_fixed_source_seed_serves_every_replicate() {
    check_names(
        "split: random-0\ntreatment: AnB\nn: 1\ndirection: AtoB\nseed: [1, 2]",
        &["random-0/baseA#seed=1", "random-0/A1B#seed=1", "random-0/baseA#seed=2", "random-0/A1B#seed=2"],
    );
    check_names(
        "split: random-0\ntreatment: AnB\nn: 1\ndirection: AtoB\nseed: [1, 2]\nsource_seed: 0",
        &["random-0/baseA", "random-0/A1B#seed=1", "random-0/A1B#seed=2"],
    );
}

#[test]
fn exclude_drops_what_matches_on_every_named_axis() {
    let axes = "split: [random-0, random-1]\ntreatment: [base, BnB+]\nn: 1..2\ndirection: BtoA\n";
    check_names(
        &format!("{axes}exclude: [{{treatment: BnB+, split: random-1, n: [1, 3]}}]"),
        &["random-0/baseA", "random-0/A1A+", "random-0/A2A+", "random-1/baseA", "random-1/A2A+"],
    );
    check_names(&format!("{axes}exclude: [{{n: 1..7}}, {{split: random-1}}]"), &["random-0/baseA"]);
    check_names(
        "split: [random-0, whole]\ntreatment: [base, AnB]\nn: 1\ndirection: AtoB\n\
         exclude: {split: whole, treatment: AnB}",
        &["random-0/baseB", "random-0/baseA", "random-0/A1B", "whole/base"],
    );
    let unused = study(&format!("{axes}exclude: [{{n: 7}}]"));
    assert_eq!(unused.warnings[0].message, "exclude[0] drops no cell");
}

#[test]
fn names_and_keys_are_unique_and_sources_stand_first() {
    let study = study(
        "split: [random-0, even-odd, similar-even-odd-1]\ntreatment: [AnB, AnB+, BnB, BnB+, RnB, base]\n\
         n: 1..7\nseed: [3, 0]\nimages_per_class: [all, 10]\nsource_images_per_class: 5",
    );
    let unique_names: HashSet<_> = study.cells.iter().map(|cell| &cell.name).collect();
    let unique_keys: HashSet<_> = study.cells.iter().map(|cell| cell.key).collect();
    assert_eq!((unique_names.len(), unique_keys.len()), (study.cells.len(), study.cells.len()));
    for (index, cell) in study.cells.iter().enumerate() {
        assert_eq!(cell.key, crate::identity::job_key(&cell.spec), "{}", cell.name);
        assert!(cell.source.is_none_or(|source| source < index), "{}", cell.name);
        let source_key = cell.source.map(|source| study.cells[source].key);
        assert_eq!(source_key, cell.spec.source.as_ref().map(|source| source.job), "{}", cell.name);
    }
}

#[test]
fn a_base_network_is_the_same_whoever_gives_the_mean_image() {
    let with = |recipe: &str| {
        let text = format!("{HEAD}recipe: {recipe}\nsplit: random-0\ntreatment: [base, AnB]\nn: 1\n");
        expand(&parse("grid.yaml", &text, &GridFiles::new()).unwrap(), &pack()).unwrap()
    };
    let (target, source) = (with("{preset: quick-28}"), with("{preset: quick-28, mean_image: source}"));
    assert_eq!(target.cells[0].key, source.cells[0].key);
    assert_ne!(target.cells[2].key, source.cells[2].key);
}

#[test]
fn recipe_keys_override_the_preset() {
    let recipe = "{preset: quick-28, iterations: 10, drops: [{at: 0.5, factor: 0.5}], outputs: 1000, \
                  crop: none, mirror: true, test_images: 50, precision: bf16, learning_rate: 1e-2}";
    let text = format!("{HEAD}recipe: {recipe}\nsplit: random-0\ntreatment: base\n");
    let study = expand(&parse("grid.yaml", &text, &GridFiles::new()).unwrap(), &pack()).unwrap();
    insta::assert_snapshot!(crate::identity::canonical_json(&study.cells[0].spec.recipe));
}
