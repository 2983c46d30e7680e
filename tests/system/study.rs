//! A study from the grid to the figure.

use selffer_tests::wait;

use super::{SMALL_GRID, SMALL_JOBS, STUDY_PATIENCE, fleet_with_images};

#[test]
fn a_study_runs_to_its_figure_and_a_second_one_reuses_every_network() {
    let mut fleet = fleet_with_images();
    fleet.start_worker("one", 1);
    fleet.start_worker("two", 1);
    let grid = fleet.write("small.yaml", SMALL_GRID);

    let followed = fleet.jobctl(&["submit", &grid, "--yes", "--follow"]);

    assert_eq!(followed.code, 0, "{}{}", followed.out, followed.err);
    let states = fleet.states("small");
    assert_eq!(states.len(), SMALL_JOBS);
    assert!(states.iter().all(|(_, state)| state == "succeeded"), "{states:?}");

    let out = fleet.path("report");
    let table = fleet.jobctl_ok(&["report", "small", "--out", out.to_str().unwrap()]);
    assert!(table.contains("random-0/A3B+"), "{table}");
    let svg = std::fs::read_to_string(out.join("transfer.svg")).unwrap();
    assert!(svg.contains("<svg"));
    let png = std::fs::read(out.join("transfer.png")).unwrap();
    assert!(png.starts_with(b"\x89PNG") && png.len() > 10_000);

    let again = fleet.write("again.yaml", &SMALL_GRID.replace("study: small", "study: again"));
    let plan = fleet.jobctl_json(&["plan", &again]);
    assert_eq!(plan["reused"], SMALL_JOBS);
    let followed = fleet.jobctl(&["submit", &again, "--yes", "--follow"]);
    assert_eq!(followed.code, 0, "{}{}", followed.out, followed.err);
}

#[test]
fn frozen_layers_equal_their_source_and_fine_tuned_ones_do_not() {
    let mut fleet = fleet_with_images();
    fleet.start_worker("one", 2);
    let grid = fleet.write("small.yaml", SMALL_GRID);
    let _ = fleet.jobctl_ok(&["submit", &grid, "--yes", "--follow"]);

    let copied = |network: &str| {
        let shown = fleet.jobctl_json(&["show", &format!("small:random-0/{network}")]);
        shown["result"]["copied_layers_unchanged"].clone()
    };

    for frozen in ["A3B", "B3A", "A3A", "B3B"] {
        assert_eq!(copied(frozen), true, "{frozen}");
    }
    for tuned in ["A3B+", "B3A+", "A3A+", "B3B+"] {
        assert_eq!(copied(tuned), false, "{tuned}");
    }
    assert!(copied("baseA").is_null());
}

#[test]
fn submitting_the_same_study_again_is_the_same_study_and_other_content_is_a_conflict() {
    let fleet = fleet_with_images();
    let grid = fleet.write("small.yaml", SMALL_GRID);
    let _ = fleet.jobctl_ok(&["submit", &grid, "--yes"]);

    let same = fleet.jobctl(&["submit", &grid, "--yes"]);
    let other = fleet.write("other.yaml", &SMALL_GRID.replace("n: 3", "n: 2"));
    let conflict = fleet.jobctl(&["submit", &other, "--yes"]);

    assert_eq!(same.code, 0, "{}", same.err);
    assert_eq!(conflict.code, 6, "{}", conflict.err);
    assert_eq!(fleet.states("small").len(), SMALL_JOBS);
}

#[test]
fn the_dashboard_shows_the_study() {
    use std::io::{Read, Write};
    let fleet = fleet_with_images();
    let grid = fleet.write("small.yaml", SMALL_GRID);
    let _ = fleet.jobctl_ok(&["submit", &grid, "--yes"]);
    let mut page = String::new();

    wait::until("the page", STUDY_PATIENCE, || {
        let mut stream = std::net::TcpStream::connect(fleet.dashboard()).unwrap();
        write!(stream, "GET / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", fleet.dashboard()).unwrap();
        page.clear();
        stream.read_to_string(&mut page).is_ok() && page.contains("small")
    });

    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    assert!(page.to_lowercase().contains("content-security-policy"), "{page}");
}
