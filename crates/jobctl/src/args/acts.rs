//! What people do to studies and jobs: what each verb takes.

use clap::Args;

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
