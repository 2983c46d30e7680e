//! Workers whose clocks are wrong, by a day in either direction or by jumps: fault 25 of the
//! reliability page. What shows them another time is libfaketime.

use std::{fs, path::PathBuf, time::Duration};

use selffer_tests::{fleet::Fleet, invariants::assert_invariants, wait};

use crate::{STUDY_PATIENCE, import_images, reference};

/// Times that a jumping clock shows, as seen from the right one.
const JUMPS: [&str; 5] = ["+1d", "-1d", "+30d", "-2h", "+0"];
const JUMP_EVERY: Duration = Duration::from_millis(700);

/// Where the library is, which each distribution keeps in its own folder.
fn library() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").unwrap().flatten().map(|entry| entry.path());
    let library =
        folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1")).find(|path| path.is_file());
    library.expect("libfaketime; deploy/dev/setup installs it")
}

/// What a worker's environment says for a clock that a file sets.
fn clock(file: &str) -> Vec<(String, String)> {
    let library = library().display().to_string();
    let words = [
        ("LD_PRELOAD", library.as_str()),
        ("FAKETIME_TIMESTAMP_FILE", file),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("DONT_FAKE_MONOTONIC", "1"),
    ];
    words.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

#[test]
fn whatever_time_workers_believe_it_is_a_study_ends_as_on_right_clocks() {
    let mut fleet = Fleet::start_with(&reference::PATIENT);
    import_images(&fleet, 20, 8);
    fleet.worker_arguments = reference::worker_arguments();
    let mut clocks = Vec::new();
    for (name, shown) in [("ahead", "+1d"), ("behind", "-1d"), ("jumping", "+0")] {
        let file = fleet.write(&format!("{name}.clock"), shown);
        fleet.worker_environment = clock(&file);
        fleet.start_worker(name, 1);
        clocks.push(file);
    }

    let grid = fleet.write("clocks.yaml", &reference::grid("clocks"));
    let _ = fleet.jobctl_ok(&["submit", &grid, "--yes"]);
    let mut jumps = JUMPS.iter().cycle();
    wait::until("the end of the study", STUDY_PATIENCE, || {
        fs::write(&clocks[2], jumps.next().unwrap()).unwrap();
        wait::moment(JUMP_EVERY);
        fleet.states("clocks").iter().all(|(_, state)| state == "succeeded")
    });

    // They did believe it.
    let logged = |name: &str| fs::read_to_string(fleet.path(&format!("{name}.log"))).unwrap_or_default();
    let day = |log: String| log.lines().filter_map(|line| line.get(..10).map(str::to_owned)).max();
    assert!(day(logged("ahead")) > day(logged("behind")), "the clocks were right");
    let jobs = fleet.jobctl_json(&["list", "jobs", "clocks"]);
    let attempts = jobs["jobs"].as_array().unwrap().iter().map(|job| job["attempt"].as_u64());
    assert!(attempts.clone().all(|attempt| attempt == Some(1)), "{:?}", attempts.collect::<Vec<_>>());
    reference::assert_same(&reference::outcomes(), &fleet.person().outcomes("clocks"));
    assert_invariants(&mut fleet);
}
