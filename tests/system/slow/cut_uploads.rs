//! A real worker whose connection is cut again and again while it uploads: near every boundary
//! of a chunk and far from them. Fault 49 of the reliability page.

#![allow(clippy::print_stdout, reason = "how much was sent again is told")]

use selffer_core::limits::CHUNK_BYTES_MAX;
use selffer_tests::{
    fleet::Fleet,
    invariants::assert_invariants,
    proxy::{Fault, Proxy},
    schedule::Victim,
    uploads, wait,
};

use crate::{STUDY_PATIENCE, import_images};

/// 40 MB of weights in six chunks, most of them of full size.
const NETWORK: &str = "\
network: wide
side: 28
layers:
  - name: fc1
    operators:
      - linear: {outputs: 2048}
      - relu
  - name: fc2
    operators:
      - linear: {outputs: 4096}
      - relu
  - name: fc3
    operators:
      - linear: {outputs: recipe}
";
/// Where a connection is cut, in bytes: each must let one chunk through.
const CUT_AFTER: [u64; 5] = [
    CHUNK_BYTES_MAX + (64 << 10),
    CHUNK_BYTES_MAX + CHUNK_BYTES_MAX / 4,
    CHUNK_BYTES_MAX + CHUNK_BYTES_MAX / 2,
    2 * CHUNK_BYTES_MAX - (64 << 10),
    2 * CHUNK_BYTES_MAX + (64 << 10),
];
/// What goes to the server beside chunks, for each connection: heads, heartbeats, the log.
const BESIDE_BYTES: u64 = 512 << 10;

#[test]
fn a_worker_that_is_cut_off_again_and_again_sends_at_most_one_chunk_again_each_time() {
    let mut fleet = Fleet::start_with(&["--session-ttl=60s", "--lost-after=120s"]);
    import_images(&fleet, 20, 8);
    let proxy = fleet.proxy();
    fleet.start_worker_through(&proxy, "far", 2);
    let _ = fleet.write("wide.yaml", NETWORK);

    for (seed, cut_after) in CUT_AFTER.into_iter().enumerate() {
        let (again, cuts) = sent_again(&fleet, &proxy, seed, cut_after);
        println!("cut after {cut_after} bytes: {cuts} times, {again} bytes sent again");
        assert!(cuts > 0, "nothing was cut");
        assert!(again <= cuts * (CHUNK_BYTES_MAX + BESIDE_BYTES), "{again} bytes again, {cuts} cuts");
    }

    assert_invariants(&mut fleet);
}

/// Trains a network whose upload is cut; the bytes that went to the server beyond its own, and
/// how often a connection was lost.
fn sent_again(fleet: &Fleet, proxy: &Proxy, seed: usize, cut_after: u64) -> (u64, u64) {
    let study = format!("wide-{seed}");
    let grid = format!(
        "study: {study}\ndataset: bars\nnetwork: ./wide.yaml\n\
         recipe: {{preset: quick-28, iterations: 2, batch: 8, test_every: 2}}\n\
         split: random-0\ntreatment: base\ndirection: AtoB\nseed: {seed}\n"
    );
    let grid = fleet.write(&format!("{study}.yaml"), &grid);
    let before = (proxy.bytes_to_server(), proxy.connections());
    proxy.set(Fault::HangUpAfter(cut_after));

    let _ = fleet.jobctl_ok(&["submit", &grid, "--yes"]);
    wait::until("a trained network", STUDY_PATIENCE, || {
        fleet.states(&study).iter().all(|(_, state)| state == "succeeded")
    });

    proxy.set(Fault::None);
    let uploads = uploads::published(&fleet.printed(Victim::Worker(0)));
    let bytes = uploads.last().expect("a published checkpoint").bytes_total;
    assert_eq!(uploads.len(), seed + 1, "{uploads:?}");
    (proxy.bytes_to_server() - before.0 - bytes, proxy.connections() - before.1)
}
