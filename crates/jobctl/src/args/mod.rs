//! What a person types: commands, options and their help.
//!
//! Nothing here acts; `commands` does. Every command's help ends with examples that work
//! as they stand.

mod acts;
mod checkpoint;
mod data;
mod grid;
mod import;
mod store;
mod studies;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub(crate) use acts::{
    CancelArgs, Deadline, DeadlineArgs, DrainArgs, FateArg, HoldArgs, LimitArgs, Parallel, PrioritizeArgs,
    ReleaseArgs, RetryArgs, StopArgs, StudyActArgs,
};
pub(crate) use checkpoint::{CheckpointCommand, Iterations, VerifyArgs};
pub(crate) use data::{DataCommand, ImportWeightsArgs, PackArg, PacksArg, PushArgs, SplitArgs};
pub(crate) use grid::GridCommand;
pub(crate) use import::{ImportArgs, ImportFormat};
pub(crate) use store::{DeleteArgs, GcArgs};
pub(crate) use studies::{
    CompletionShell, CompletionsArgs, FleetArgs, GridArgs, ListArgs, ListCommand, LogsArgs, PlanArgs,
    ReportArgs, ShowArgs, StateArg, SubmitArgs, WaitArgs, WatchArgs,
};

use crate::output::Format;

const GLOBAL: &str = "Global options";

/// Plans, submits and follows studies of how transferable a network's features are.
#[derive(Debug, Parser)]
#[command(
    name = "jobctl",
    version,
    arg_required_else_help = true,
    after_help = "\
Examples:
  jobctl plan examples/grids/fashion-demo.yaml
  jobctl submit examples/grids/fashion-demo.yaml --follow
  jobctl report last --out results

A study is chosen by its name or `last`, a job by [STUDY:]NAME (random-0/A3B) or by at
least 8 hex digits of its key.
Exit codes: 0 done, 1 error, 2 wrong usage or grid, 3 not found, 4 not permitted,
5 no coordinator, 6 conflict, 100 networks failed or are held, 101 not finished in time,
103 study cancelled, 130 interrupted."
)]
pub(crate) struct Arguments {
    /// What holds for every command.
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What holds for every command.
#[derive(Args, Debug)]
pub(crate) struct CommonArgs {
    /// Address of the coordinator; several of one fleet with commas between them
    #[arg(
        long,
        global = true,
        help_heading = GLOBAL,
        env = "SELFFER_COORDINATOR",
        hide_env_values = true,
        value_name = "URL",
        default_value = "http://127.0.0.1:7070"
    )]
    pub(crate) coordinator: String,
    /// File with the access token; found by itself for a coordinator of your own
    #[arg(
        long,
        global = true,
        help_heading = GLOBAL,
        env = "SELFFER_TOKEN_FILE",
        hide_env_values = true,
        value_name = "FILE"
    )]
    pub(crate) token_file: Option<PathBuf>,
    /// Form of the result
    #[arg(
        short,
        long,
        global = true,
        help_heading = GLOBAL,
        value_enum,
        hide_possible_values = true,
        value_name = "table|json|csv|name",
        default_value = "table"
    )]
    pub(crate) output: Format,
}

/// One command.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what a grid would train; changes nothing and needs no coordinator
    #[command(after_help = "\
Examples:
  jobctl plan grid.yaml                      counts, reuse, cost
  jobctl plan grid.yaml -o csv > cells.csv   every network
  jobctl plan grid.yaml --gpus 8             time on eight devices like those of this fleet
  jobctl plan grid.yaml --gpus 8 --gpu-model k20m
  jobctl plan grid.yaml --manifest packs/cifar-10")]
    Plan(PlanArgs),
    /// Check a grid; changes nothing and needs no coordinator
    #[command(after_help = "\
Example:
  jobctl lint grid.yaml && echo fine")]
    Lint(GridArgs),
    /// Submit a grid as a study
    #[command(after_help = "\
