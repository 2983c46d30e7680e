//! A fleet, event by event: coordinators, the database, daemons with their trainers, people,
//! and the network between them, over the real decisions.
//!
//! What decides is `core`'s: `apply` and what goes with it (through the model of the store),
//! `assign`, the sweeper's `Brake`, a worker's `Trust` and the meaning of a `Verdict`. What is
//! simulated is everything that can go wrong between two decisions. Time is in milliseconds;
//! the database's clock is the true one, but for its jumps.

mod coordinator;
mod daemon;
mod dispatch;
mod faults;
mod letters;
mod people;
mod promises;
mod work;

use std::{cmp::Ordering, collections::BinaryHeap};

use chrono::{DateTime, TimeDelta, Utc};
use selffer_core::job::Job;

use self::{
    coordinator::{Coordinator, Waiting},
    daemon::Daemon,
    letters::{Answer, Letter},
    promises::Shadow,
    work::Work,
};
use crate::{
    model::{Bounds, Due, Model, Without},
    random::Random,
};

const SECOND: i64 = 1_000;
/// Nothing goes wrong from then on.
const FAULTS_UNTIL: i64 = 1_200 * SECOND;
/// From then on people open again what was given up, every so often.
const SETTLES_FROM: i64 = FAULTS_UNTIL + 600 * SECOND;
/// Every network is trained by then, or something is stuck.
const END: i64 = 12_000 * SECOND;

/// Or else which promise is broken.
pub(crate) type Checked<T> = Result<T, String>;

/// What happens at some moment.
#[derive(Clone, Debug)]
enum Happening {
    /// A daemon starts on a node, with what an earlier one left there or without.
    Started {
        node: usize,
        left: Option<Work>,
    },
    /// A daemon's heartbeat is due.
    BeatDue {
        daemon: usize,
    },
    /// A daemon asks for a job.
    AskDue {
        daemon: usize,
    },
    /// Something of a daemon's work is due, if it is still at that step.
    WorkDue {
        daemon: usize,
        step: u32,
    },
    /// A call is repeated, unless it was answered.
    Unanswered {
        daemon: usize,
        call: u32,
    },
    /// A request comes to a coordinator.
    Arrives {
        coordinator: usize,
        letter: Letter,
    },
    /// An answer comes to a daemon.
    Answered {
        daemon: usize,
        call: u32,
        answer: Answer,
    },
    SweepDue {
        coordinator: usize,
        life: u32,
    },
    /// The rest of a sweep.
    RowDue {
        coordinator: usize,
        life: u32,
        looked_at: i64,
        rows: Vec<Due>,
    },
    DispatchDue {
        coordinator: usize,
        life: u32,
    },
    /// The second half of a claim.
    Commits {
        coordinator: usize,
        life: u32,
        waiting: Waiting,
        job: usize,
        read: Job,
    },
    CoordinatorStarted {
        coordinator: usize,
    },
    FaultDue,
    /// A person does something.
    ActDue,
    /// A submission that came before comes again.
    SubmittedAgain {
        request: u64,
        study: usize,
    },
    SnapshotDue,
    RolledBack {
        to: usize,
    },
    ReleasesLater,
    /// All that is broken is repaired.
    Repaired,
}

impl Happening {
    // What happens within a daemon, or only looks.
    fn may_change_rows(&self) -> bool {
        !matches!(
            self,
            Self::BeatDue { .. }
                | Self::AskDue { .. }
                | Self::WorkDue { .. }
                | Self::Unanswered { .. }
                | Self::Answered { .. }
                | Self::Started { .. }
                | Self::SweepDue { .. }
                | Self::DispatchDue { .. }
        )
    }
}

#[derive(Debug)]
struct Scheduled {
    at: i64,
    number: u64,
    what: Happening,
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Scheduled {}
impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
// The earliest is the largest, as the heap wants it.
impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

/// The database: what it holds, and how it answers.
#[derive(Debug)]
struct Database {
    model: Model,
    away_until: i64,
    skew: i64,
    snapshots: Vec<(Model, Shadow)>,
}

pub(crate) struct World {
    random: Random,
    now: i64,
    queue: BinaryHeap<Scheduled>,
    scheduled: u64,
    bounds: Bounds,
    database: Database,
    coordinators: Vec<Coordinator>,
    /// One for each process that ever ran.
    daemons: Vec<Daemon>,
    nodes: usize,
    /// One training in so many fails, in one of three ways from this on.
    fails_one_in: usize,
    fails_with: usize,
    /// One message in so many is lost, and as many are doubled or late.
    trouble_one_in: usize,
    /// Milliseconds between two faults, at most.
    fault_every: i64,
    rolls_back: bool,
    requests: u64,
    calls: u32,
    shadow: Shadow,
    /// Whether the event at hand could have changed any row.
    rows_may_differ: bool,
    /// Whether the row of a sweep at hand is a session's.
    sweeps_a_session: bool,
    ever: promises::Ever,
}

impl World {
    /// Runs one fleet to its end; how many events there were.
    ///
    /// # Errors
    /// The promise that was broken, and how.
    pub(crate) fn run(seed: u64, without: Without) -> Checked<u64> {
        let mut world = Self::new(seed, without);
        let mut events = 0;
        while let Some(Scheduled { at, what, .. }) = world.queue.pop() {
            if at > END {
                return Err(promises::told("I5: stuck", &world.unfinished()));
            }
            world.now = at;
            let is_kept = world.happens(what).and_then(|()| world.check());
            is_kept.map_err(|broken| format!("{broken} at {} ms", at))?;
            events += 1;
            if at > SETTLES_FROM && world.is_finished() {
                return world.check_end().map(|()| events);
            }
        }
        Err("I5: nothing happens any more".to_owned())
    }

