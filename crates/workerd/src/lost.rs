//! A coordinator that is lost: what a daemon then does, and how far it has come with it.
//!
//! When that is, [`crate::heartbeat`] says.

use clap::ValueEnum;

/// What a daemon does with the jobs in hand once the coordinator is lost: no heartbeat has got
/// through for `lost_after` and a tenth of it, so that others may have them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnLost {
    /// Each training writes a checkpoint and ends; wait as long as it takes, then go on with what
    /// is still ours
    Keep,
    /// Train what is in hand to its end and claim nothing more; end when it is handed in, or with
    /// code 75 when all is trained and the coordinator is still away
    Finish,
    /// Each training writes a checkpoint and ends; then end with code 75
    Stop,
}

/// What this daemon still does for the coordinator. Only grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// Whatever comes.
    Full,
    /// What is in hand, and nothing more.
    Retiring,
    /// Nothing: it ends, and what it has stays for the next daemon.
    GivenUp,
}
