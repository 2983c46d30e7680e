//! What is said when no coordinator answers.

use super::program::{NOBODY, in_tree, run, run_in};

#[test]
fn without_a_coordinator_every_question_ends_with_code_5_and_the_address() {
    let questions: [&[&str]; 9] = [
        &["list", "studies"],
        &["list", "workers"],
        &["show", "last"],
        &["watch"],
        &["wait", "--timeout", "1s"],
        &["logs", "random-0/baseA"],
        &["report"],
        &["data", "list"],
        &["checkpoint", "verify", "random-0/baseA"],
    ];
    for question in questions {
        let printed = run(question);
        assert_eq!(printed.code, 5, "{question:?}: {}", printed.err);
        assert!(printed.err.contains(NOBODY), "{}", printed.err);
        assert!(printed.err.contains("coordinatord"), "{}", printed.err);
        assert_eq!(printed.out, "");
    }
}

#[test]
fn in_json_mode_the_same_is_one_json_object() {
    let printed = run(&["list", "studies", "-o", "json"]);
    insta::assert_snapshot!(printed.err);
}

#[test]
fn an_address_that_is_none_ends_with_code_2() {
    let printed = run(&["list", "studies", "--coordinator", "http://:7070:x"]);
    assert_eq!(printed.code, 2, "{}", printed.err);
}

#[test]
fn submitting_needs_a_terminal_or_yes_before_it_needs_a_coordinator() {
    let grid = in_tree("examples/grids/fashion-demo.yaml");
    let grid = grid.to_str().unwrap();
    let folder = tempfile::tempdir().unwrap();

    let asked = run_in(folder.path(), &["submit", grid]);
    let agreed = run_in(folder.path(), &["submit", grid, "-y"]);

    assert_eq!(asked.code, 2, "{}", asked.err);
    assert!(asked.err.contains("-y"), "{}", asked.err);
    assert_eq!(agreed.code, 5, "{}", agreed.err);
}

#[test]
fn an_import_that_is_to_be_pushed_says_at_once_that_nobody_listens() {
    let folder = tempfile::tempdir().unwrap();
    let printed = run_in(folder.path(), &["data", "import", "--format", "idx", "images", "--name", "x"]);
    assert_eq!(printed.code, 5);
    assert!(!folder.path().join("selffer-data").exists());
}
