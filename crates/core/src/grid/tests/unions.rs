//! `grids`, long forms, labels, imported weights and network files: what they expand to.

use std::collections::BTreeMap;

use super::{HEAD, RECIPE, check_names, names, pack, study};
use crate::{
    grid::{GridFiles, Known, Study, expand, files_named, parse},
    ids::Digest,
    network::Network,
    spec::{Imported, Origin},
    weights::{WeightsFacts, layer_facts},
};

const ONE_WAY: &str = "split: random-0\ndirection: AtoB\n";

fn union(axes: &str, expected: &[&str]) {
    check_names(&format!("{ONE_WAY}{axes}"), expected);
}

#[test]
fn entries_inherit_the_top_level_and_override_it() {
    union(
        "n: [1, 2]\ntreatment: RnB\ngrids:\n- {}\n- {n: 3}\n- {treatment: base, seed: 1}\n",
        &["random-0/R1B", "random-0/R2B", "random-0/R3B", "random-0/baseB#seed=1"],
    );
}

#[test]
fn what_two_entries_list_is_one_network() {
    union(
        "grids:\n- {treatment: [base, RnB], n: [1, 2]}\n- {treatment: RnB, n: 2..3}\n",
        &["random-0/baseB", "random-0/R1B", "random-0/R2B", "random-0/R3B"],
    );
}

#[test]
fn a_source_of_one_entry_that_a_later_one_lists_was_not_added() {
    let study = study(&format!(
        "{ONE_WAY}grids:\n- {{treatment: AnB, n: 1}}\n- {{treatment: base, direction: BtoA}}\n"
    ));
    assert_eq!(names(&study), ["random-0/baseA", "random-0/A1B"]);
    assert!(study.cells.iter().all(|cell| !cell.added_as_source));
}

#[test]
fn an_entrys_recipe_replaces_with_a_preset_and_changes_single_keys_without() {
    let recipes = |entry: &str| {
        let text = format!(
            "{HEAD}recipe: {{preset: quick-28, batch: 32}}\n{ONE_WAY}treatment: base\n\
             grids: [{{recipe: {entry}}}]\n"
        );
        let study = expand(&parse("g", &text, &GridFiles::new()).unwrap(), &pack()).unwrap();
        (study.cells[0].spec.recipe.batch, study.cells[0].spec.recipe.iterations)
    };
    assert_eq!(recipes("{iterations: 5}"), (32, 5));
    assert_eq!(recipes("{preset: quick-28, iterations: 5}"), (64, 5));
    assert_eq!(recipes("{}"), (32, 800));
}

#[test]
fn an_entrys_exclude_replaces_that_of_the_top_level() {
    union(
        "treatment: RnB\nn: 1..3\nexclude: {n: 1}\ngrids:\n- {}\n- {seed: 1, exclude: {n: [2, 3]}}\n",
        &["random-0/R2B", "random-0/R3B", "random-0/R1B#seed=1"],
    );
}

#[test]
fn exclusions_that_every_entry_inherits_are_unused_only_if_none_uses_them() {
    let warnings = |axes: &str| -> Vec<String> {
        let study = study(&format!("{ONE_WAY}{axes}"));
        study.warnings.into_iter().map(|warning| warning.message).collect()
    };
    let grids = "treatment: RnB\ngrids: [{n: 1}, {n: 2, exclude: {seed: 5}}, {n: 3}]\n";
    assert_eq!(
        warnings(&format!("exclude: [{{n: 4}}]\n{grids}")),
        ["exclude[0] drops no cell", "grids[1].exclude[0] drops no cell"]
    );
    let excluded = warnings(&format!("exclude: [{{n: 3}}]\n{grids}"));
    assert_eq!(
        excluded,
        [
            "grids[1].exclude[0] drops no cell",
            "grids[2] adds no network: all of them are excluded, or in entries before it"
        ]
    );
}

#[test]
fn a_label_stands_in_the_names_of_an_entry_and_of_its_sources() {
    union(
        "n: 1\ntreatment: AnB\nimages_per_class: 25\ngrids:\n- {}\n- {recipe: {batch: 8}, label: small, seed: [0, 1]}\n",
        &[
            "random-0/baseA",
            "random-0/A1B@k=25",
            "random-0/baseA@small",
            "random-0/A1B@k=25@small",
            "random-0/baseA@small#seed=1",
            "random-0/A1B@k=25@small#seed=1",
        ],
    );
}

