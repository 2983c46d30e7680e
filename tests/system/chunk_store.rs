//! Where a fleet's chunks rest: in a bucket the whole path as in a folder; with little room the
//! trained networks all the same.

use std::{collections::BTreeSet, process::Command};

use selffer_tests::{
    fleet::{Fleet, PATIENCE},
    invariants::{assert_invariants, with_store},
    s3_server::S3Server,
    schedule::Victim,
    uploads, wait,
};

use super::{STUDY_PATIENCE, import_images, reference};

/// Two base networks and two that copy from them.
const GRID: &str = "\
study: copies
dataset: bars
network: caffenet-28-slim
recipe: {preset: quick-28, iterations: 20, batch: 16, test_every: 10}
split: random-0
treatment: [base, AnB]
n: 3
direction: [AtoB, BtoA]
";
const JOBS: usize = 4;

fn submit(fleet: &Fleet) {
    let _ = fleet.jobctl_ok(&["submit", &fleet.write("copies.yaml", GRID), "--yes"]);
}

fn wait_for_all(fleet: &Fleet) {
    wait::until("the end of the study", STUDY_PATIENCE, || {
        let states = fleet.states("copies");
        states.len() == JOBS && states.iter().all(|(_, state)| state == "succeeded")
    });
}

/// Chunks that lie in the store now.
fn stored(fleet: &Fleet) -> usize {
    let gc = fleet.jobctl_json(&["gc", "--dry-run"]);
    gc["stored"]["chunks"].as_u64().unwrap() as usize
}

#[test]
fn a_fleet_on_a_bucket_trains_verifies_deletes_and_frees_as_on_a_folder() {
    let server = S3Server::start();
    let place = format!("s3://{}/lab", server.bucket()).parse().unwrap();
    let times = ["--keep-dropped=1s", "--heartbeat-interval=500ms", "--session-ttl=3s", "--lost-after=5s"];
    let mut fleet = Fleet::start_on(Some((place, server.variables())), &times);
    import_images(&fleet, 20, 8);
    submit(&fleet);
    fleet.worker_arguments = vec!["--checkpoint-every=100ms".to_owned()];
    fleet.start_worker("one", 1);
    wait_for_all(&fleet);

    assert_invariants(&mut fleet);
    assert!(!fleet.data_folder().join("store/cas").exists(), "nothing lies in the data folder");
    // Read back: by a worker that copied from it, by a check, and to compare layers.
    let copy = "copies:random-0/A3B";
    let verified = fleet.jobctl_json(&["checkpoint", "verify", copy]);
    assert_eq!(verified["schema"], "selffer.verify/v1");
    let log = fleet.printed(Victim::Coordinator);
    assert!(!log.contains("this-is-a-secret") && log.contains("s3://selffer-"), "{log}");
    let check = fleet.coordinator_command().arg("check").output().unwrap();
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(check.status.success() && said.starts_with("all is well: "), "{said}");

    // One trained network goes, and with it what only it had.
    let before = stored(&fleet);
    let deleted = fleet.jobctl_json(&["delete", copy, "--yes"]);
    assert_eq!((&deleted["deleted"], &deleted["networks"]), (&true.into(), &1.into()), "{deleted}");
    wait::until("its chunks to go", PATIENCE, || {
        let _ = fleet.jobctl_ok(&["gc"]);
        stored(&fleet) < before
    });
    assert_invariants(&mut fleet);
    let referred = with_store(&fleet, async |store, _| {
        let published = store.published_checkpoints().await.unwrap();
        let mut chunks: BTreeSet<_> =
            published.iter().flat_map(|row| row.manifest.chunks()).map(|chunk| chunk.digest).collect();
        for pack in store.packs().await.unwrap() {
            chunks.extend(pack.objects.chunks().map(|chunk| chunk.digest));
        }
        chunks.len()
    });
    wait::until("nothing but what is referred to", PATIENCE, || stored(&fleet) == referred);
    fleet.stop_in_order();
}

#[test]
fn intermediates_that_have_no_room_are_skipped_and_finals_are_not() {
    let mut fleet = Fleet::start_with(&[&reference::PATIENT[..], &["--intermediates-max=0.000001"]].concat());
    import_images(&fleet, 20, 8);
    fleet.worker_arguments = vec!["--checkpoint-every=50ms".to_owned()];
    submit(&fleet);
    fleet.start_worker("one", 1);

    wait_for_all(&fleet);

    let log = fleet.printed(Victim::Worker(0));
    assert!(
        log.contains("checkpoint not published") && log.contains("intermediate checkpoints take"),
        "{log}"
    );
    let published = uploads::published(&log);
    assert!(published.iter().all(|upload| upload.is_final), "{published:?}");
    assert_eq!(published.len(), JOBS, "{published:?}");
    assert_invariants(&mut fleet);
}

/// The programs as people ask them for help, and for what they may not have.
#[test]
fn deleting_asks_first_and_says_what_it_would_do() {
    let fleet = Fleet::start();
    let refused = fleet.jobctl(&["delete", "none"]);
    assert_eq!(refused.code, 2, "{}", refused.err);
    let unknown = fleet.jobctl(&["delete", "none", "-y"]);
    assert_eq!(unknown.code, 3, "{}", unknown.err);
    let help = Command::new(selffer_tests::process::program("coordinatord")).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    for option in ["--store", "--keep-free", "--intermediates-max"] {
        assert!(help.contains(option), "{option}");
    }
}

mod slow {
    use super::*;

    #[test]
    fn a_bucket_whose_server_is_away_costs_time_and_no_job() {
        let server = S3Server::start();
        let place = format!("s3://{}", server.bucket()).parse().unwrap();
        let mut fleet = Fleet::start_on(Some((place, server.variables())), &reference::PATIENT);
        import_images(&fleet, 20, 8);
        fleet.start_worker("one", 1);
        server.pause();
        submit(&fleet);
        wait::until("a coordinator that says so", PATIENCE, || {
            fleet.printed(Victim::Coordinator).contains("the chunk store takes no chunks")
        });

        server.go_on();

        wait_for_all(&fleet);
        let shown = fleet.jobctl_json(&["show", "copies:random-0/A3B"]);
        assert_eq!(shown["attempts"].as_array().map(Vec::len), Some(1), "{}", shown["attempts"]);
        assert_invariants(&mut fleet);
    }
}
