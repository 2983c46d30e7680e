//! Why a job waits: every reason, as data and as a sentence.
//!
//! Pure, over what the coordinator has read. A job that runs or has ended gives no
//! reason; one that does not is never without one, so nothing is stuck silently.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};

use super::{NeededPack, PackRoom, fits_nobody};
use crate::{
    job::{HoldReason, JobState, StateKind},
    limits::{CONFIRM_WITHIN_S, LOST_AFTER_S, SESSION_TTL_S},
};

/// What must be known of a job to say why it waits.
#[derive(Clone, Debug)]
pub struct Situation<'a> {
    /// Where it stands.
    pub state: &'a JobState,
    /// The job whose layers it copies, if any.
    pub source: Option<SourceSituation<'a>>,
    /// What it reads.
    pub pack: NeededPack,
    /// The workers.
    pub fleet: Fleet,
    /// What each of them last said of packs; empty if that is not known of all.
    pub rooms: &'a [PackRoom],
    /// Ready jobs that go before it.
    pub jobs_ahead: u64,
}

/// The source of a job.
#[derive(Clone, Copy, Debug)]
pub struct SourceSituation<'a> {
    /// What people call it, e.g. `random-0/baseA`.
    pub name: &'a str,
    /// Where it stands.
    pub state: StateKind,
}

/// The workers of all live sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fleet {
    /// All of them.
    pub workers: u64,
    /// Those that ask for a job.
    pub waiting: u64,
}

/// One reason why a job does not run yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WaitReason {
    /// Its source network has not succeeded.
    Source {
        /// What people call it.
        name: String,
        /// Where it stands.
        state: StateKind,
    },
    /// It is tried again later.
    Backoff {
        /// Seconds until then.
        seconds: i64,
    },
    /// No worker is connected.
    NoWorkers,
    /// Every worker has something to do.
    WorkersBusy {
        /// How many there are.
        workers: u64,
    },
    /// Every worker has been set aside: drained, or quarantined.
    AllSetAside {
        /// How many there are.
        workers: u64,
    },
    /// The studies that want it have as many networks at work as they may.
    StudiesFull,
    /// Other ready jobs go first.
    JobsAhead {
        /// How many.
        count: u64,
    },
    /// No worker has its pack or can hold it.
    PackFitsNobody {
        /// Length of the pack.
        bytes: u64,
        /// The most that a worker can hold.
        largest: u64,
    },
    /// Nothing is in its way: the next dispatch gives it out.
    AboutToStart,
    /// A worker has it but has not confirmed.
    NotConfirmed {
        /// Which.
        worker: String,
        /// Seconds until it is given to another.
        seconds: i64,
    },
    /// Its worker is silent and may still come back.
    WorkerSilent {
        /// Which.
        worker: String,
        /// Seconds until it is taken away from it, at the most.
        seconds: i64,
    },
    /// A person must decide.
    Held(HoldReason),
}

/// Every reason why the job waits, the weightiest first; none if it runs or has ended.
#[must_use]
pub fn explain(situation: &Situation<'_>, now: DateTime<Utc>) -> Vec<WaitReason> {
    match situation.state {
        JobState::Waiting => vec![source_reason(situation)],
        JobState::Ready { not_before } => ready_reasons(situation, *not_before, now),
        JobState::Leased { lease, leased_at } => vec![WaitReason::NotConfirmed {
            worker: lease.worker.clone(),
            seconds: seconds_left(*leased_at, CONFIRM_WITHIN_S, now),
        }],
        JobState::Suspect { lease, since } => vec![WaitReason::WorkerSilent {
            worker: lease.worker.clone(),
            // The silence began a session's time to live before the session expired.
            seconds: seconds_left(*since, LOST_AFTER_S - SESSION_TTL_S, now),
        }],
        JobState::Held { reason } => vec![WaitReason::Held(reason.clone())],
        JobState::Running { .. } | JobState::Succeeded | JobState::Failed { .. } | JobState::Cancelled => {
            Vec::new()
        }
    }
}