#[test]
fn a_network_has_the_first_of_the_names_it_is_given() {
    union("treatment: base\ngrids: [{label: one}, {label: two}]\n", &["random-0/baseB@one"]);
}

#[test]
fn a_long_form_that_equals_a_shorthand_is_the_shorthand() {
    for (long, short) in [
        ("{source: self}", "BnB"),
        ("{source: self, freeze: none}", "BnB+"),
        ("{source: other, copy: n, freeze: n}", "AnB"),
        ("{source: other, copy: n, freeze: 0}", "AnB+"),
        ("{source: random, copy: 2..4, freeze: all}", "RnB"),
        ("{source: random, copy: [2, 3..4], freeze: none}", "RnB+"),
    ] {
        let with = |treatment: &str| study(&format!("{ONE_WAY}n: 2..4\ntreatment: {treatment}\n"));
        assert_eq!(with(long), with(short), "{long}");
    }
}

#[test]
fn copy_and_freeze_take_lists_and_ranges() {
    let random = |long: &str, expected: &[&str]| {
        check_names(&format!("{ONE_WAY}n: 4..5\ntreatment: {long}\n"), expected);
    };
    random(
        "{source: random, copy: 3, freeze: [0, 2..3]}",
        &["random-0/R3B", "random-0/R3B+", "random-0/R3B@freeze=2"],
    );
    random("{source: random, freeze: 1}", &["random-0/R4B@freeze=1", "random-0/R5B@freeze=1"]);
    random("{source: random, copy: 6, freeze: n}", &["random-0/R6B@freeze=4", "random-0/R6B@freeze=5"]);
}

#[test]
fn a_partly_frozen_network_is_excluded_by_the_name_of_its_treatment_in_plans() {
    union(
        "treatment: [{source: random, copy: 3, freeze: 0..3}]\nexclude: {treatment: RnB-partial, n: 3}\n",
        &["random-0/R3B", "random-0/R3B+"],
    );
}

/// Weights of the slim network on grey images, without its last layers.
fn weights(layers: usize) -> WeightsFacts {
    let network = Network::preset("caffenet-28-slim").unwrap();
    let layers = layer_facts(&network, 1, 10).unwrap().into_iter().take(layers).collect();
    WeightsFacts { digest: Some(Digest([9; 32])), layers }
}

fn with_weights(axes: &str, weights: &BTreeMap<String, WeightsFacts>) -> Result<Study, String> {
    let text = format!("{HEAD}{RECIPE}{axes}");
    let grid = parse("grid.yaml", &text, &GridFiles::new()).map_err(|errors| errors.to_string())?;
    expand(&grid, Known { pack: &pack(), weights }).map_err(|errors| errors.to_string())
}

#[test]
fn imported_weights_serve_every_split_and_are_part_of_the_key() {
    let known = BTreeMap::from([("mine".to_owned(), weights(5))]);
    let axes = "split: [random-0, whole]\ntreatment: {source: mine, copy: [2, 5], freeze: [0, 2]}\n";
    let study = with_weights(axes, &known).unwrap();
    let expected = [
        "random-0/I2B",
        "random-0/I2A",
        "random-0/I2B+",
        "random-0/I2A+",
        "random-0/I5B+",
        "random-0/I5A+",
        "random-0/I5B@freeze=2",
        "random-0/I5A@freeze=2",
        "whole/I2",
        "whole/I2+",
        "whole/I5+",
        "whole/I5@freeze=2",
    ];
    assert_eq!(names(&study), expected);
    for cell in &study.cells {
        assert_eq!(cell.spec.imported, Some(Imported { weights: Digest([9; 32]) }));
        assert_eq!((cell.spec.treatment.origin, cell.source), (Origin::Imported, None));
        assert!(cell.key_is_known);
    }
    assert_eq!(study.cells[11].treatment_name, "InB-partial");
}

#[test]
fn weights_that_are_unknown_or_of_another_network_are_refused_at_their_place() {
    let known = BTreeMap::from([("vgg-conv".to_owned(), weights(3))]);
    let axes = |name: &str| format!("split: whole\ntreatment: {{source: {name}, copy: 5}}\n");
    assert_eq!(
        with_weights(&axes("vgg-conf"), &known).unwrap_err(),
        "grid.yaml:6:12: treatment.source: no imported weights are named \"vgg-conf\" \
         (did you mean `vgg-conv`?)"
    );
    assert_eq!(
        with_weights(&axes("vgg-conv"), &known).unwrap_err(),
        "grid.yaml:6:12: treatment.source: the weights \"vgg-conv\" do not fit caffenet-28-slim: \
         they have 3 layers, and 5 are to be copied (copy fewer layers, or import weights of this network)"
    );
}

