//! Bad input and wrong set-ups: one clear sentence each, and nothing is changed.

use std::{path::Path, process::Command};

use selffer_tests::{
    fleet::{Fleet, PATIENCE, free_port},
    process::{Printed, Process, program},
};

use super::{SMALL_GRID, fleet_with_images};

#[test]
fn everything_wrong_with_a_grid_is_located_at_once_and_nothing_is_inserted() {
    let fleet = fleet_with_images();
    let wrong = SMALL_GRID
        .replace("n: 3", "n: 9")
        .replace("split:", "spilt:")
        .replace("iterations: 20", "iterations: -1");
    let grid = fleet.write("wrong.yaml", &wrong);

    let refused = fleet.jobctl(&["submit", &grid, "--yes"]);

    assert_eq!(refused.code, 2, "{}", refused.err);
    for expected in ["wrong.yaml:5", "spilt", "split", "wrong.yaml:7", "wrong.yaml:4", "iterations"] {
        assert!(refused.err.contains(expected), "no {expected:?} in\n{}", refused.err);
    }
    let studies = fleet.jobctl_json(&["list", "studies"]);
    assert_eq!(studies["studies"].as_array().map(Vec::len), Some(0), "{studies}");
}

#[test]
fn a_pack_that_is_missing_is_named() {
    let fleet = fleet_with_images();
    let grid = fleet.write("missing.yaml", &SMALL_GRID.replace("dataset: bars", "dataset: barz"));

    let refused = fleet.jobctl(&["submit", &grid, "--yes"]);

    assert_ne!(refused.code, 0);
    assert!(refused.err.contains("barz"), "{}", refused.err);
}

#[test]
fn a_well_known_set_is_planned_before_it_is_imported_but_not_submitted() {
    let fleet = fleet_with_images();
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/grids/fashion-demo.yaml");
    let grid = demo.to_str().unwrap();

    let plan = fleet.jobctl_json(&["plan", grid]);

    assert!(plan["cells"][0]["key"].is_null(), "{plan}");
    let warnings = plan["warnings"].as_array().unwrap();
    assert!(warnings.iter().any(|warning| warning["code"] == "pack_unknown"), "{warnings:?}");
    assert_eq!(fleet.jobctl(&["lint", grid]).code, 0);
    let refused = fleet.jobctl(&["submit", grid, "--yes"]);
    assert_eq!(refused.code, 2, "{}", refused.err);
}

#[test]
fn an_image_file_that_is_cut_short_is_refused_with_its_name_and_offset() {
    let fleet = fleet_with_images();
    let folder = fleet.path("bars-idx");
    let path = folder.join("train-images-idx3-ubyte");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();

    let refused =
        fleet.jobctl(&["data", "import", "--format", "idx", folder.to_str().unwrap(), "--name", "cut"]);

    assert_eq!(refused.code, 1, "{}", refused.err);
    assert!(refused.err.contains("train-images-idx3-ubyte"), "{}", refused.err);
    assert!(refused.err.contains(&(bytes.len() / 2).to_string()), "{}", refused.err);
    assert!(!fleet.jobctl_ok(&["list", "packs", "-o", "name"]).contains("cut"));
}

#[test]
fn jobctl_without_a_coordinator_says_where_it_looked() {
    let port = free_port();
    let address = format!("http://127.0.0.1:{port}");
    let output = Command::new(program("jobctl"))
        .args(["list", "studies", "--coordinator", &address])
        .output()
        .unwrap();

    let printed = Printed::from(output);

    assert_eq!(printed.code, 5, "{}", printed.err);
    assert!(printed.err.contains(&format!("127.0.0.1:{port}")), "{}", printed.err);
}

/// Starts a second coordinator with these changes, which must end by itself with a message.
fn refusal_of(mut command: Command, fleet: &Fleet) -> String {
    command.env("NO_COLOR", "1").env("XDG_STATE_HOME", fleet.path("state"));
    let mut process = Process::start(command, fleet.path("second.log"));
    assert_ne!(process.wait(PATIENCE), Some(0), "{}", process.printed());
    process.printed()
}

#[test]
fn a_port_that_is_taken_is_named() {
    let fleet = Fleet::start();
    let mut second = Command::new(program("coordinatord"));
    second.arg("--data-dir").arg(fleet.path("second")).args(["--http-listen", "127.0.0.1:0"]);
    second.args(["--listen", &fleet.dashboard()]);

    let message = refusal_of(second, &fleet);

    assert!(message.contains(&fleet.dashboard()), "{message}");
}

#[test]
fn a_data_folder_has_one_coordinator() {
    let fleet = Fleet::start();
    let mut second = Command::new(program("coordinatord"));
    second.arg("--data-dir").arg(fleet.data_folder());
    second.args(["--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0"]);

    let message = refusal_of(second, &fleet);

    assert!(message.contains(fleet.data_folder().to_str().unwrap()), "{message}");
}

#[test]
fn a_data_folder_of_another_version_is_left_alone() {
    let mut fleet = Fleet::start();
    fleet.coordinator = None;
    std::fs::write(fleet.data_folder().join("FORMAT"), "999\n").unwrap();

    let message = refusal_of(fleet.coordinator_command(), &fleet);

    assert!(message.contains("999"), "{message}");
}

#[test]
fn missing_postgresql_programs_are_asked_for_by_their_package() {
    let fleet = Fleet::start();
    let mut second = Command::new(program("coordinatord"));
    second.arg("--data-dir").arg(fleet.path("second"));
    second.args(["--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0"]);
    second.arg("--pg-bin").arg(fleet.path("no-such-folder"));

    let message = refusal_of(second, &fleet);

    assert!(message.contains("postgres"), "{message}");
}

#[test]
fn a_gpu_worker_without_cuda_says_what_to_do() {
    let output = Command::new(program("workerd")).args(["--gpu", "0"]).output().unwrap();

    let printed = Printed::from(output);

    assert_ne!(printed.code, 0);
    assert!(printed.err.contains("--cpu"), "{}", printed.err);
    assert!(printed.err.to_lowercase().contains("cuda"), "{}", printed.err);
}
