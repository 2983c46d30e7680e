//! The same study gives the same networks, whoever trains them.

use std::collections::BTreeMap;

use selffer_tests::fleet::Fleet;

use super::{SMALL_GRID, SMALL_JOBS, fleet_with_images};

/// Digest of every network's weights, by name, after a run from nothing.
fn digests(threads: usize) -> BTreeMap<String, String> {
    let mut fleet = fleet_with_images();
    fleet.start_worker("one", threads);
    let grid = fleet.write("small.yaml", SMALL_GRID);
    let _ = fleet.jobctl_ok(&["submit", &grid, "--yes", "--follow"]);
    let digest = |fleet: &Fleet, name: &str| {
        let shown = fleet.jobctl_json(&["show", &format!("small:{name}")]);
        shown["result"]["weights_digest"].as_str().unwrap_or_default().to_owned()
    };
    fleet.states("small").into_iter().map(|(name, _)| (name.clone(), digest(&fleet, &name))).collect()
}

#[test]
fn a_study_run_twice_from_nothing_gives_the_same_digests_with_one_and_two_threads() {
    let one = digests(1);
    let two = digests(2);

    assert_eq!(one.len(), SMALL_JOBS);
    assert!(one.values().all(|digest| digest.len() == 64), "{one:?}");
    assert_eq!(one, two);
}
