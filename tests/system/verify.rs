//! What the fleet recorded, checked from outside: every byte of a checkpoint, and the training
//! itself, done again here.

use std::{fs, path::PathBuf, process::Command};

use selffer_core::ids::Digest;
use selffer_tests::{
    fleet::{Fleet, PATIENCE},
    invariants::{assert_invariants, with_store},
    process::Printed,
    schedule::Victim,
    wait,
};
use serde_json::Value;

use super::{fleet_with_images, reference};

/// A transfer with its source, trained.
const STUDY: &str = "\
study: recorded
dataset: bars
network: caffenet-28-slim
recipe: {preset: quick-28, iterations: 50, batch: 16, test_every: 25}
split: random-0
treatment: AnB
n: 3
direction: AtoB
";
const TRANSFER: &str = "recorded:random-0/A3B";

/// A fleet that has trained [`STUDY`]; its worker is gone.
fn trained() -> Fleet {
    let mut fleet = fleet_with_images();
    fleet.start_worker("one", 1);
    let grid = fleet.write("recorded.yaml", STUDY);
    let _ = fleet.jobctl_ok(&["submit", &grid, "--yes", "--follow"]);
    fleet.workers.clear();
    fleet
}

/// Runs `checkpoint verify` with these further arguments; what is replayed lies in the fleet's
/// folder meanwhile.
fn verify(fleet: &Fleet, arguments: &[&str]) -> Printed {
    let mut command = fleet.person().command("jobctl");
    command.env("SELFFER_SCRATCH_DIR", scratch(fleet)).args(["checkpoint", "verify"]).args(arguments);
    command.output().unwrap().into()
}

fn verified(fleet: &Fleet, arguments: &[&str]) -> Value {
    let printed = verify(fleet, &[arguments, &["-o", "json"]].concat());
    assert_eq!(printed.code, 0, "{}{}", printed.out, printed.err);
    serde_json::from_str(&printed.out).unwrap()
}

fn scratch(fleet: &Fleet) -> PathBuf {
    fleet.path("scratch-replay")
}

/// Changes what the coordinator's database says, as nothing of ours would.
fn tamper(fleet: &Fleet, sql: &str) {
    // psql lies beside the server.
    let server = fleet.postmaster().unwrap().command;
    let psql = PathBuf::from(server.split(' ').next().unwrap()).with_file_name("psql");
    let output = Command::new(psql).arg(fleet.database_url().unwrap()).args(["-c", sql]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.starts_with("UPDATE ") && !told.starts_with("UPDATE 0"), "{told}");
}

#[test]
fn a_network_that_is_trained_again_elsewhere_is_the_recorded_one_bit_for_bit() {
    let mut fleet = trained();
    let workers = fleet.jobctl_json(&["list", "workers"]);

    // With more threads than the worker had.
    let whole = verified(&fleet, &[TRANSFER, "--replay", "all", "--threads", "2"]);

    assert_eq!(whole["schema"], "selffer.verify/v1");
    let (checkpoint, replay) = (&whole["checkpoint"], &whole["replay"]);
    assert_eq!((&checkpoint["kind"], &checkpoint["iteration"]), (&"final".into(), &50.into()));
    assert_eq!(checkpoint["as_recorded"], true);
    let layers = checkpoint["layers"].as_array().unwrap();
    assert_eq!(layers.iter().filter(|layer| layer["holds"] == true).count(), 3, "{layers:?}");
    assert_eq!((&replay["bit_exact"], &replay["to_the_end"]), (&true.into(), &true.into()), "{replay}");
    // Losses at 20, 40 and 50, tests at 25 and 50.
    assert_eq!((&replay["points"], &replay["iterations"]), (&5.into(), &50.into()));
    assert_eq!((&replay["threads"], &replay["same_device"]), (&2.into(), &true.into()));
    assert!(replay["difference"].is_null(), "{replay}");

    let part = verify(&fleet, &[TRANSFER, "--replay", "30"]);
    assert_eq!(part.code, 0, "{}{}", part.out, part.err);
    assert!(part.out.contains("bit-exact over 25 iterations (2 points compared)"), "{}", part.out);
    assert!(part.err.contains("nothing is recorded between iterations 25 and 30"), "{}", part.err);

    // Nobody was there, as far as the coordinator can tell, and nothing is left.
    let names = |workers: &Value| workers["workers"].as_array().map(Vec::len);
    assert_eq!(names(&fleet.jobctl_json(&["list", "workers"])), names(&workers));
    assert_eq!(fleet.person().show("recorded", "random-0/A3B")["job"]["attempt"], 1);
    let left = scratch(&fleet).join("replay").read_dir().unwrap().flatten();
    let left: Vec<_> = left.filter(|entry| entry.path().is_dir()).collect();
    assert!(left.is_empty(), "{left:?}");
    assert_invariants(&mut fleet);
}

