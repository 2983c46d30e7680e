//! What is done to the chunk store: what each verb takes.

use clap::Args;

/// What to delete, and why.
#[derive(Args, Debug)]
pub(crate) struct DeleteArgs {
    /// Name of a study, `last`, [STUDY:]NAME of a job, or 8 digits of its key
    #[arg(value_name = "STUDY|JOB")]
    pub(crate) selector: String,
    /// Why, for whoever looks later
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Only say what would go
    #[arg(long, conflicts_with = "yes")]
    pub(crate) dry_run: bool,
}

/// What to free.
#[derive(Args, Debug)]
pub(crate) struct GcArgs {
    /// Only say what would go
    #[arg(long)]
    pub(crate) dry_run: bool,
}
