//! The store in memory: the same transactions over plain rows, each decided by the real
//! `core::job::apply`, `heard_of_source` and `Interest::after`.
//!
//! Two things use it. The simulation runs fleets over it, and what happens between two of its
//! transactions is the simulation's to choose. `storage` runs the same histories over it and
//! over PostgreSQL and compares the rows. Names and order of steps follow `storage`; `now` is
//! the database's clock. `Without` leaves a rule out on purpose.

mod acts;
mod attempts;
mod changes;
mod checkpoints;
mod heartbeats;
mod sessions;
mod sweep;
mod without;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use selffer_core::{
    ids::{AttemptNumber, ClaimId, SessionId},
    interest::Interest,
    job::{AttemptOutcome, Budgets, Event, HoldReason, Job, JobState},
    retry::RetryPolicy,
};

pub(crate) use attempts::{Assignment, NewClaim};
pub(crate) use heartbeats::{Item, Judged};
pub(crate) use sweep::{Bounds, Due, Overdue};
pub(crate) use without::Without;

/// Why a transaction changed nothing; as `StoreError`, without its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    StaleClaim,
    SessionEnded,
    SessionSilent,
    Missing,
    NotPublished,
    NotPossible,
    Unwanted,
    InterestGone,
}

/// A job's row.
#[derive(Clone, Debug)]
pub(crate) struct JobRow {
    pub(crate) job: Job,
    pub(crate) source: Option<usize>,
    /// The strongest of its studies'; none before it was submitted.
    pub(crate) interest: Option<Interest>,
    /// Since when its worker is asked to end it.
    pub(crate) withdrawn_at: Option<DateTime<Utc>>,
    pub(crate) succeeded_attempt: Option<AttemptNumber>,
    pub(crate) since: DateTime<Utc>,
    /// When a heartbeat last listed it, and under which claim.
    pub(crate) listed: Option<(ClaimId, DateTime<Utc>)>,
}

/// A session's row.
#[derive(Clone, Debug)]
pub(crate) struct SessionRow {
    pub(crate) node: usize,
    pub(crate) ended: bool,
    pub(crate) expired: bool,
    pub(crate) heard_at: DateTime<Utc>,
    pub(crate) inherits: bool,
}

/// An attempt's row; open until it has an outcome.
#[derive(Clone, Debug)]
pub(crate) struct AttemptRow {
    pub(crate) job: usize,
    pub(crate) number: AttemptNumber,
    pub(crate) outcome: Option<AttemptOutcome>,
}

/// What a checkpoint is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Intermediate,
    Final,
}

/// How far a checkpoint is; the number of its publication, which orders them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Begun,
    Published(u32),
    Quarantined,
}

/// A checkpoint's row.
#[derive(Clone, Debug)]
pub(crate) struct CheckpointRow {
    pub(crate) id: u32,
    pub(crate) job: usize,
    pub(crate) claim: ClaimId,
    pub(crate) kind: Kind,
    pub(crate) stage: Stage,
    pub(crate) iteration: u32,
}

/// A study's row; its networks are there once it was submitted.
#[derive(Clone, Debug)]
pub(crate) struct StudyRow {
    pub(crate) jobs: Vec<usize>,
    pub(crate) interest: Option<Interest>,
}

/// Who makes a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Party {
    Worker,
    Sweeper,
    Person,
}

/// One event that a job took, for whoever checks promises.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) job: usize,
    /// The claim that the message showed; none where no worker spoke of this very job.
    pub(crate) said: Option<ClaimId>,
    pub(crate) by: Party,
    pub(crate) event: Event,
    pub(crate) before: Job,
    pub(crate) after: Job,
}

