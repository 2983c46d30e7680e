//! `plan`, `lint` and `submit` on good and bad grids, without a coordinator.

use std::fs;

use super::program::{Printed, in_tree, run, run_in};

/// Runs a command on a grid with this text.
fn on_grid(command: &str, text: &str, more: &[&str]) -> Printed {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("grid.yaml"), text).unwrap();
    run_in(folder.path(), &[&[command, "grid.yaml"], more].concat())
}

fn demo() -> String {
    fs::read_to_string(in_tree("examples/grids/fashion-demo.yaml")).unwrap()
}

#[test]
fn the_demo_is_planned_without_a_coordinator_as_32_jobs() {
    let file = in_tree("examples/grids/fashion-demo.yaml");
    let printed = run(&["plan", file.to_str().unwrap(), "-o", "json"]);
    assert_eq!(printed.code, 0, "{}", printed.err);
    let plan: serde_json::Value = serde_json::from_str(&printed.out).unwrap();
    assert_eq!(plan["schema"], "selffer.plan/v1");
    assert_eq!(plan["jobs"], 32);
    assert_eq!(plan["cells"].as_array().unwrap().len(), 32);
    let counts = serde_json::json!({"base": 2, "BnB": 6, "BnB+": 6, "AnB": 6, "AnB+": 6, "RnB": 6});
    assert_eq!(plan["by_treatment"], counts);
    // Without the pack nobody knows a key; the plan says so.
    assert!(plan["cells"][0]["key"].is_null());
    assert!(!plan["warnings"].as_array().unwrap().is_empty());
}

#[test]
fn a_plan_is_a_summary_for_people_and_one_name_a_line_for_shells() {
    let people = on_grid("plan", &demo(), &[]);
    assert_eq!(people.code, 0, "{}", people.err);
    insta::assert_snapshot!(people.out);
    let names = on_grid("plan", &demo(), &["-o", "name"]).out;
    assert_eq!(names.lines().count(), 32);
    assert!(names.lines().any(|name| name == "random-0/A4B+"), "{names}");
}

#[test]
fn a_plan_as_csv_has_one_row_a_network() {
    let printed = on_grid("plan", &demo(), &["-o", "csv"]);
    let header = printed.out.lines().next().unwrap();
    assert_eq!(
        header,
        "name,split,treatment,n,source,target,seed,images_per_class,key,needs,flops,gpu_hours,status"
    );
    assert_eq!(printed.out.lines().count(), 33);
}

#[test]
fn every_mistake_of_a_grid_is_told_at_once_with_its_place() {
    let text = demo().replace("n: [1, 4, 7]", "n: [1, 4, 9]").replace("seed:", "sede:");
    for command in ["plan", "lint"] {
        let printed = on_grid(command, &text, &[]);
        assert_eq!(printed.code, 2);
        assert_eq!(printed.out, "");
        assert!(printed.err.contains("sede"), "{}", printed.err);
        assert!(printed.err.contains("did you mean `seed`"), "{}", printed.err);
        assert!(printed.err.contains("grid.yaml:"), "{}", printed.err);
        assert!(printed.err.contains('9'), "{}", printed.err);
    }
}

#[test]
fn an_invalid_grid_in_json_mode_is_one_error_object() {
    let printed = on_grid("plan", &demo().replace("n: [1, 4, 7]", "n: 9"), &["-o", "json"]);
    assert_eq!(printed.code, 2);
    let error: serde_json::Value = serde_json::from_str(&printed.err).unwrap();
    assert_eq!(error["error"]["code"], "invalid_grid");
    assert!(error["error"]["message"].as_str().unwrap().starts_with("grid.yaml:"), "{error}");
}

#[test]
fn an_invalid_grid_is_told_before_anyone_is_asked_or_called() {
    let printed = on_grid("submit", &demo().replace("n: [1, 4, 7]", "n: 9"), &["-y"]);
    assert_eq!(printed.code, 2, "{}", printed.err);
}

#[test]
fn a_good_grid_passes_lint() {
    let printed = on_grid("lint", &demo(), &[]);
    assert_eq!(printed.code, 0, "{}", printed.err);
    assert!(printed.out.contains("32 networks"), "{}", printed.out);
}

#[test]
fn a_file_that_is_not_there_ends_with_code_3() {
    let printed = run(&["plan", "nowhere.yaml"]);
    assert_eq!(printed.code, 3);
    assert!(printed.err.contains("nowhere.yaml"), "{}", printed.err);
}

#[test]
fn a_file_too_large_for_a_grid_is_refused_with_its_size() {
    let printed = on_grid("lint", &"#".repeat(10 << 20), &[]);
    assert_eq!(printed.code, 2);
    assert!(printed.err.contains("file has 10485760 bytes, but may have at most 1048576"), "{}", printed.err);
}

