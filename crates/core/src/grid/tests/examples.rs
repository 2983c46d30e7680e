//! The grids that come with the project, each with the networks it must stand for.

use std::collections::BTreeMap;

use super::{HEAD, RECIPE, expand, names, pack, parse};
use crate::{
    grid::{GridFiles, Known, Study},
    pack::PackFacts,
    recipe::MeanImage,
    spec::{Half, ImagesPerClass},
    weights::WeightsFacts,
};

const PAPER: &str = include_str!("../../../../../examples/grids/yosinski-2014.yaml");
const COMPLETE: &str = include_str!("../../../../../examples/grids/yosinski-complete.yaml");
const DEPTHS: &str = include_str!("../../../../../examples/grids/fashion-depths.yaml");
const MANMADE_NATURAL: &str = include_str!("../../../../../examples/grids/cifar-10-manmade-natural.yaml");

fn example(text: &str, dataset: &str) -> Study {
    let grid = parse("grid.yaml", text, &GridFiles::new()).unwrap_or_else(|e| panic!("{}", e.render(false)));
    let study = expand(&grid, &PackFacts::well_known(dataset).unwrap());
    study.unwrap_or_else(|errors| panic!("{}", errors.render(false)))
}

fn by_treatment(study: &Study) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for cell in &study.cells {
        *counts.entry(cell.treatment_name).or_default() += 1;
    }
    counts
}

#[test]
fn the_papers_grid_is_the_170_networks_that_the_authors_set_up() {
    let study = example(PAPER, "ilsvrc2012");
    assert_eq!(study.cells.len(), 170);
    let expected = [("base", 23), ("BnB", 28), ("AnB", 70), ("BnB+", 14), ("AnB+", 28), ("RnB", 7)];
    assert_eq!(by_treatment(&study), BTreeMap::from(expected));
    assert!(study.cells.iter().all(|cell| !cell.added_as_source));
    assert_eq!(study.warnings, []);
    insta::assert_snapshot!(names(&study).join("\n"));
}

#[test]
fn the_papers_networks_are_trained_as_the_authors_did() {
    let study = example(PAPER, "ilsvrc2012");
    for cell in &study.cells {
        let (spec, recipe) = (&cell.spec, &cell.spec.recipe);
        let reduced = spec.images_per_class != ImagesPerClass::All;
        let expected = if reduced { (200_000, 0.0125, 64_000) } else { (450_000, 0.01, 100_000) };
        let first_drop = (recipe.drops[0].at * f64::from(recipe.iterations)).round() as u32;
        assert_eq!((recipe.iterations, recipe.learning_rate, first_drop), expected, "{}", cell.name);
        assert_eq!((recipe.batch, recipe.crop, spec.outputs()), (256, Some(227), 1000), "{}", cell.name);
        let has_source = spec.source.is_some();
        let mean = if has_source { MeanImage::Source } else { MeanImage::Target };
        assert_eq!(recipe.mean_image, mean, "{}", cell.name);
        if reduced {
            assert_eq!(spec.target.half, Half::W);
        }
    }
}

#[test]
fn the_complete_grid_is_58_networks_for_each_random_split_and_seed() {
    let study = example(COMPLETE, "ilsvrc2012");
    let mut groups: BTreeMap<(&str, u64), Vec<&str>> = BTreeMap::new();
    for cell in &study.cells {
        groups.entry((&cell.spec.split, cell.spec.seed)).or_default().push(&cell.name);
        // A copy is compared with the base that it was copied from.
        assert!(cell.source.is_none_or(|source| study.cells[source].spec.seed == cell.spec.seed));
    }
    assert_eq!(groups.len(), 4 * 3);
    assert!(groups.values().all(|names| names.len() == 58));
    let expected = [("base", 24), ("BnB", 168), ("BnB+", 168), ("AnB", 168), ("AnB+", 168)];
    assert_eq!(by_treatment(&study), BTreeMap::from(expected));
    assert_eq!(study.warnings, []);
    insta::assert_snapshot!(groups[&("random-2", 1)].join("\n"));
}

#[test]
fn the_example_of_unions_long_forms_and_labels_is_what_its_comments_say() {
    let study = example(DEPTHS, "fashion-mnist");
    assert_eq!(study.warnings, []);
    insta::assert_snapshot!(names(&study).join("\n"));
}

const PAGE: &str = include_str!("../../../../../docs/grid.md");

#[test]
fn every_grid_of_the_page_expands() {
    let blocks: Vec<_> =
        PAGE.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(blocks.len() >= 3, "the page shows the plain form, long forms and a union");
    let known = WeightsFacts { digest: None, layers: Vec::new() };
    let weights = BTreeMap::from([("my-weights".to_owned(), known)]);
    for block in blocks {
        // Parts of a grid say so; the rest is put around them.
        let text = match block.strip_prefix("# part of a study\n") {
            Some(part) if part.contains("split:") => format!("{HEAD}{RECIPE}{part}"),
            Some(part) => format!("{HEAD}{RECIPE}split: random-0\n{part}"),
            None => block.to_owned(),
        };
        let grid =
            parse("grid.yaml", &text, &GridFiles::new()).unwrap_or_else(|e| panic!("{}", e.render(false)));
        let expanded = expand(&grid, Known { pack: &pack(), weights: &weights });
        assert!(!expanded.unwrap_or_else(|e| panic!("{}", e.render(false))).cells.is_empty());
    }
}

#[test]
fn the_grid_of_unlike_halves_is_36_networks_of_which_half_are_the_control() {
    let study = example(MANMADE_NATURAL, "cifar-10");
    assert_eq!(by_treatment(&study), BTreeMap::from([("base", 4), ("BnB", 16), ("AnB", 16)]));
    let classes = |name: &str| {
        let cell = study.cells.iter().find(|cell| cell.name == name).unwrap();
        cell.spec.target.indices.to_vec()
    };
    assert_eq!(classes("manmade-natural/baseA"), [0, 1, 8, 9]);
    assert_eq!(classes("manmade-natural/A3B"), [2, 3, 4, 5, 6, 7]);
    assert_eq!(classes("similar-manmade-natural-0/baseA").len(), 5);
}
