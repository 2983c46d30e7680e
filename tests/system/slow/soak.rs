//! A long day in short: twenty workers, a fault every second, hundreds of small real jobs.
//!
//! Shows of the promises: every job has exactly one result (I2 to I4), all of them hold when it
//! is quiet (`assert_invariants`), and nothing was left open meanwhile or afterwards: processes,
//! connections, files, transactions (I10). What came of it is printed. `SELFFER_CHAOS_SEED` chooses
//! other faults, `SELFFER_SOAK_JOBS` another number of jobs.

#![allow(clippy::print_stdout, reason = "what a soak is for")]

use std::{
    collections::BTreeMap,
    fs,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{self, Signal},
    unistd::Pid,
};
use selffer_tests::{
    fleet::Fleet,
    invariants::{assert_invariants, with_store},
    keeper::Keeper,
    machine,
    schedule::{Random, Victim},
    wait,
};

use crate::{STUDY_PATIENCE, import_images, reference::TIMES};

const SEED: u64 = 1;
const JOBS: usize = 500;
const WORKERS: usize = 20;
/// From one fault to the next.
const FAULT_EVERY: Duration = Duration::from_secs(1);
/// How long a worker that is stopped stays so: a moment, or until it has been given up.
const STOPPED_MS: [u64; 2] = [800, 6_000];
/// Between two looks of a person, who retries what is held.
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// Connections of a coordinator: both its pools, and some that are just being made or ended.
const CONNECTIONS_MAX: usize = 24;
const STUDY: &str = "soak";

/// Kinds of faults, and how often each befell somebody.
type Count = BTreeMap<&'static str, usize>;

#[test]
fn five_hundred_jobs_on_twenty_workers_survive_a_fault_every_second() {
    let seed = given("SELFFER_CHAOS_SEED").unwrap_or(SEED);
    let jobs = given("SELFFER_SOAK_JOBS").map_or(JOBS, |jobs| jobs as usize);
    println!("SELFFER_CHAOS_SEED={seed} SELFFER_SOAK_JOBS={jobs}");
    let mut fleet = Fleet::start_with(&TIMES);
    import_images(&fleet, 20, 8);
    fleet.worker_arguments = vec!["--checkpoint-every=500ms".to_owned()];
    for index in 0..WORKERS {
        fleet.start_worker(&format!("worker-{index}"), 1);
    }
    let _ = fleet.jobctl_ok(&["submit", &fleet.write("soak.yaml", &grid(jobs)), "--yes"]);

    let began = Instant::now();
    let mut soak =
        Soak { fleet: &mut fleet, random: Random::new(seed), keeper: Keeper::default(), stopped: Vec::new() };
    let faults = soak.until_done();
    println!("{jobs} jobs in {:.0} s, faults {faults:?}", began.elapsed().as_secs_f64());

    assert_one_result_each(&fleet, jobs);
    assert_invariants(&mut fleet);
    assert_nothing_stays_open(&mut fleet);
    fleet.stop_in_order();
}

/// Half base networks, half those copied from them.
fn grid(jobs: usize) -> String {
    let seeds = jobs / 4 - 1;
    format!(
        "study: {STUDY}\ndataset: bars\nnetwork: caffenet-28-slim\n\
         recipe: {{preset: quick-28, iterations: 12, batch: 16, test_every: 6}}\n\
         split: random-0\ntreatment: [base, AnB]\nn: 3\ndirection: [AtoB, BtoA]\nseed: 0..{seeds}\n"
    )
}

fn given(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

/// A fleet that something befalls every second.
struct Soak<'a> {
    fleet: &'a mut Fleet,
    random: Random,
    keeper: Keeper,
    /// Processes that are stopped, and until when.
    stopped: Vec<(Pid, Instant)>,
}

