//! Checkpoints: what each command takes.

use std::{num::NonZeroU32, path::PathBuf, str::FromStr};

use clap::{Args, Subcommand};

/// What to do with checkpoints.
#[derive(Debug, Subcommand)]
pub(crate) enum CheckpointCommand {
    /// Verify a job's checkpoint byte by byte; with --replay also train the job again, here
    #[command(after_help = "\
Examples:
  jobctl checkpoint verify random-0/A3B                the bytes, and the result's digests
  jobctl checkpoint verify random-0/A3B --replay 100   and the first 100 iterations
  jobctl checkpoint verify random-0/A3B --replay all   and everything, to the last weight

A replay starts where the job started and compares every recorded loss and test up to there. On
the kind of device that the job was trained on all must be the same, bit for bit; on another kind
it says within what. It runs `workerd replay`, which is no worker and changes nothing.
Ends with 1 if something is not as recorded.")]
    Verify(VerifyArgs),
}

/// What to verify, and how far.
#[derive(Args, Debug)]
pub(crate) struct VerifyArgs {
    /// [STUDY:]NAME of a job, or 8 digits of its key
    pub(crate) job: String,
    /// Train it again for so many iterations and compare; `all` is the whole training
    #[arg(long, value_name = "N|all")]
    pub(crate) replay: Option<Iterations>,
    /// The program that trains; else the one beside jobctl, else the first on PATH
    #[arg(long, value_name = "PATH", requires = "replay")]
    pub(crate) workerd: Option<PathBuf>,
    /// Threads to train with; else as many as the processor has
    #[arg(long, value_name = "N", requires = "replay", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) threads: Option<u32>,
}

/// How far to replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Iterations {
    /// To the end of the recipe.
    All,
    /// So many.
    First(NonZeroU32),
}

impl Iterations {
    /// How many that is of a recipe with `all`; may be more than it has.
    pub(crate) fn of(self, all: u32) -> u32 {
        match self {
            Self::All => all,
            Self::First(count) => count.get(),
        }
    }
}

impl FromStr for Iterations {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self::All),
            _ => text.parse().map(Self::First).map_err(|_| "expected a number from 1 on, or all".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iterations_are_a_number_from_1_on_or_all() {
        assert_eq!("all".parse(), Ok(Iterations::All));
        assert_eq!("7".parse(), Ok(Iterations::First(NonZeroU32::new(7).unwrap())));
        for wrong in ["0", "-1", "1.5", "ALL", ""] {
            assert!(wrong.parse::<Iterations>().is_err(), "{wrong:?}");
        }
    }
}