#[test]
fn a_recorded_loss_or_result_that_was_tampered_with_is_told_with_both_values() {
    let fleet = trained();
    tamper(
        &fleet,
        "UPDATE metrics SET training_loss = 1.5 WHERE iteration = 40 AND training_loss IS NOT NULL",
    );

    let before = verify(&fleet, &[TRANSFER, "--replay", "39"]);
    assert_eq!(before.code, 0, "{}{}", before.out, before.err);
    let lied = verify(&fleet, &[TRANSFER, "--replay", "40"]);
    assert_eq!(lied.code, 1, "{}{}", lied.out, lied.err);
    let told = "at iteration 40 the training loss is recorded as 1.5 and replayed as ";
    assert!(lied.err.contains(told), "{}", lied.err);
    assert!(lied.out.contains("NOT as recorded"), "{}", lied.out);
    let lied = verify(&fleet, &[TRANSFER, "--replay", "40", "-o", "json"]);
    let document: Value = serde_json::from_str(&lied.out).unwrap();
    assert_eq!(document["replay"]["difference"]["recorded"], "1.5");
    assert!(lied.err.contains(r#""code":"differs""#), "{}", lied.err);

    tamper(&fleet, "UPDATE results SET weights_digest = decode(repeat('ab', 32), 'hex')");
    let lied = verify(&fleet, &[TRANSFER]);
    assert_eq!(lied.code, 1, "{}{}", lied.out, lied.err);
    let told = format!("the result says {}", "ab".repeat(32));
    assert!(lied.err.contains("the weights have the digest ") && lied.err.contains(&told), "{}", lied.err);
}

#[test]
fn a_chunk_that_rotted_is_told_with_its_file() {
    let fleet = trained();
    let whole = verify(&fleet, &[TRANSFER]);
    assert_eq!(whole.code, 0, "{}{}", whole.out, whole.err);
    assert!(whole.out.contains("8, as the result says; 3 equal to the source's"), "{}", whole.out);

    let checkpoints = with_store(&fleet, async |store, _| store.published_checkpoints().await.unwrap());
    let layer = |name: &str| -> Vec<Digest> {
        let objects = checkpoints.iter().flat_map(|checkpoint| &checkpoint.manifest.objects);
        let chunks = objects.filter(|object| object.name.contains(name)).flat_map(|object| &object.chunks);
        chunks.map(|chunk| chunk.digest).collect()
    };
    for chunk in layer("-conv4") {
        let hash = chunk.to_string();
        let path = fleet.data_folder().join("store/cas").join(&hash[..2]).join(&hash);
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
    }

    let rotten = verify(&fleet, &[TRANSFER]);

    assert_eq!(rotten.code, 1, "{}{}", rotten.out, rotten.err);
    assert!(rotten.err.contains("04-conv4.safetensors, chunk 1 of 1"), "{}", rotten.err);
    let again = verify(&fleet, &[TRANSFER]);
    assert!(again.code == 1 && again.err.contains("put aside"), "{}", again.err);
}

#[test]
fn a_running_job_is_verified_by_its_newest_checkpoint_and_replayed_as_far_as_it_got() {
    let mut fleet = Fleet::start_with(&reference::PATIENT);
    super::import_images(&fleet, 20, 8);
    fleet.worker_arguments = reference::worker_arguments();
    let one = format!("one:{}", reference::ONE_NETWORK);
    let _ = fleet.jobctl_ok(&["submit", &fleet.write("one.yaml", &reference::one_job("one")), "--yes"]);

    let nothing = verify(&fleet, &[&one]);
    assert_eq!(nothing.code, 3, "{}", nothing.err);
    assert!(nothing.err.contains("no worker has begun to train it yet"), "{}", nothing.err);
    let nobody = verify(&fleet, &["one:random-0/baseC"]);
    assert_eq!(nobody.code, 3, "{}", nobody.err);

    fleet.start_worker("one", 1);
    wait::until("a checkpoint, and a point of the curve", PATIENCE, || {
        let shown = fleet.person().show("one", reference::ONE_NETWORK);
        let is_sent =
            with_store(&fleet, async |store, _| !store.published_checkpoints().await.unwrap().is_empty());
        is_sent && shown["metrics"].as_array().is_some_and(|points| !points.is_empty())
    });
    let both = [Victim::Trainer(0), Victim::Worker(0)];
    assert_eq!(fleet.kill(&both), both);

    let stopped = verified(&fleet, &[&one, "--replay", "20"]);

    assert_eq!(stopped["checkpoint"]["kind"], "intermediate");
    assert!(stopped["checkpoint"]["as_recorded"].is_null());
    assert_eq!((&stopped["replay"]["bit_exact"], &stopped["replay"]["points"]), (&true.into(), &1.into()));
    let too_far = verify(&fleet, &[&one, "--replay", "121"]);
    assert_eq!(too_far.code, 2, "{}", too_far.err);
    assert!(too_far.err.contains("121 is not in 1..=120"), "{}", too_far.err);
}

#[test]
fn a_replay_by_itself_prints_one_json_object_and_says_what_is_missing() {
    let fleet = trained();
    let replay = |arguments: &[&str]| -> Printed {
        let mut command = fleet.person().command("workerd");
        command.env("SELFFER_SCRATCH_DIR", scratch(&fleet)).args(["replay", "--cpu"]).args(arguments);
        command.output().unwrap().into()
    };

    let replayed = replay(&[TRANSFER, "--iterations", "25"]);
    assert_eq!(replayed.code, 0, "{}{}", replayed.out, replayed.err);
    let document: Value = serde_json::from_str(&replayed.out).unwrap();
    assert_eq!((&document["schema"], &document["iterations"]), (&"selffer.replay/v1".into(), &25.into()));
    assert!(document["result"].is_null());
    assert!(replayed.err.contains("iteration 25: test top-1"), "{}", replayed.err);

    let unknown = replay(&["recorded:random-0/A4B"]);
    assert_eq!(unknown.code, 1, "{}", unknown.err);
    assert!(unknown.err.contains("A4B"), "{}", unknown.err);
    let too_far = replay(&[TRANSFER, "--iterations", "51"]);
    assert!(too_far.code == 1 && too_far.err.contains("more than the 50"), "{}", too_far.err);

    tamper(&fleet, "UPDATE checkpoints SET state = 'quarantined'");
    let gone = replay(&[TRANSFER]);
    assert!(gone.code == 1 && gone.err.contains("copies from"), "{}", gone.err);
    let gone = verify(&fleet, &[TRANSFER, "--replay", "20"]);
    assert_eq!(gone.code, 3, "{}", gone.err);
    assert!(
        gone.err.contains("the final checkpoint of random-0/baseA, which it copies from, is gone"),
        "{}",
        gone.err
    );
}