Examples:
  jobctl submit grid.yaml             shows the plan and asks
  jobctl submit grid.yaml -y --follow submits and shows progress until it ends
  jobctl submit more.yaml --extend    adds its networks to the study that it names
  jobctl submit grid.yaml --as again  the same grid as another study

Networks that are trained or in training, for whatever study, are shared. Submitting the same
study again makes it active, and tries again what failed, was cancelled or is held.")]
    Submit(SubmitArgs),
    /// List studies, jobs, workers, packs or weights
    #[command(after_help = "\
Examples:
  jobctl list studies
  jobctl list jobs last --state failed
  jobctl list workers -o json")]
    List(ListArgs),
    /// Show everything about a study or a job
    #[command(after_help = "\
Examples:
  jobctl show last
  jobctl show random-0/A3B                a job of the newest study
  jobctl show fashion-demo:random-0/A3B
  jobctl show 5f1c9a02                    a job by its key")]
    Show(ShowArgs),
    /// Follow a study until it ends
    #[command(after_help = "\
Example:
  jobctl watch last

Ctrl-C stops watching, not the study. Ends with 0 if every network was trained, 100 if
some failed or are held, 103 if it was cancelled.")]
    Watch(WatchArgs),
    /// Wait until a study ends, without showing anything
    #[command(after_help = "\
Example:
  jobctl wait last --timeout 2h && jobctl report last --out results

Ends as `watch` does, and with 101 when the time is over.")]
    Wait(WaitArgs),
    /// Hand out nothing new of a study, until it is resumed; what runs goes on
    #[command(after_help = "\
Examples:
  jobctl pause last
  jobctl pause fashion-demo --reason 'the machines are needed'

Networks that another study wants too are still handed out for that one.")]
    Pause(StudyActArgs),
    /// Go on with a study that was paused
    #[command(after_help = "\
Example:
  jobctl resume fashion-demo")]
    Resume(StudyActArgs),
    /// Hand out nothing of a study ever again; what runs finishes
    #[command(after_help = "\
Example:
  jobctl stop fashion-demo

What no worker has begun is cancelled, unless another study wants it. Submitting the study
again revives it.")]
    Stop(StopArgs),
    /// End a study or a job now, after a checkpoint
    #[command(after_help = "\
Examples:
  jobctl cancel fashion-demo               only what no other study wants
  jobctl cancel fashion-demo:random-0/A3B  one network, for all studies that want it
  jobctl cancel last -y --reason 'wrong images'
  jobctl cancel last:random-0/baseA -y --dependants hold

Trained networks and their results stay. A worker has a minute for a last checkpoint, from
which the network goes on if it is submitted or tried again.")]
    Cancel(CancelArgs),
    /// Run no network of this, for whatever study, until it is tried again
    #[command(after_help = "\
Examples:
  jobctl hold fashion-demo:random-0/A3B --reason 'the images are looked into'
  jobctl hold last --reason 'the disk is replaced'

What runs ends after a checkpoint. Networks that copy from one that is held are held too.
`jobctl retry` lets them go on; `jobctl pause` holds back one study only, and lets run what runs.")]
    Hold(HoldArgs),
    /// Let what failed, was cancelled or is held start anew
    #[command(after_help = "\
Examples:
  jobctl retry last --failed
  jobctl retry fashion-demo:random-0/A3B")]
    Retry(RetryArgs),
    /// Say which study comes first
    #[command(after_help = "\
Examples:
  jobctl prioritize fashion-demo 10    before studies with less
  jobctl prioritize fashion-demo -1    after those that were never told

A network has the largest priority of the studies that want it.")]
    Prioritize(PrioritizeArgs),
    /// Say how many networks of a study may be at work at once
    #[command(after_help = "\
Examples:
  jobctl limit fashion-demo --parallel 4
  jobctl limit fashion-demo --parallel none

