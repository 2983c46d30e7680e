//! Acts that are refused before any coordinator is asked.

use super::program::run;

#[test]
fn what_destroys_something_needs_a_terminal_or_a_yes() {
    for arguments in [["stop", "demo"], ["cancel", "demo"], ["cancel", "random-0/baseA"], ["delete", "demo"]]
    {
        let printed = run(&arguments);
        assert_eq!(printed.code, 2, "{arguments:?}: {}", printed.err);
        assert!(
            printed.err.contains("no terminal to ask on") && printed.err.contains("-y"),
            "{}",
            printed.err
        );
    }
    assert_eq!(run(&["cancel", "demo", "-y"]).code, 5, "with a yes it looks for a coordinator");
}

#[test]
fn only_studies_are_paused_stopped_and_given_priorities() {
    for arguments in [
        &["pause", "demo:random-0/baseA"][..],
        &["stop", "random-0/baseA", "-y"],
        &["prioritize", "a/b", "3"],
    ] {
        let printed = run(arguments);
        assert_eq!(printed.code, 2, "{arguments:?}: {}", printed.err);
        assert!(printed.err.contains("only studies can be"), "{}", printed.err);
    }
}

#[test]
fn a_study_is_not_submitted_under_a_name_that_is_none() {
    let printed = run(&["submit", "grid.yaml", "--as", "No/Name"]);
    assert_eq!(printed.code, 2);
    assert!(printed.err.contains("1 to 64 of a-z 0-9 -"), "{}", printed.err);
}

#[test]
fn a_hold_says_why_and_terms_make_sense() {
    assert_eq!(run(&["hold", "demo"]).code, 2, "without a reason");
    for wrong in [
        &["limit", "demo", "--parallel", "0"][..],
        &["limit", "demo"],
        &["limit", "random-0/baseA", "--parallel", "2"],
        &["deadline", "demo", "tomorrow"],
        &["deadline", "random-0/baseA", "36h"],
        &["submit", "grid.yaml", "--deadline", "soon"],
        &["cancel", "random-0/baseA", "-y", "--dependants", "forget"],
    ] {
        let printed = run(wrong);
        assert_eq!(printed.code, 2, "{wrong:?}: {}", printed.err);
    }
    for fine in [
        &["hold", "demo", "--reason", "x"][..],
        &["limit", "demo", "--parallel", "none"],
        &["deadline", "demo", "36h"],
        &["drain", "node7", "--now"],
        &["release", "node7/gpu0"],
    ] {
        assert_eq!(run(fine).code, 5, "{fine:?} looks for a coordinator");
    }
}
