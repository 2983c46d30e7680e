//! Grids, studies, jobs and workers: what each command takes.

use std::{num::NonZeroU32, path::PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use clap_complete::Shell;
use selffer_core::ids::Name;

use super::{Deadline, Parallel};

/// A grid to plan, and the fleet to plan it for.
#[derive(Args, Debug)]
pub(crate) struct PlanArgs {
    /// The grid
    #[command(flatten)]
    pub(crate) grid: GridArgs,
    /// The fleet
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
}

/// The fleet that a plan counts with.
#[derive(Args, Debug, Default)]
pub(crate) struct FleetArgs {
    /// How many devices the fleet has [default: the coordinator's living workers of that kind]
    #[arg(long, value_name = "N")]
    pub(crate) gpus: Option<NonZeroU32>,
    /// What kind they are: one that this fleet has trained on, or k20m, the paper's
    /// [default: the kind that has trained most]
    #[arg(long, value_name = "KIND")]
    pub(crate) gpu_model: Option<String>,
}

/// A grid, and where its image set is described.
#[derive(Args, Debug)]
pub(crate) struct GridArgs {
    /// The grid
    #[arg(value_name = "GRID.YAML")]
    pub(crate) file: PathBuf,
    /// The pack's folder or manifest.json, if neither coordinator nor name says enough
    #[arg(long, value_name = "PATH")]
    pub(crate) manifest: Option<PathBuf>,
}

/// A grid to submit.
#[derive(Args, Debug)]
pub(crate) struct SubmitArgs {
    /// The grid
    #[arg(value_name = "GRID.YAML")]
    pub(crate) file: PathBuf,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Follow the study until it ends, as `watch` does
    #[arg(long)]
    pub(crate) follow: bool,
    /// Name of the study, instead of the one in the grid
    #[arg(long = "as", value_name = "NAME", value_parser = study_name)]
    pub(crate) as_name: Option<String>,
    /// Add the networks that are new to the study of this name, which must be there
    #[arg(long)]
    pub(crate) extend: bool,
    /// More is sooner; 0 for a new study
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) priority: Option<i32>,
    /// Networks of it that may be at work at once
    #[arg(long, value_name = "N|none", value_parser = super::acts::parallel)]
    pub(crate) parallel: Option<Parallel>,
    /// When it is stopped, as 2026-12-24T18:00:00Z or 36h from now
    #[arg(long, value_name = "TIME|none", value_parser = super::acts::deadline)]
    pub(crate) deadline: Option<Deadline>,
}

fn study_name(text: &str) -> Result<String, String> {
    let name = Name::of_study(text).ok_or_else(|| "a study's name has 1 to 64 of a-z 0-9 -".to_owned())?;
    Ok(name.to_string())
}

/// What to list.
#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    /// Kind of thing
    #[command(subcommand)]
    pub(crate) what: ListCommand,
}

/// Kinds of things to list.
#[derive(Debug, Subcommand)]
pub(crate) enum ListCommand {
    /// Studies, newest first
    Studies,
    /// Jobs of a study
    Jobs(ListJobsArgs),
    /// Workers and what they run
    Workers,
    /// Image sets in the store
    Packs,
    /// Weights in the store that were trained elsewhere
    Weights,
}

/// Which jobs to list.
#[derive(Args, Debug)]
pub(crate) struct ListJobsArgs {
    /// Name of a study, or `last`
    #[arg(default_value = "last")]
    pub(crate) study: String,
    /// Only jobs in these states: waiting, ready, leased, running, suspect, held, succeeded,
    /// failed, cancelled
    #[arg(long, value_enum, hide_possible_values = true, value_name = "STATE,…", value_delimiter = ',')]
    pub(crate) state: Vec<StateArg>,
}

/// A job's state as people type it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StateArg {
    /// For its source network
    Waiting,
    /// Can be claimed
    Ready,
    /// Handed out
    Leased,
    /// On a worker
    Running,
    /// Its worker is silent
    Suspect,
    /// Until a person says so
    Held,
    /// Trained and tested
    Succeeded,
    /// Ended by its own fault
    Failed,
    /// Ended by a person
    Cancelled,
}

/// What to show.
#[derive(Args, Debug)]
pub(crate) struct ShowArgs {
    /// Name of a study, `last`, [STUDY:]NAME of a job, or 8 digits of its key
    #[arg(value_name = "STUDY|JOB", default_value = "last")]
    pub(crate) selector: String,
}

/// What to watch.
#[derive(Args, Debug)]
pub(crate) struct WatchArgs {
    /// Name of a study, or `last`
    #[arg(default_value = "last")]
    pub(crate) study: String,
}

/// What to wait for, and how long.
#[derive(Args, Debug)]
pub(crate) struct WaitArgs {
    /// Name of a study, or `last`
    #[arg(default_value = "last")]
    pub(crate) study: String,
    /// Give up after this long: `90s`, `15min`, `2h 30min`
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) timeout: Option<std::time::Duration>,
}

/// Whose log to show.
#[derive(Args, Debug)]
pub(crate) struct LogsArgs {
    /// [STUDY:]NAME of a job, or 8 digits of its key
    pub(crate) job: String,
    /// Of this attempt [default: the newest; `jobctl show JOB` lists them]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) attempt: Option<u32>,
    /// Go on as the log grows, until the attempt ends
    #[arg(short, long)]
    pub(crate) follow: bool,
}

/// Whose results to show.
#[derive(Args, Debug)]
pub(crate) struct ReportArgs {
    /// Name of a study, or `last`
    #[arg(default_value = "last")]
    pub(crate) study: String,
    /// Also write report.json, networks.csv, transfer.svg and transfer.png into this folder
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

/// Which shell.
#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// Your shell
    #[arg(value_enum, hide_possible_values = true, value_name = "bash|zsh|fish")]
    pub(crate) shell: CompletionShell,
}

/// Shells that we write completions for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CompletionShell {
    /// GNU Bash
    Bash,
    /// Z shell
    Zsh,
    /// Fish
    Fish,
}

impl From<CompletionShell> for Shell {
    fn from(shell: CompletionShell) -> Self {
        match shell {
            CompletionShell::Bash => Self::Bash,
            CompletionShell::Zsh => Self::Zsh,
            CompletionShell::Fish => Self::Fish,
        }
    }
}
