//! Measuring by the command line.

use std::process::{Command, Output};

use serde_json::Value;

use super::WORKERD;

fn bench(arguments: &str) -> Output {
    Command::new(WORKERD).arg("bench").args(arguments.split_whitespace()).output().unwrap()
}

fn refused(arguments: &str) -> String {
    let output = bench(arguments);
    assert!(!output.status.success(), "{arguments}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_measurement_has_all_that_its_page_says_and_adds_up() {
    let output = bench(
        "--network caffenet-28-slim --channels 1 --batch 8 --frozen 2 --iterations 3 --cpu --threads 1 -o json",
    );
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();

    assert_eq!(report["schema"], "selffer.bench/v1");
    assert_eq!((&report["batch"], &report["frozen"], &report["threads"]), (&8.into(), &2.into(), &1.into()));
    let number = |value: &Value| value.as_f64().unwrap();
    let times = &report["ms_per_iteration"];
    assert!(
        number(&times["min"]) <= number(&times["median"])
            && number(&times["median"]) <= number(&times["max"])
    );
    let speed = number(&report["images_per_s"]);
    assert!((speed * number(&times["median"]) / 8e3 - 1.0).abs() < 1e-9, "{speed}");
    let gflops = speed * number(&report["flops_per_image"]) / 1e9;
    assert!((number(&report["gflops_per_s"]) / gflops - 1.0).abs() < 1e-9);

    let operators = report["by_op"].as_array().unwrap();
    let of = |name: &str| operators.iter().find(|operator| operator["op"] == name).unwrap();
    assert_eq!(number(&of("conv2.convolution")["backward_ms"]), 0.0, "frozen layers run forward only");
    assert!(number(&of("conv3.convolution")["backward_ms"]) > 0.0);
    assert!(number(&of("update")["backward_ms"]) > 0.0);
    assert!(of("conv1.max-pool")["peak_share"].is_null());
    let shares: f64 = operators.iter().map(|operator| number(&operator["share"])).sum();
    assert!((shares - 1.0).abs() < 1e-9, "{shares}");
}

#[test]
fn what_cannot_be_measured_is_said() {
    let error = refused("--network caffenet-32");
    assert!(error.contains("--cpu") && error.contains("--gpu <INDEX>"), "{error}");
    assert!(
        refused("--network caffenet-33 --cpu")
            .contains("caffenet-33: not one of caffenet-28-slim, caffenet-28")
    );
    let error = refused("--network caffenet-28 --channels 1 --frozen 8 --cpu");
    assert!(error.contains("--frozen 8: caffenet-28 has 8 layers, of which the last must learn"), "{error}");
    assert!(refused("--network caffenet-28 --gpu 0").contains("built without CUDA"));
    assert!(refused("--network-file nowhere.yaml --cpu").contains("cannot read nowhere.yaml"));
    assert!(refused("--cpu").contains("--network"));
}

#[test]
fn batches_of_a_pack_are_measured_without_a_network() {
    let folder = tempfile::tempdir().unwrap();
    let pack = super::request(folder.path(), 1).pack;
    let line = |rest: &str| format!("--batches {} --batch 8 --iterations 3 --cpu {rest}", pack.display());

    let output = bench(&line("--threads 2 --crop 20 -o json"));

    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["schema"], "selffer.bench-batches/v1");
    assert_eq!((&report["crop"], &report["loaders"]), (&20.into(), &2.into()));
    let number = |key: &str| report[key].as_f64().unwrap();
    assert!(number("images_per_s") > 0.0);
    assert!((number("images_per_s") / 2.0 / number("images_per_s_and_loader") - 1.0).abs() < 1e-9);
    let error = refused(&line("--crop 29"));
    assert!(error.contains("28×28 pixels, crop 29"), "{error}");
    assert!(refused(&line("--network caffenet-28")).contains("--network"));
    assert!(refused("--network caffenet-28 --crop 20 --cpu").contains("--crop"));
}
