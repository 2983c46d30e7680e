//! A whole study under fire: every process of its fleet is killed at seeded moments, alone
//! and two at once, and started again; the study ends as if nothing had happened.
//!
//! Shows of the promises: I1 (submissions made meanwhile), I2 (no network un-succeeds), I3 to
//! I7 and I10 (`assert_invariants`). `SELFFER_CHAOS_SEED` chooses another schedule;
//! `SELFFER_TEST_KEEP` keeps the folder of a run that failed.

#![allow(clippy::print_stdout, reason = "the diary of a run that failed")]

use std::{collections::BTreeSet, path::PathBuf, thread, time::Duration};

use selffer_tests::{
    fleet::Fleet,
    invariants::assert_invariants,
    keeper::Keeper,
    person::Person,
    schedule::{Moment, Random, Strike, schedule},
    sight::Sight,
    wait,
};

use super::{
    STUDY_PATIENCE, import_images,
    reference::{self, TIMES},
};

const SEED: u64 = 1;
const KILLS_MIN: usize = 30;
/// How long a strike waits for its moment, if that does not come by itself.
const MOMENT_PATIENCE: Duration = Duration::from_secs(20);
/// How long a strike waits for a trainer that is to be killed.
const VICTIM_PATIENCE: Duration = Duration::from_secs(4);
/// Studies that a person submits meanwhile; they want networks of the first.
const SUBMISSIONS: u32 = 4;

#[test]
fn a_study_ends_as_if_nothing_had_happened_however_often_its_processes_are_killed() {
    let undisturbed = reference::outcomes();
    let seed = seed();
    println!("SELFFER_CHAOS_SEED={seed}");
    let mut fleet = Fleet::start_with(&TIMES);
    import_images(&fleet, 20, 8);
    let _ = fleet.jobctl_ok(&["submit", &fleet.write("chaos.yaml", &reference::grid("chaos")), "--yes"]);
    fleet.worker_arguments = reference::worker_arguments();
    fleet.start_worker("one", 1);
    fleet.start_worker("two", 1);

    let sight = Sight::default();
    let person = fleet.person().clone();
    let submitted = thread::scope(|scope| {
        let watching = StopAtEnd(&sight);
        scope.spawn(|| sight.watch(&person, "chaos"));
        let submitting = scope.spawn(|| submit_meanwhile(&person, &sight, seed));
        let mut chaos = Chaos { fleet: &mut fleet, sight: &sight, keeper: Keeper::default(), kills: 0 };
        chaos.run(&schedule(seed));
        chaos.settle();
        let submitted = submitting.join().expect("submissions under fire");
        drop(watching);
        submitted
    });

    assert!(sight.wrong().is_empty(), "I2: {:?}", sight.wrong());
    assert_invariants(&mut fleet);
    assert_submitted(&fleet, &submitted);
    reference::assert_same(&undisturbed, &fleet.person().outcomes("chaos"));
    fleet.stop_in_order();
}

#[test]
fn a_schedule_is_a_pure_function_of_its_seed_and_spares_nobody() {
    assert_eq!(schedule(7), schedule(7));
    assert_ne!(schedule(7), schedule(8));
    for seed in 0..100 {
        let strikes = schedule(seed);
        let victims: Vec<_> = strikes.iter().flat_map(|strike| &strike.victims).collect();
        assert!(victims.len() > KILLS_MIN, "seed {seed}: {}", victims.len());
        assert!(strikes.iter().any(|strike| strike.moment == Moment::Completion), "seed {seed}");
        assert!(strikes.iter().any(|strike| strike.moment == Moment::StartUp), "seed {seed}");
    }
}

fn seed() -> u64 {
    let given = std::env::var("SELFFER_CHAOS_SEED").ok();
    given.map_or(SEED, |text| text.parse().expect("SELFFER_CHAOS_SEED is a number"))
}

/// Ends the watching also when the test breaks off; the scope would wait for it for ever.
struct StopAtEnd<'a>(&'a Sight);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// A fleet under fire.
struct Chaos<'a> {
    fleet: &'a mut Fleet,
    sight: &'a Sight,
    keeper: Keeper,
    kills: usize,
}