    fn new(seed: u64, without: Without) -> Self {
        let mut random = Random::new(seed);
        let sources = 2 + random.below(3);
        let jobs = sources + 4 + random.below(10);
        let source_of = |job: usize| (job >= sources).then_some(job % sources);
        let studies = people::studies(&mut random, jobs, &source_of);
        let model = Model::new((0..jobs).map(source_of).collect(), studies, without);
        let shadow = Shadow::new(jobs);
        let coordinators = (0..1 + random.below(3)).map(|_| Coordinator::new()).collect();
        let mut world = Self {
            now: 0,
            queue: BinaryHeap::new(),
            scheduled: 0,
            bounds: Bounds::default_ones(),
            database: Database { model, away_until: 0, skew: 0, snapshots: Vec::new() },
            coordinators,
            daemons: Vec::new(),
            nodes: 2 + random.below(4),
            fails_one_in: [2, 4, 12][random.below(3)],
            fails_with: random.below(6),
            trouble_one_in: [15, 40, 200][random.below(3)],
            fault_every: [20, 60, 200][random.below(3)] * SECOND,
            rolls_back: random.one_in(3),
            requests: 0,
            calls: 0,
            shadow,
            rows_may_differ: true,
            sweeps_a_session: false,
            ever: promises::Ever::default(),
            random,
        };
        for coordinator in 0..world.coordinators.len() {
            world.at(0, Happening::CoordinatorStarted { coordinator });
        }
        for node in 0..world.nodes {
            world.at(10, Happening::Started { node, left: None });
        }
        world.at(20, Happening::ActDue);
        world.at(SECOND, Happening::FaultDue);
        world.at(60 * SECOND, Happening::SnapshotDue);
        world.at(FAULTS_UNTIL, Happening::Repaired);
        world
    }

    fn at(&mut self, at: i64, what: Happening) {
        self.scheduled += 1;
        self.queue.push(Scheduled { at, number: self.scheduled, what });
    }

    fn after(&mut self, delay: i64, what: Happening) {
        self.at(self.now + delay, what);
    }

    /// The database's clock.
    fn database_now(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::milliseconds(self.now + self.database.skew)
    }

    fn is_away(&self) -> bool {
        self.now < self.database.away_until
    }

    /// Whether something that goes wrong one time in so many does now.
    fn fault(&mut self, one_in: usize) -> bool {
        self.now < FAULTS_UNTIL && self.random.one_in(one_in)
    }

    fn trouble(&mut self) -> bool {
        self.fault(self.trouble_one_in)
    }

    fn without(&self) -> Without {
        self.database.model.without
    }

    fn happens(&mut self, what: Happening) -> Checked<()> {
        match self.stopped_until(&what) {
            Some(until) => self.at(until, what),
            None => self.happens_now(what)?,
        }
        Ok(())
    }

    // Whose process is stopped gets everything when it goes on.
    fn stopped_until(&self, what: &Happening) -> Option<i64> {
        let until = match what {
            Happening::BeatDue { daemon }
            | Happening::AskDue { daemon }
            | Happening::WorkDue { daemon, .. }
            | Happening::Unanswered { daemon, .. }
            | Happening::Answered { daemon, .. } => self.daemons[*daemon].stopped_until,
            Happening::Arrives { coordinator, .. }
            | Happening::SweepDue { coordinator, .. }
            | Happening::RowDue { coordinator, .. }
            | Happening::DispatchDue { coordinator, .. }
            | Happening::Commits { coordinator, .. } => self.coordinators[*coordinator].stopped_until,
            _ => 0,
        };
        (self.now < until).then_some(until)
    }

    fn happens_now(&mut self, what: Happening) -> Checked<()> {
        self.rows_may_differ = what.may_change_rows();
        match what {
            Happening::Started { node, left } => self.daemon_starts(node, left),
            Happening::BeatDue { daemon } => self.beat(daemon),
            Happening::AskDue { daemon } => self.ask(daemon),
            Happening::WorkDue { daemon, step } => self.work_due(daemon, step),
            Happening::Unanswered { daemon, call } => self.answered(daemon, call, Answer::None),
            Happening::Answered { daemon, call, answer } => self.answered(daemon, call, answer),
            Happening::Arrives { coordinator, letter } => self.arrives(coordinator, &letter)?,
            Happening::SweepDue { coordinator, life } => self.sweep(coordinator, life),
            Happening::RowDue { coordinator, life, looked_at, rows } => {
                self.sweep_row(coordinator, life, (looked_at, rows))?;
            }
            Happening::DispatchDue { coordinator, life } => self.dispatch(coordinator, life),
            Happening::Commits { coordinator, life, waiting, job, read } => {
                self.commit_claim(coordinator, life, waiting, (job, &read))?;
            }
            Happening::CoordinatorStarted { coordinator } => self.coordinator_starts(coordinator),
            Happening::FaultDue => self.fault_happens()?,
            Happening::ActDue => self.person_acts()?,
            Happening::SubmittedAgain { request, study } => self.submit(request, study)?,
            Happening::SnapshotDue => self.snapshot(),
            Happening::RolledBack { to } => self.roll_back(to),
            Happening::ReleasesLater => {
                let now = self.database_now();
                self.database.model.release_later(now);
            }
            Happening::Repaired => self.repair(),
        }
        Ok(())
    }
}
