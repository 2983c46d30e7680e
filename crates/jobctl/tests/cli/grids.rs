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
    assert_eq!(header, "name,split,treatment,n,source,target,seed,images_per_class,key,needs,flops,status");
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
    assert!(
        printed.err.contains("file has 10485760 bytes, but a grid may have at most 1048576"),
        "{}",
        printed.err
    );
}

#[test]
fn an_unknown_pack_without_a_coordinator_ends_with_code_5() {
    let printed = on_grid("plan", &demo().replace("dataset: fashion-mnist", "dataset: my-images"), &[]);
    assert_eq!(printed.code, 5, "{}", printed.err);
    assert!(printed.err.contains("my-images"), "{}", printed.err);
    assert!(printed.err.contains("--manifest"), "{}", printed.err);
}