fn source_reason(situation: &Situation<'_>) -> WaitReason {
    match situation.source {
        Some(source) if source.state != StateKind::Succeeded => {
            WaitReason::Source { name: source.name.to_owned(), state: source.state }
        }
        // Its release is in the transaction of its source, so this is between two reads.
        _ => WaitReason::AboutToStart,
    }
}

fn ready_reasons(
    situation: &Situation<'_>,
    not_before: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Vec<WaitReason> {
    let Fleet { workers, waiting } = situation.fleet;
    let mut reasons = Vec::new();
    if not_before > now {
        reasons.push(WaitReason::Backoff { seconds: seconds_up((not_before - now).num_milliseconds()) });
    }
    if workers == 0 {
        reasons.push(WaitReason::NoWorkers);
    } else if waiting == 0 {
        reasons.push(WaitReason::WorkersBusy { workers });
    }
    if situation.jobs_ahead > 0 && situation.jobs_ahead >= waiting {
        reasons.push(WaitReason::JobsAhead { count: situation.jobs_ahead });
    }
    // Busy or not: no worker that is there now will do.
    let fits_nobody = fits_nobody(&situation.pack, situation.rooms);
    reasons.splice(0..0, fits_nobody);
    if reasons.is_empty() {
        reasons.push(WaitReason::AboutToStart);
    }
    reasons
}

fn seconds_left(from: DateTime<Utc>, within_s: u64, now: DateTime<Utc>) -> i64 {
    let until = from + TimeDelta::seconds(within_s as i64);
    seconds_up((until - now).num_milliseconds()).max(0)
}

fn seconds_up(milliseconds: i64) -> i64 {
    milliseconds.div_euclid(1_000) + i64::from(milliseconds.rem_euclid(1_000) > 0)
}

// In the unit that leaves one to three digits before the point.
fn told_bytes(bytes: u64) -> String {
    let (mut value, mut unit) = (bytes as f64, "B");
    for larger in ["kB", "MB", "GB", "TB"] {
        if value < 1_000.0 {
            break;
        }
        (value, unit) = (value / 1_000.0, larger);
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{value:.1} {unit}") }
}

impl fmt::Display for WaitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source { name, state } => write!(f, "its source network {name} is {state}"),
            Self::Backoff { seconds } => write!(f, "it is tried again in {seconds} s"),
            Self::NoWorkers => f.write_str("no worker is connected"),
            Self::WorkersBusy { workers: 1 } => f.write_str("the only worker is busy"),
            Self::WorkersBusy { workers } => write!(f, "all {workers} workers are busy"),
            Self::AllSetAside { workers: 1 } => f.write_str("the only worker is set aside"),
            Self::AllSetAside { workers } => write!(f, "all {workers} workers are set aside"),
            Self::StudiesFull => f.write_str("its study has as many networks at work as it may"),
            Self::JobsAhead { count: 1 } => f.write_str("1 job goes first"),
            Self::JobsAhead { count } => write!(f, "{count} jobs go first"),
            Self::PackFitsNobody { bytes, largest } => {
                let (bytes, largest) = (told_bytes(*bytes), told_bytes(*largest));
                write!(f, "its pack of {bytes} fits no worker: the most that one takes now is {largest}")
            }
            Self::AboutToStart => f.write_str("it is about to start"),
            Self::NotConfirmed { worker, seconds } => {
                write!(f, "{worker} has it and must confirm within {seconds} s")
            }
            Self::WorkerSilent { worker, seconds } => {
                write!(f, "{worker} is silent; another worker may have it in {seconds} s")
            }
            Self::Held(HoldReason::Operator { reason }) => write!(f, "a person holds it: {reason}"),
            Self::Held(reason) => write!(f, "it is held: {reason}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{
        ids::{ClaimId, Digest, SessionId},
        job::{Failure, FailureClass, Lease},
    };

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
    }

    fn lease() -> Lease {
        let session_id = SessionId(Uuid::from_bytes([1; 16]));
        Lease { claim_id: ClaimId([1; 16]), session_id, worker: "node1/gpu0".into() }
    }

    // What people read about a job at second 100, among (workers, waiting) and jobs ahead.
    fn check(state: &JobState, (workers, waiting): (u64, u64), jobs_ahead: u64, expected: &[&str]) {
        check_with_rooms(state, (workers, waiting), (jobs_ahead, &[]), expected);
    }

    // The same, of a job whose pack has 3 MB, and what each worker said.
    fn check_with_rooms(
        state: &JobState,
        (workers, waiting): (u64, u64),
        (jobs_ahead, rooms): (u64, &[PackRoom]),
        expected: &[&str],
    ) {
        let source = Some(SourceSituation { name: "random-0/baseA", state: StateKind::Running });
        let pack = NeededPack { digest: Digest([9; 32]), bytes: 3_000_000 };
        let fleet = Fleet { workers, waiting };
        let situation = Situation { state, source, pack, fleet, rooms, jobs_ahead };
        let reasons: Vec<_> = explain(&situation, at(100)).iter().map(ToString::to_string).collect();
        assert_eq!(reasons, expected);
    }

    #[test]
    fn a_waiting_job_names_its_source() {
        check(&JobState::Waiting, (1, 0), 3, &["its source network random-0/baseA is running"]);
    }

    #[test]
    fn a_ready_job_lists_everything_that_is_in_its_way() {
        let ready = JobState::Ready { not_before: at(90) };
        check(&ready, (0, 0), 0, &["no worker is connected"]);
        check(&ready, (2, 0), 5, &["all 2 workers are busy", "5 jobs go first"]);
        check(&ready, (1, 0), 1, &["the only worker is busy", "1 job goes first"]);
        check(&ready, (3, 2), 1, &["it is about to start"]);
        check(&ready, (3, 2), 2, &["2 jobs go first"]);
        let later = JobState::Ready { not_before: at(107) - TimeDelta::milliseconds(1) };
        check(&later, (0, 0), 0, &["it is tried again in 7 s", "no worker is connected"]);
    }

    #[test]
    fn a_job_whose_pack_fits_nobody_says_so_first() {
        let ready = JobState::Ready { not_before: at(90) };
        let holds = |bytes| PackRoom { bytes_max: Some(bytes), ..PackRoom::default() };
        let told = "its pack of 3.0 MB fits no worker: the most that one takes now is 2.0 MB";

        check_with_rooms(&ready, (2, 2), (0, &[holds(999), holds(2_000_000)]), &[told]);
        check_with_rooms(&ready, (1, 0), (0, &[holds(2_000_000)]), &[told, "the only worker is busy"]);
        check_with_rooms(&ready, (2, 2), (0, &[holds(0), holds(3_000_000)]), &["it is about to start"]);
        check_with_rooms(&ready, (2, 2), (0, &[holds(0), PackRoom::default()]), &["it is about to start"]);
    }

    #[test]
    fn a_job_in_a_silent_workers_hands_says_until_when() {
        let leased = JobState::Leased { lease: lease(), leased_at: at(95) };
        check(&leased, (1, 0), 0, &["node1/gpu0 has it and must confirm within 25 s"]);
        let suspect = JobState::Suspect { lease: lease(), since: at(50) };
        check(&suspect, (1, 0), 0, &["node1/gpu0 is silent; another worker may have it in 85 s"]);
    }

    #[test]
    fn a_held_job_says_why() {
        let held = |reason| JobState::Held { reason };
        let operator = held(HoldReason::Operator { reason: "disk is replaced".into() });
        check(&operator, (1, 1), 0, &["a person holds it: disk is replaced"]);
        let ended = held(HoldReason::SourceEnded { reason: "failed: out of memory".into() });
        check(&ended, (1, 1), 0, &["it is held: its source network failed: out of memory"]);
    }

    #[test]
    fn what_runs_or_has_ended_does_not_wait() {
        let failure = Failure { class: FailureClass::Diverged, message: "loss is not finite".into() };
        for state in [
            JobState::Running { lease: lease(), started_at: at(0) },
            JobState::Succeeded,
            JobState::Failed { failure },
            JobState::Cancelled,
        ] {
            check(&state, (1, 1), 0, &[]);
        }
    }
}