#[test]
fn imported_weights_bring_no_mean_image() {
    let known = BTreeMap::from([("mine".to_owned(), weights(3))]);
    let recipe = "recipe: {preset: quick-28, mean_image: source}\n";
    let text = format!("{HEAD}{recipe}split: whole\ntreatment: {{source: mine, copy: 2}}\n");
    let grid = parse("grid.yaml", &text, &GridFiles::new()).unwrap();
    assert_eq!(
        expand(&grid, Known { pack: &pack(), weights: &known }).unwrap_err().to_string(),
        "grid.yaml:6:12: treatment.source: the images behind the weights \"mine\" are not known, and \
         mean_image is source (write `recipe: {mean_image: target}`, here or in an entry of `grids`)"
    );
}

#[test]
fn without_anyone_to_ask_imported_weights_have_no_keys_and_a_warning() {
    let unknown = WeightsFacts { digest: None, layers: Vec::new() };
    let known = BTreeMap::from([("mine".to_owned(), unknown)]);
    let study = with_weights("split: whole\ntreatment: [base, {source: mine, copy: 5}]\n", &known).unwrap();
    assert_eq!(study.cells.iter().map(|cell| cell.key_is_known).collect::<Vec<_>>(), [true, false]);
    assert_eq!(study.warnings[0].code, "weights_unknown");
}

#[test]
fn two_weights_at_one_depth_need_labels() {
    let other = WeightsFacts { digest: Some(Digest([8; 32])), ..weights(5) };
    let known = BTreeMap::from([("mine".to_owned(), weights(5)), ("yours".to_owned(), other)]);
    let one = "split: whole\ntreatment: [{source: mine, copy: 5}, {source: yours, copy: 5}]\n";
    assert_eq!(
        with_weights(one, &known).unwrap_err(),
        "grid.yaml:6:38: two networks that differ in treatment.source would both be named whole/I5 \
         (divide them into entries of `grids` and give each a `label`)"
    );
    let labelled = "split: whole\ngrids:\n- {treatment: {source: mine, copy: 5}, label: mine}\n\
                    - {treatment: {source: yours, copy: 5}, label: yours}\n";
    let study = with_weights(labelled, &known).unwrap();
    assert_eq!(names(&study), ["whole/I5@mine", "whole/I5@yours"]);
}

const NETWORK: &str = "network: tiny\nside: 28\nlayers:\n- name: conv1\n  operators:\n  \
    - convolution: {outputs: 4, kernel: 5, stride: 2, pad: 0, groups: 1, weight_deviation: 0.01, bias: 0}\n  \
    - relu\n- {name: fc2, operators: [{linear: {outputs: recipe}}]}\n";

fn on_network_file(text: &str) -> Result<Study, String> {
    let grid = format!(
        "study: s\ndataset: fashion-mnist\nnetwork: nets/tiny.yaml\n{RECIPE}split: random-0\ntreatment: RnB\nn: 1\n"
    );
    assert_eq!(files_named(&grid), ["nets/tiny.yaml"]);
    let files = GridFiles::from([("nets/tiny.yaml".to_owned(), text.to_owned())]);
    let grid = parse("grids/tiny.yaml", &grid, &files).map_err(|errors| errors.to_string())?;
    expand(&grid, &pack()).map_err(|errors| errors.to_string())
}

#[test]
fn a_network_may_stand_in_a_file_beside_the_grid() {
    let study = on_network_file(NETWORK).unwrap();
    assert_eq!((study.network.as_str(), study.cells[0].spec.network.layer_count()), ("tiny", 2));
    assert_eq!(files_named(super::DEMO), [""; 0]);
}

#[test]
fn mistakes_in_a_network_file_are_located_there() {
    let wrong = NETWORK.replace("kernel: 5", "kernel: 0");
    let found = on_network_file(&wrong).unwrap_err();
    assert!(
        found
            .starts_with("grids/nets/tiny.yaml:6:39: layers[0].operators[0].convolution.kernel: 0 is not in"),
        "{found}"
    );
    let found = on_network_file(&NETWORK.replace("side: 28", "side: 32")).unwrap_err();
    assert!(found.starts_with("grids/tiny.yaml:3:10: network: tiny takes 32×32 pixels"), "{found}");
}