/// Every row there is.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) without: Without,
    pub(crate) policy: RetryPolicy,
    pub(crate) jobs: Vec<JobRow>,
    pub(crate) studies: Vec<StudyRow>,
    pub(crate) sessions: BTreeMap<SessionId, SessionRow>,
    pub(crate) attempts: BTreeMap<ClaimId, AttemptRow>,
    /// The claims of the attempts that are open.
    pub(crate) open: BTreeSet<ClaimId>,
    pub(crate) checkpoints: Vec<CheckpointRow>,
    /// By job and attempt, the final checkpoint.
    pub(crate) results: BTreeMap<(usize, AttemptNumber), u32>,
    /// By job and attempt, the sequences in the order of their storing.
    pub(crate) curves: BTreeMap<(usize, AttemptNumber), Vec<u32>>,
    /// Which study each request submitted, and the number of its answer.
    pub(crate) requests: BTreeMap<u64, u32>,
    /// What happened since somebody last took it.
    pub(crate) journal: Vec<Change>,
    /// What the broken variant `ReleaseLater` has yet to release.
    pub(crate) later: Vec<usize>,
    /// The claim that the message at hand shows, and who sent it.
    said: Option<ClaimId>,
    by: Party,
    counter: u32,
}

impl Model {
    /// Nothing is submitted yet. `sources` has one entry a job: the job it copies from, which
    /// copies from none. `studies` says which jobs each wants, with their sources.
    pub(crate) fn new(sources: Vec<Option<usize>>, studies: Vec<Vec<usize>>, without: Without) -> Self {
        let row = |source| JobRow {
            job: Job { state: JobState::Waiting, attempt: AttemptNumber(0), budgets: Budgets::default() },
            source,
            interest: None,
            withdrawn_at: None,
            succeeded_attempt: None,
            since: DateTime::UNIX_EPOCH,
            listed: None,
        };
        let mut policy = RetryPolicy::DEFAULT;
        if without == Without::Fruitless {
            policy.fruitless_max = u32::MAX;
        }
        Self {
            without,
            policy,
            jobs: sources.into_iter().map(row).collect(),
            studies: studies.into_iter().map(|jobs| StudyRow { jobs, interest: None }).collect(),
            sessions: BTreeMap::new(),
            attempts: BTreeMap::new(),
            open: BTreeSet::new(),
            checkpoints: Vec::new(),
            results: BTreeMap::new(),
            curves: BTreeMap::new(),
            requests: BTreeMap::new(),
            journal: Vec::new(),
            later: Vec::new(),
            said: None,
            by: Party::Person,
            counter: 0,
        }
    }

    // A transaction begins.
    fn begins(&mut self, by: Party) {
        self.by = by;
        self.said = None;
    }

    fn count(&mut self) -> u32 {
        self.counter += 1;
        self.counter
    }

    pub(crate) fn is_succeeded(&self, job: usize) -> bool {
        self.jobs[job].job.state == JobState::Succeeded
    }

    /// Whether what a succeeded job's dependants copy is there to be copied.
    pub(crate) fn final_is_sound(&self, job: usize) -> bool {
        let attempt = self.jobs[job].succeeded_attempt;
        let id = attempt.and_then(|attempt| self.results.get(&(job, attempt)));
        let row = id.and_then(|id| self.checkpoints.iter().find(|row| row.id == *id));
        row.is_some_and(|row| matches!(row.stage, Stage::Published(_)))
    }

    /// The strongest interest of the studies that want it, as their own rows say.
    pub(crate) fn wanted(&self, job: usize) -> Option<Interest> {
        let wanting = self.studies.iter().filter(|study| study.jobs.contains(&job));
        wanting.filter_map(|study| study.interest).min()
    }

    /// The jobs that the dispatcher may hand out.
    pub(crate) fn candidates(&self, now: DateTime<Utc>) -> Vec<usize> {
        (0..self.jobs.len()).filter(|job| self.is_claimable(*job, now)).collect()
    }

    fn is_claimable(&self, job: usize, now: DateTime<Utc>) -> bool {
        let row = &self.jobs[job];
        let is_wanted = row.interest == Some(Interest::Active)
            || (self.without == Without::InterestGuard && row.interest.is_some());
        is_wanted && matches!(row.job.state, JobState::Ready { not_before } if not_before <= now)
    }
}

/// Whether a job is held because its source ended.
pub(crate) fn is_held_for_source(job: &Job) -> bool {
    matches!(&job.state, JobState::Held { reason: HoldReason::SourceEnded { .. } })
}
