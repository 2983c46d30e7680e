//! Verifying checkpoints, as far as that needs no coordinator.

use super::program::run;

const VERIFY: [&str; 3] = ["checkpoint", "verify", "random-0/A3B"];

#[test]
fn how_far_to_replay_is_a_number_from_1_on_or_all() {
    for wrong in ["0", "-3", "some"] {
        let printed = run(&[&VERIFY[..], &[&format!("--replay={wrong}")]].concat());
        assert_eq!(printed.code, 2, "{wrong}: {}", printed.err);
        assert!(printed.err.contains("a number from 1 on, or all"), "{}", printed.err);
    }
    let printed = run(&[&VERIFY[..], &["--threads", "2"]].concat());
    assert_eq!(printed.code, 2, "threads are a replay's: {}", printed.err);
}

#[test]
fn a_program_that_trains_and_is_not_there_is_asked_for_before_anybody_else() {
    let printed = run(&[&VERIFY[..], &["--replay", "all", "--workerd", "no/such/workerd"]].concat());
    assert_eq!(printed.code, 3, "{}", printed.err);
    assert!(
        printed.err.contains("there is no program no/such/workerd; give --workerd PATH"),
        "{}",
        printed.err
    );
}
