//! What people do to studies, jobs and workers: what each verb takes.

use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::{Args, ValueEnum};
use selffer_core::limits::PARALLEL_MAX;

/// A study, and why.
#[derive(Args, Debug)]
pub(crate) struct StudyActArgs {
    /// Name of a study, or `last`
    #[arg(value_name = "STUDY")]
    pub(crate) study: String,
    /// Why, for whoever looks later
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

/// A study to stop, and why.
#[derive(Args, Debug)]
pub(crate) struct StopArgs {
    /// What to stop
    #[command(flatten)]
    pub(crate) act: StudyActArgs,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
}

/// What to cancel, and why.
#[derive(Args, Debug)]
pub(crate) struct CancelArgs {
    /// Name of a study, `last`, [STUDY:]NAME of a job, or 8 digits of its key
    #[arg(value_name = "STUDY|JOB")]
    pub(crate) selector: String,
    /// What becomes of networks that copy from the job: cancelled too, held until it is tried
    /// again, or they keep it
    #[arg(long, value_enum, value_name = "cancel|hold|keep", hide_possible_values = true)]
    pub(crate) dependants: Option<FateArg>,
    /// Why, for whoever looks later
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
}

/// What to try again.
#[derive(Args, Debug)]
pub(crate) struct RetryArgs {
    /// Name of a study, `last`, [STUDY:]NAME of a job, or 8 digits of its key
    #[arg(value_name = "STUDY|JOB")]
    pub(crate) selector: String,
    /// Of a study only what failed, not what was cancelled or is held
    #[arg(long)]
    pub(crate) failed: bool,
    /// Why, for whoever looks later
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

/// Which study comes when.
#[derive(Args, Debug)]
pub(crate) struct PrioritizeArgs {
    /// Name of a study, or `last`
    #[arg(value_name = "STUDY")]
    pub(crate) study: String,
    /// More is sooner; studies have 0 unless told otherwise
    #[arg(value_name = "N", allow_negative_numbers = true)]
    pub(crate) priority: i32,
    /// Why, for whoever looks later
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

/// What becomes of networks that copy from one that is cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FateArg {
    /// They are cancelled too.
    Cancel,
    /// Those that wait for it are held.
    Hold,
    /// They keep it.
    Keep,
}

/// What to hold, and why.
#[derive(Args, Debug)]
pub(crate) struct HoldArgs {
    /// Name of a study, `last`, [STUDY:]NAME of a job, or 8 digits of its key
    #[arg(value_name = "STUDY|JOB")]
    pub(crate) selector: String,
    /// Why; it is shown wherever the network is
    #[arg(long, value_name = "TEXT", required = true)]
    pub(crate) reason: String,
}

/// How much of a study may be at work at once.
#[derive(Args, Debug)]
pub(crate) struct LimitArgs {
    /// Name of a study, or `last`
    #[arg(value_name = "STUDY")]
    pub(crate) study: String,
    /// Networks at work at once
    #[arg(long, value_name = "N|none", value_parser = parallel)]
    pub(crate) parallel: Parallel,
    /// Why, for whoever looks later
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

/// A limit, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parallel(pub(crate) Option<u32>);

pub(super) fn parallel(text: &str) -> Result<Parallel, String> {
    if text == "none" {
        return Ok(Parallel(None));
    }
    let most = text.parse().ok().filter(|most| (1..=PARALLEL_MAX).contains(most));
    most.map(|most| Parallel(Some(most)))
        .ok_or_else(|| format!("neither a number from 1 to {PARALLEL_MAX} nor `none`"))
}

/// When a study is stopped.
#[derive(Args, Debug)]
pub(crate) struct DeadlineArgs {
    /// Name of a study, or `last`
    #[arg(value_name = "STUDY")]
    pub(crate) study: String,
    /// As 2026-12-24T18:00:00Z, or so long from now, as 36h
    #[arg(value_name = "TIME|none", value_parser = deadline)]
    pub(crate) deadline: Deadline,
    /// Why, for whoever looks later
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

/// When a study is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deadline {
    /// Never by itself.
    None,
    /// Then.
    At(DateTime<Utc>),
    /// So long from now, by the coordinator's clock.
    In(Duration),
}

pub(super) fn deadline(text: &str) -> Result<Deadline, String> {
    if text == "none" {
        return Ok(Deadline::None);
    }
    if let Ok(after) = humantime::parse_duration(text) {
        return Ok(Deadline::In(after));
    }
    let at = DateTime::parse_from_rfc3339(text);
    at.map(|at| Deadline::At(at.to_utc())).map_err(|_| {
        "neither a time such as 2026-12-24T18:00:00Z, nor a duration such as 36h, nor `none`".to_owned()
    })
}

/// Workers that are to be handed nothing new.
#[derive(Args, Debug)]
pub(crate) struct DrainArgs {
    /// Name of a worker, NODE/gpu0, or of a node
    #[arg(value_name = "WORKER|NODE")]
    pub(crate) name: String,
    /// Stop what they run too, after a checkpoint; it goes on elsewhere
    #[arg(long)]
    pub(crate) now: bool,
    /// Why, for whoever looks later
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

/// Workers that are to be handed jobs again.
#[derive(Args, Debug)]
pub(crate) struct ReleaseArgs {
    /// Name of a worker, NODE/gpu0, or of a node
    #[arg(value_name = "WORKER|NODE")]
    pub(crate) name: String,
    /// Why, for whoever looks later
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_a_time_a_duration_or_none() {
        assert_eq!(deadline("none"), Ok(Deadline::None));
        assert_eq!(deadline("36h"), Ok(Deadline::In(Duration::from_secs(36 * 3_600))));
        let at = deadline("1970-01-01T01:00:30+01:00");
        assert_eq!(at, Ok(Deadline::At(DateTime::from_timestamp(30, 0).unwrap())));
        for wrong in ["tomorrow", "", "-3h", "2026-13-01T00:00:00Z"] {
            assert!(deadline(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_limit_is_a_number_or_none() {
        assert_eq!(parallel("none"), Ok(Parallel(None)));
        assert_eq!(parallel("3"), Ok(Parallel(Some(3))));
        for wrong in ["0", "-1", "many", "4294967296"] {
            assert!(parallel(wrong).is_err(), "{wrong:?}");
        }
    }
}
