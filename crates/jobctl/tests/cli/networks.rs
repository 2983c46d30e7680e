//! Presets as network files, and grids that name a file.

use std::fs;

use super::program::{in_tree, run, run_in};

#[test]
fn a_preset_is_printed_as_a_file_that_a_grid_may_name() {
    let printed = run(&["grid", "network", "caffenet-32"]);
    assert_eq!((printed.code, printed.err.as_str()), (0, ""));
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mine.yaml"), printed.out.replace("caffenet-32", "mine")).unwrap();
    let grid = fs::read_to_string(in_tree("examples/grids/fashion-demo.yaml")).unwrap();
    let grid = grid
        .replace("dataset: fashion-mnist", "dataset: cifar-10")
        .replace("network: caffenet-28-slim", "network: ./mine.yaml")
        .replace("quick-28", "quick-32");
    fs::write(folder.path().join("grid.yaml"), grid).unwrap();

    let plan = run_in(folder.path(), &["plan", "grid.yaml", "-o", "json"]);

    assert_eq!(plan.code, 0, "{}", plan.err);
    let plan: serde_json::Value = serde_json::from_str(&plan.out).unwrap();
    assert_eq!(plan["jobs"], 32);
    assert!(plan["flops"].as_f64().unwrap() > 0.0);
}

#[test]
fn an_unknown_preset_is_a_mistake_of_usage_that_names_the_known_ones() {
    let printed = run(&["grid", "network", "caffenet-23"]);
    assert_eq!(printed.code, 2);
    assert!(printed.err.contains("caffenet-28"), "{}", printed.err);
}