impl Soak<'_> {
    /// Goes on until every job has succeeded; how often what befell somebody.
    fn until_done(&mut self) -> Count {
        let mut faults = Count::new();
        let (mut fault_at, mut look_at) = (Instant::now(), Instant::now());
        let (mut done, mut progressed_at) = (0, Instant::now());
        loop {
            wait::moment(Duration::from_millis(100));
            self.keeper.tend(self.fleet);
            self.wake_up(Instant::now());
            if fault_at.elapsed() >= FAULT_EVERY {
                fault_at = Instant::now();
                if let Some(fault) = self.strike() {
                    *faults.entry(fault).or_default() += 1;
                }
            }
            if look_at.elapsed() >= LOOK_EVERY {
                look_at = Instant::now();
                let (succeeded, left) = self.look();
                if left == 0 && self.keeper.is_idle() {
                    break;
                }
                if succeeded > done {
                    (done, progressed_at) = (succeeded, Instant::now());
                }
                assert!(
                    progressed_at.elapsed() < STUDY_PATIENCE,
                    "no job has ended for a long time; {left} are left"
                );
            }
        }
        self.wake_up(Instant::now() + STUDY_PATIENCE);
        let surprises = &self.keeper.surprises;
        assert!(surprises.is_empty(), "{}", surprises.join("\n"));
        faults
    }

    /// Jobs that have succeeded, and how many have not; what is held or failed is tried again, as
    /// a person would. While nobody answers, one is left.
    fn look(&self) -> (usize, usize) {
        let Some(jobs) = self.fleet.person().jobs_if_answered(STUDY) else { return (0, 1) };
        let in_state = |states: &[&str]| {
            jobs.iter().filter(|job| states.contains(&job["state"].as_str().unwrap_or_default())).count()
        };
        if in_state(&["held", "failed"]) > 0 {
            // It may be away at this very moment; the next look does it again.
            let _ = self.fleet.jobctl(&["retry", STUDY]);
        }
        let succeeded = in_state(&["succeeded"]);
        (succeeded, jobs.len().max(1) - succeeded)
    }

    /// Something befalls somebody.
    fn strike(&mut self) -> Option<&'static str> {
        let worker = self.random.below(WORKERS as u64) as usize;
        let (fault, victim) = match self.random.below(20) {
            0 => ("coordinator killed", Victim::Coordinator),
            1 => ("database killed", Victim::Database),
            2..6 => return self.stop(worker),
            6..12 => ("trainer killed", Victim::Trainer(worker)),
            _ => ("worker killed", Victim::Worker(worker)),
        };
        let dead_for = Duration::from_millis(self.random.below(1_500));
        let dead = self.fleet.kill(&[victim]);
        dead.iter().for_each(|dead| self.keeper.plan(*dead, dead_for));
        (!dead.is_empty()).then_some(fault)
    }

    /// Stops a daemon as a paused virtual machine is; its trainer goes on.
    fn stop(&mut self, worker: usize) -> Option<&'static str> {
        let daemon = self.fleet.find(Victim::Worker(worker))?;
        if self.stopped.iter().any(|(stopped, _)| *stopped == daemon) {
            return None;
        }
        signal::kill(daemon, Signal::SIGSTOP).ok()?;
        let stopped_ms = STOPPED_MS[self.random.below(2) as usize];
        self.stopped.push((daemon, Instant::now() + Duration::from_millis(stopped_ms)));
        Some("worker stopped for a while")
    }

    /// Lets those go on whose time has come; one that was killed meanwhile is left out.
    fn wake_up(&mut self, now: Instant) {
        let due = |until: &Instant| *until <= now;
        for (daemon, _) in self.stopped.iter().filter(|(_, until)| due(until)) {
            if machine::process(*daemon).is_some_and(|seen| seen.command.contains("workerd")) {
                let _ = signal::kill(*daemon, Signal::SIGCONT);
            }
        }
        self.stopped.retain(|(_, until)| !due(until));
    }
}

fn assert_one_result_each(fleet: &Fleet, jobs: usize) {
    let states = fleet.states(STUDY);
    assert_eq!(states.len(), jobs);
    assert!(states.iter().all(|(_, state)| state == "succeeded"), "{states:?}");
    let study = fleet.jobctl_json(&["list", "jobs", STUDY]);
    let attempts =
        study["jobs"].as_array().unwrap().iter().map(|job| job["attempt"].as_u64().unwrap_or_default());
    let attempts: Vec<u64> = attempts.collect();
    let most = attempts.iter().max().unwrap();
    println!("{} attempts in all, at most {most} of one job", attempts.iter().sum::<u64>());
}

fn assert_nothing_stays_open(fleet: &mut Fleet) {
    let open = with_store(fleet, async |store, _| {
        (store.transactions_left_open().await.unwrap(), store.connections().await.unwrap() as usize)
    });
    let coordinator = fleet.find(Victim::Coordinator).unwrap();
    let files = fs::read_dir(format!("/proc/{coordinator}/fd")).unwrap().count();
    let processes = fleet.processes().len();
    println!("afterwards: {} connections, {files} files of the coordinator, {processes} processes", open.1);
    assert_eq!(open.0, 0, "transactions are left open");
    assert!(open.1 <= CONNECTIONS_MAX, "{} connections to the database", open.1);
    // Its sockets, its log, its store's folders, and what the runtime needs.
    assert!(files < 200, "the coordinator has {files} files open");
    assert!(processes < 2 * WORKERS + CONNECTIONS_MAX + 20, "{processes} processes");
}
