//! Packs and the machines that hold them: a job waits for a worker that has or can hold its pack,
//! reads it where an administrator placed it, and shares what another pack has.

use std::{fs, os::unix::fs::MetadataExt, path::PathBuf};

use selffer_tests::{
    fleet::{Fleet, PATIENCE},
    schedule::Victim,
    wait,
};
use serde_json::Value;

use super::{STUDY_PATIENCE, fleet_with_images};

const GRID: &str = "\
study: placed
dataset: bars
network: caffenet-28-slim
recipe: {preset: quick-28, iterations: 20, batch: 16, test_every: 10}
split: random-0
treatment: base
direction: AtoB
";

fn submit(fleet: &Fleet, study: &str, dataset: &str) {
    let grid = GRID.replace("study: placed", &format!("study: {study}"));
    let grid =
        fleet.write(&format!("{study}.yaml"), &grid.replace("dataset: bars", &format!("dataset: {dataset}")));
    let _ = fleet.jobctl_ok(&["submit", &grid, "--yes"]);
}

fn job(fleet: &Fleet, study: &str) -> Value {
    fleet.jobctl_json(&["list", "jobs", study])["jobs"][0].clone()
}

fn wait_for_success(fleet: &Fleet, study: &str) {
    wait::until("its success", STUDY_PATIENCE, || job(fleet, study)["state"] == "succeeded");
}

/// Where `jobctl data import` put the packs.
fn packs(fleet: &Fleet) -> PathBuf {
    fleet.data_folder().join("packs")
}

/// The folders of complete packs in a worker's cache.
fn cached(fleet: &Fleet, worker: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(fleet.scratch_folder(worker).join("cache")).unwrap().flatten();
    let packs = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("pack-"));
    packs.map(|entry| entry.path().join("content")).filter(|content| content.is_dir()).collect()
}

#[test]
fn a_job_waits_for_a_worker_that_can_hold_its_pack_and_one_with_the_pack_fetches_nothing() {
    let mut fleet = fleet_with_images();
    fleet.worker_arguments = vec!["--cache-gib=0".to_owned()];
    fleet.start_worker("small", 2);
    submit(&fleet, "placed", "bars");

    let reason = |fleet: &Fleet| job(fleet, "placed")["reason"].as_str().unwrap_or_default().to_owned();
    wait::until("a reason", PATIENCE, || !reason(&fleet).is_empty());
    let told = reason(&fleet);
    assert!(told.contains("fits no worker: the most that one takes now is 0 B"), "{told}");
    let shown =
        fleet.jobctl_ok(&["show", &format!("placed:{}", job(&fleet, "placed")["name"].as_str().unwrap())]);
    assert!(shown.contains(&told), "{shown}");
    assert_eq!(job(&fleet, "placed")["state"], "ready");

    fleet.worker_arguments.push(format!("--data-dir={}", packs(&fleet).display()));
    fleet.start_worker("placed", 2);
    wait_for_success(&fleet, "placed");

    assert_eq!(job(&fleet, "placed")["worker"], "placed/cpu0");
    assert!(cached(&fleet, "placed").is_empty() && cached(&fleet, "small").is_empty());
    assert!(fleet.is_running(Victim::Worker(0)), "the one whose cache is too small went on asking");
}

#[test]
fn a_pack_that_was_placed_and_is_broken_is_fetched_instead() {
    let mut fleet = fleet_with_images();
    let placed = fleet.path("placed-packs");
    fs::create_dir_all(placed.join("bars")).unwrap();
    for entry in fs::read_dir(packs(&fleet).join("bars")).unwrap().flatten() {
        let mut bytes = fs::read(entry.path()).unwrap();
        if entry.file_name().to_string_lossy().starts_with("train-") {
            *bytes.last_mut().unwrap() ^= 1;
        }
        fs::write(placed.join("bars").join(entry.file_name()), bytes).unwrap();
    }
    fleet.worker_arguments = vec![format!("--data-dir={}", placed.display())];
    fleet.start_worker("one", 2);
    submit(&fleet, "placed", "bars");
    wait_for_success(&fleet, "placed");

    assert_eq!(cached(&fleet, "one").len(), 1);
    assert_eq!(job(&fleet, "placed")["attempt"], 1, "no attempt was lost to it");
    let log = fleet.printed(Victim::Worker(0));
    assert_eq!(log.matches("no pack can be read there").count(), 1, "{log}");
    assert!(log.contains("placed-packs/bars"), "{log}");
    // What is right of it was linked: the other shard has a second name.
    let names = |file: &str| cached(&fleet, "one")[0].join(file).metadata().unwrap().nlink();
    assert_eq!((names("validation-00000.safetensors"), names("train-00000.safetensors")), (2, 1));
}

#[test]
fn packs_that_share_shards_share_them_in_the_cache() {
    let mut fleet = fleet_with_images();
    fleet.start_worker("one", 2);
    submit(&fleet, "placed", "bars");
    wait_for_success(&fleet, "placed");
    // The same images under another class name are another pack.
    let other = packs(&fleet).join("other");
    fs::create_dir(&other).unwrap();
    for entry in fs::read_dir(packs(&fleet).join("bars")).unwrap().flatten() {
        fs::copy(entry.path(), other.join(entry.file_name())).unwrap();
    }
    let manifest = fs::read_to_string(other.join("manifest.json")).unwrap();
    let renamed = manifest.replacen("{\"name\":\"0\"}", "{\"name\":\"zero\"}", 1);
    assert_ne!(renamed, manifest, "{manifest}");
    fs::write(other.join("manifest.json"), renamed).unwrap();
    let _ = fleet.jobctl_ok(&["data", "push", other.to_str().unwrap(), "--name", "other"]);

    submit(&fleet, "again", "other");
    wait_for_success(&fleet, "again");

    let cached = cached(&fleet, "one");
    assert_eq!(cached.len(), 2);
    for file in ["train-00000.safetensors", "validation-00000.safetensors"] {
        let inodes: Vec<u64> = cached.iter().map(|pack| pack.join(file).metadata().unwrap().ino()).collect();
        assert_eq!(inodes[0], inodes[1], "{file} was fetched twice");
    }
}