A network that several studies want counts for each, and starts if one of them is below its limit.")]
    Limit(LimitArgs),
    /// Say when a study is stopped, if it has not ended
    #[command(after_help = "\
Examples:
  jobctl deadline fashion-demo 36h
  jobctl deadline fashion-demo 2026-12-24T18:00:00Z
  jobctl deadline fashion-demo none

At that time, by the database's clock, it is stopped as `jobctl stop` would.")]
    Deadline(DeadlineArgs),
    /// Hand a worker, or all of a node, nothing new
    #[command(after_help = "\
Examples:
  jobctl drain node7 --reason 'new kernel tonight'
  jobctl drain node7/gpu0 --now

It stays so whatever is restarted, until `jobctl release`.")]
    Drain(DrainArgs),
    /// Hand a worker, or all of a node, jobs again
    #[command(after_help = "\
Examples:
  jobctl release node7
  jobctl release node7/gpu0 --reason 'the card was replaced'

Ends what `jobctl drain` began, and a quarantine; `jobctl list workers` says why a worker is set aside.")]
    Release(ReleaseArgs),
    /// Delete the trained networks of a study or a job; what they were found to be stays
    #[command(after_help = "\
Examples:
  jobctl delete old-study                        says what would go, and asks
  jobctl delete demo:random-0/A3B -y
  jobctl delete last --dry-run -o json

Checkpoints go, results and learning curves stay. Of a study only what has ended goes, and what
no other study wants; nothing goes that a network copies from which has not ended. A study that
needs a deleted network again has it trained again.")]
    Delete(DeleteArgs),
    /// Free the chunk store of what nothing refers to, and say what is kept and why
    #[command(after_help = "\
Examples:
  jobctl gc --dry-run    what would go; changes nothing
  jobctl gc

The coordinator does this by itself too. What was dropped lately stays for a while
(`coordinatord --keep-dropped`).")]
    Gc(GcArgs),
    /// Show the trainer's log of a job
    #[command(after_help = "\
Examples:
  jobctl logs random-0/baseA
  jobctl logs -f random-0/A3B    goes on until the job ends")]
    Logs(LogsArgs),
    /// Show a study's results, and draw the transfer figure
    #[command(after_help = "\
Examples:
  jobctl report last                  the tables
  jobctl report last --out results    also the figure as SVG and PNG, JSON and CSV
  jobctl report last -o json")]
    Report(ReportArgs),
    /// Check what is recorded of a job
    #[command(subcommand)]
    Checkpoint(CheckpointCommand),
    /// Bring in, look at and send image sets
    #[command(subcommand)]
    Data(DataCommand),
    /// Print what grids and networks are written from
    #[command(subcommand)]
    Grid(GridCommand),
    /// Print a script that completes commands in your shell
    #[command(after_help = "\
Examples:
  jobctl completions bash > /etc/bash_completion.d/jobctl
  jobctl completions zsh > ~/.zfunc/_jobctl
  jobctl completions fish > ~/.config/fish/completions/jobctl.fish")]
    Completions(CompletionsArgs),
}

/// Whether the words ask for JSON, found even where they make no sense as a whole, so that
/// a usage error can be told in the form that was asked for.
pub(crate) fn ask_for_json(words: &[std::ffi::OsString]) -> bool {
    let texts: Vec<&str> = words.iter().map(|word| word.to_str().unwrap_or_default()).collect();
    let joined = texts.iter().any(|word| matches!(*word, "-ojson" | "-o=json" | "--output=json"));
    joined || texts.windows(2).any(|pair| matches!(pair[0], "-o" | "--output") && pair[1] == "json")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn json_is_recognised_in_every_spelling() {
        for words in [["-o", "json"], ["--output", "json"], ["x", "-ojson"], ["x", "--output=json"]] {
            assert!(ask_for_json(&words.map(Into::into)), "{words:?}");
        }
        assert!(!ask_for_json(&["-o", "table"].map(Into::into)));
    }
}
