//! Bits that flip on the coordinator's disk (fault 50): found before anybody starts from
//! them, and paid for with training time, never with a wrong network.

use std::{collections::BTreeSet, fs};

use selffer_core::ids::Digest;
use selffer_storage::{CheckpointKind, CheckpointRow};
use selffer_tests::{
    fleet::{Fleet, PATIENCE},
    invariants::{assert_invariants, with_store},
    schedule::Victim,
    wait,
};

use super::{STUDY_PATIENCE, import_images, reference};

fn fleet(times: &[&str]) -> Fleet {
    let mut fleet = Fleet::start_with(times);
    import_images(&fleet, 20, 8);
    fleet.worker_arguments = reference::worker_arguments();
    fleet
}

/// All published checkpoints, the newest of a job first.
fn published(fleet: &Fleet) -> Vec<CheckpointRow> {
    with_store(fleet, async |store, _| store.published_checkpoints().await.unwrap())
}

fn chunks(checkpoint: &CheckpointRow) -> BTreeSet<Digest> {
    checkpoint.manifest.chunks().map(|chunk| chunk.digest).collect()
}

/// Flips one bit of a chunk in the coordinator's store.
fn damage(fleet: &Fleet, chunk: Digest) {
    let hash = chunk.to_string();
    let path = fleet.data_folder().join("store/cas").join(&hash[..2]).join(&hash);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
}

fn wait_for_success(fleet: &Fleet, study: &str) {
    wait::until("success", STUDY_PATIENCE, || {
        let states = fleet.states(study);
        !states.is_empty() && states.iter().all(|(_, state)| state == "succeeded")
    });
}

#[test]
fn after_a_bit_flip_in_the_newest_checkpoint_the_one_before_is_used() {
    let mut fleet = fleet(&reference::TIMES);
    let _ = fleet.jobctl_ok(&["submit", &fleet.write("one.yaml", &reference::one_job("one")), "--yes"]);
    fleet.start_worker("one", 1);
    wait::until("two published checkpoints", PATIENCE, || published(&fleet).len() == 2);
    assert_eq!(fleet.kill(&[Victim::Worker(0)]), [Victim::Worker(0)]);
    let [newest, before] = <[_; 2]>::try_from(published(&fleet)).unwrap();
    assert!(newest.kind == CheckpointKind::Intermediate && newest.iteration > before.iteration);
    let only_newest = chunks(&newest).difference(&chunks(&before)).next().copied().unwrap();

    damage(&fleet, only_newest);
    fleet.start_worker("two", 1);

    wait_for_success(&fleet, "one");
    let log = fleet.printed(Victim::Coordinator);
    assert!(log.contains(&newest.checkpoint_id.to_string()), "nobody noticed:\n{log}");
    let trained = fleet.jobctl_ok(&["logs", &format!("one:{}", reference::ONE_NETWORK)]);
    let expected = format!("going on from iteration {}\n", before.iteration);
    assert!(trained.contains(&expected), "no {expected:?} in\n{trained}");
    assert_invariants(&mut fleet);
    reference::assert_same(&reference::outcomes(), &fleet.person().outcomes("one"));
}

#[test]
fn after_a_bit_flip_in_a_source_it_is_trained_again_and_those_copied_from_it_are_the_same() {
    let mut fleet = fleet(&reference::PATIENT);
    let sources = reference::grid_of("sources", "base");
    let _ = fleet.jobctl_ok(&["submit", &fleet.write("sources.yaml", &sources), "--yes"]);
    fleet.start_worker("one", 1);
    wait_for_success(&fleet, "sources");
    fleet.workers.clear();
    let finals = published(&fleet);
    assert_eq!(finals.len(), 2, "{finals:?}");
    let only_first = chunks(&finals[0]).difference(&chunks(&finals[1])).next().copied().unwrap();

    damage(&fleet, only_first);
    let targets = reference::grid_of("targets", "[base, AnB]");
    let _ = fleet.jobctl_ok(&["submit", &fleet.write("targets.yaml", &targets), "--yes"]);
    // It has nothing in its cache.
    fleet.start_worker("two", 1);

    wait_for_success(&fleet, "targets");
    let attempts =
        |network: &str| fleet.person().show("targets", network)["job"]["attempt"].as_u64().unwrap();
    assert_eq!(
        attempts("random-0/baseA") + attempts("random-0/baseB"),
        3,
        "one of them was to be trained again"
    );
    assert_invariants(&mut fleet);
    reference::assert_same(&reference::outcomes(), &fleet.person().outcomes("targets"));
}