#[test]
fn an_unknown_pack_without_a_coordinator_ends_with_code_5() {
    let printed = on_grid("plan", &demo().replace("dataset: fashion-mnist", "dataset: my-images"), &[]);
    assert_eq!(printed.code, 5, "{}", printed.err);
    assert!(printed.err.contains("my-images"), "{}", printed.err);
    assert!(printed.err.contains("--manifest"), "{}", printed.err);
}

#[test]
fn the_papers_grid_is_planned_without_a_coordinator_as_170_jobs() {
    let file = in_tree("examples/grids/yosinski-2014.yaml");
    let printed = run(&["plan", file.to_str().unwrap(), "-o", "json"]);
    assert_eq!(printed.code, 0, "{}", printed.err);
    let plan: serde_json::Value = serde_json::from_str(&printed.out).unwrap();
    assert_eq!(plan["jobs"], 170);
    let counts = serde_json::json!({"base": 23, "BnB": 28, "AnB": 70, "BnB+": 14, "AnB+": 28, "RnB": 7});
    assert_eq!(plan["by_treatment"], counts);
}

#[test]
fn the_grid_of_cifar_10_is_planned_as_72_jobs_for_each_way_to_divide_its_classes() {
    let text = fs::read_to_string(in_tree("examples/grids/cifar-10.yaml")).unwrap();
    for split in ["random-0", "manmade-natural", "similar-manmade-natural-0"] {
        let text = text.replace("split: random-0", &format!("split: {split}"));
        let printed = on_grid("plan", &text, &["-o", "json"]);
        assert_eq!(printed.code, 0, "{}", printed.err);
        let plan: serde_json::Value = serde_json::from_str(&printed.out).unwrap();
        let counts = serde_json::json!({"base": 2, "BnB": 14, "BnB+": 14, "AnB": 14, "AnB+": 14, "RnB": 14});
        assert_eq!(plan["by_treatment"], counts);
        assert!(plan["flops"].as_f64().unwrap() > 0.0);
        let cells = plan["cells"].as_array().unwrap();
        assert!(cells.iter().any(|cell| cell["name"] == format!("{split}/A7B+")));
    }
}

/// The demo on a network file beside it, whose first learned operator is this one.
fn on_network_file(command: &str, operator: &str) -> Printed {
    let folder = tempfile::tempdir().unwrap();
    let network = format!(
        "network: tiny\nside: 28\nlayers:\n- {{name: conv1, operators: [{operator}, relu]}}\n\
         - {{name: fc2, operators: [{{linear: {{outputs: recipe}}}}]}}\n"
    );
    let grid =
        demo().replace("network: caffenet-28-slim", "network: nets/tiny.yaml").replace("[1, 4, 7]", "1");
    fs::create_dir(folder.path().join("nets")).unwrap();
    fs::write(folder.path().join("nets/tiny.yaml"), network).unwrap();
    fs::write(folder.path().join("grid.yaml"), grid).unwrap();
    run_in(folder.path(), &[command, "grid.yaml"])
}

#[test]
fn a_network_file_beside_the_grid_is_read_and_its_mistakes_are_located_in_it() {
    let good = on_network_file("lint", "{convolution: {outputs: 4, kernel: 5}}");
    assert_eq!(good.code, 0, "{}", good.err);
    assert!(good.out.contains("12 networks"), "{}", good.out);
    let bad = on_network_file("plan", "{convolution: {outputs: 4, kernel: 0}}");
    assert_eq!(bad.code, 2);
    assert!(bad.err.contains("nets/tiny.yaml:4:"), "{}", bad.err);
    assert!(bad.err.contains("kernel: 0 is not in"), "{}", bad.err);
}

#[test]
fn a_network_file_that_is_not_there_is_located_in_the_grid() {
    let text = demo().replace("network: caffenet-28-slim", "network: nets/tiny.yaml");
    let printed = on_grid("lint", &text, &[]);
    assert_eq!(printed.code, 2);
    assert!(printed.err.contains("network: the file nets/tiny.yaml is not there"), "{}", printed.err);
}

#[test]
fn imported_weights_are_planned_without_a_coordinator_and_without_keys() {
    let text = demo().replace("treatment: [base", "treatment: [{source: my-weights, copy: 2}, base");
    let printed = on_grid("plan", &text, &["-o", "json"]);
    assert_eq!(printed.code, 0, "{}", printed.err);
    let plan: serde_json::Value = serde_json::from_str(&printed.out).unwrap();
    assert_eq!(plan["by_treatment"]["InB"], 2);
    let warnings = plan["warnings"].as_array().unwrap();
    assert!(warnings.iter().any(|warning| warning["code"] == "weights_unknown"), "{warnings:?}");
}

#[test]
fn the_schema_of_grids_is_json() {
    let printed = run(&["grid", "schema"]);
    assert_eq!(printed.code, 0, "{}", printed.err);
    let schema: serde_json::Value = serde_json::from_str(&printed.out).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert!(schema["properties"]["grids"].is_object());
}
