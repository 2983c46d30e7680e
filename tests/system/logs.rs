//! What a trainer writes, read by people while it writes and afterwards.

use selffer_tests::{
    fleet::{Fleet, PATIENCE},
    process::Process,
    schedule::Victim,
    wait,
};

use super::{STUDY_PATIENCE, import_images, reference};

/// One network, long enough to be followed.
const GRID: &str = "\
study: one
dataset: bars
network: caffenet-28-slim
recipe: {preset: quick-28, iterations: 300, batch: 64, test_every: 150}
split: random-0
treatment: base
direction: AtoB
";

#[test]
fn a_log_is_followed_through_attempts_to_the_end_and_earlier_attempts_can_be_chosen() {
    let mut fleet = Fleet::start_with(&reference::PATIENT);
    import_images(&fleet, 20, 8);
    fleet.worker_arguments = reference::worker_arguments();
    let _ = fleet.jobctl_ok(&["submit", &fleet.write("one.yaml", GRID), "--yes"]);
    fleet.start_worker("one", 1);
    let job = "one:random-0/baseB".to_owned();
    wait::until("a log", PATIENCE, || fleet.jobctl(&["logs", &job]).out.contains("300 iterations of 64"));
    let mut command = fleet.person().command("jobctl");
    command.args(["logs", &job, "--follow"]);
    let mut follower = Process::start(command, fleet.path("follower.log"));
    wait::until("a line that came later", PATIENCE, || follower.printed().contains("iteration 20: "));

    assert_eq!(fleet.kill(&[Victim::Trainer(0)]), [Victim::Trainer(0)]);

    // Its attempt has ended, and nothing more comes of that one.
    assert_eq!(follower.wait(STUDY_PATIENCE), Some(0), "{}", follower.printed());
    wait::until("success", STUDY_PATIENCE, || {
        fleet.states("one").iter().all(|(_, state)| state == "succeeded")
    });
    let [first, second] = ["1", "2"].map(|attempt| fleet.jobctl_ok(&["logs", &job, "--attempt", attempt]));
    assert!(!first.contains("iteration 300: test top-1"), "{first}");
    assert!(second.contains("iteration 300: test top-1"), "{second}");
    assert_eq!(fleet.jobctl_ok(&["logs", &job]), second, "the newest, if nothing is said");
    let missing = fleet.jobctl(&["logs", &job, "--attempt", "7"]);
    assert_eq!(missing.code, 3, "{}", missing.err);
}
