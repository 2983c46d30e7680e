//! A seeded simulation of a small fleet over the real decisions (`apply`, `assign`,
//! `heard_of_source`): restarts with and without their work, trainers that fail, outages of
//! the coordinator, networks that are lost after others began to copy from them, lost answers,
//! lost, doubled and late messages. Promises are checked after every event; a failure names
//! its seed. Broken on purpose, it must fail: a check that cannot fail is none.

mod fleet;

use fleet::World;

/// What is left out on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Without {
    Nothing,
    /// Messages count for whatever claim is current.
    Fence,
    /// The sweeper goes on at once after an outage.
    Brake,
    /// Those that are ready do not hear that their source is lost.
    Withholding,
    /// Those that come back do not hear what became of their source meanwhile.
    News,
    /// A job that gets nowhere is tried on.
    Fruitless,
}

#[test]
fn every_study_succeeds_and_no_promise_breaks_whatever_the_faults() {
    for seed in 0..100 {
        World::run(seed, Without::Nothing).unwrap_or_else(|what| panic!("seed {seed}: {what}"));
    }
}

/// Of 20 seeds, how many see the promise broken; and in which words.
fn caught(without: Without, what: &str) -> usize {
    let broken = |seed| World::run(seed, without).is_err_and(|told| told.contains(what));
    (0..20).filter(|seed| broken(*seed)).count()
}

#[test]
fn what_is_left_out_on_purpose_is_caught() {
    for (without, what) in [
        (Without::Fence, "an older attempt was heard"),
        (Without::Brake, "a living worker lost its job"),
        (Without::Withholding, "ready without its source"),
        (Without::News, "ready without its source"),
        (Without::Fruitless, "tried on although it gets nowhere"),
    ] {
        let count = caught(without, what);
        assert!(count > 10, "{without:?}: only {count} of 20 seeds saw that {what}");
    }
}