impl Chaos<'_> {
    fn run(&mut self, strikes: &[Strike]) {
        let started = std::time::Instant::now();
        for strike in strikes {
            self.wait_for(strike);
            let dead = self.fleet.kill(&strike.victims);
            let share = 100.0 * self.sight.share();
            println!("{:6.1} s, {share:3.0} %: {strike:?} hit {dead:?}", started.elapsed().as_secs_f64());
            self.kills += dead.len();
            for victim in dead {
                let at = strike.victims.iter().position(|planned| *planned == victim);
                self.keeper.plan(victim, strike.dead_for[at.expect("only who was planned dies")]);
            }
        }
        println!("{:6.1} s: {} kills", started.elapsed().as_secs_f64(), self.kills);
        assert!(self.kills >= KILLS_MIN, "only {} kills hit", self.kills);
    }

    fn wait_for(&mut self, strike: &Strike) {
        let finals_before = self.finals();
        wait::closely(MOMENT_PATIENCE, || {
            self.keeper.tend(self.fleet);
            match strike.moment {
                Moment::Work(share) => self.sight.share() >= share,
                Moment::Completion => !self.finals().is_subset(&finals_before),
                Moment::StartUp => self.keeper.is_idle(),
            }
        });
        // At its moment it falls on whom it finds; otherwise it may wait for a trainer.
        if let Moment::Work(_) = strike.moment {
            wait::holds_within(VICTIM_PATIENCE, || {
                self.keeper.tend(self.fleet);
                strike.victims.iter().all(|victim| self.fleet.find(*victim).is_some())
            });
        }
        wait::closely(strike.after, || {
            self.keeper.tend(self.fleet);
            false
        });
    }

    /// Trained networks that were not sent yet.
    fn finals(&self) -> BTreeSet<PathBuf> {
        let attempts = ["one", "two"].into_iter().flat_map(|worker| self.fleet.attempts(worker));
        attempts.map(|attempt| attempt.join("final")).filter(|folder| folder.is_dir()).collect()
    }

    /// Everything runs again, and the study is through; however slow the machine, it goes on.
    fn settle(&mut self) {
        while !self.is_through() {
            let before = self.sight.share();
            wait::until("more of the study", STUDY_PATIENCE, || {
                self.keeper.tend(self.fleet);
                self.sight.share() > before || self.is_through()
            });
        }
        let surprises = &self.keeper.surprises;
        assert!(surprises.is_empty(), "{}", surprises.join("\n"));
    }

    fn is_through(&self) -> bool {
        self.sight.is_finished() && self.keeper.is_idle()
    }
}

/// Submits studies while the fleet is under fire, each again and again until it is
/// acknowledged; returns their names.
fn submit_meanwhile(person: &Person, sight: &Sight, seed: u64) -> Vec<String> {
    let mut random = Random::new(seed ^ 0x5eed);
    let mut acknowledged = Vec::new();
    for number in 0..SUBMISSIONS {
        let name = format!("meanwhile-{number}");
        let share = 0.8 * (f64::from(number) + random.unit()) / f64::from(SUBMISSIONS);
        wait::holds_within(STUDY_PATIENCE, || sight.share() >= share || sight.is_over());
        let grid = person.write_grid(&name, &reference::grid(&name));
        wait::until("an acknowledged submission", STUDY_PATIENCE, || {
            person.jobctl(&["submit", &grid, "--yes"]).code == 0 || sight.is_over()
        });
        acknowledged.push(name);
    }
    acknowledged
}

/// I1: each acknowledged study is there once, whole, and done.
fn assert_submitted(fleet: &Fleet, names: &[String]) {
    let list = fleet.jobctl_json(&["list", "studies"]);
    let listed: Vec<_> = list["studies"].as_array().unwrap().iter().map(|study| &study["name"]).collect();
    for name in names {
        assert_eq!(
            listed.iter().filter(|listed| **listed == name.as_str()).count(),
            1,
            "{name} in {listed:?}"
        );
        let states = fleet.states(name);
        assert_eq!(states.len(), reference::JOBS, "{name}");
        assert!(states.iter().all(|(_, state)| state == "succeeded"), "{name}: {states:?}");
    }
}
