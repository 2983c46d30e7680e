//! What `workerd replay` is told.

use std::path::PathBuf;

use clap::Args;

use crate::config::{OneDevice, cache_folder};

/// What the user typed about a replay.
#[derive(Args, Debug)]
pub struct ReplayArguments {
    /// [STUDY:]NAME of a job, or at least 8 digits of its key
    pub(super) job: String,
    /// Stop after so many iterations [default: at the end of the recipe]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) iterations: Option<u32>,
    #[command(flatten)]
    pub(super) device: OneDevice,
    /// Address of the coordinator
    #[arg(long, env = "SELFFER_COORDINATOR", value_name = "URL", default_value = "http://127.0.0.1:7070")]
    pub(super) coordinator: String,
    /// File with the token [default: the one that coordinatord wrote for this user]
    #[arg(long, env = "SELFFER_TOKEN_FILE", value_name = "FILE")]
    pub(super) token_file: Option<PathBuf>,
    /// Folder in which what is fetched lies meanwhile, in replay/ [default: the user's cache]
    #[arg(long, env = "SELFFER_SCRATCH_DIR", value_name = "DIR")]
    scratch_dir: Option<PathBuf>,
    /// End when standard input does; for programs that start this one
    #[arg(long, hide = true)]
    pub(super) ends_with_stdin: bool,
}

impl ReplayArguments {
    /// The folder of all replays' folders.
    pub(super) fn base(&self) -> anyhow::Result<PathBuf> {
        let scratch = self.scratch_dir.clone().map_or_else(cache_folder, Ok)?;
        Ok(scratch.join("replay"))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::{
        config::{Arguments, Command},
        protocol::Device,
    };

    fn replay(line: &str) -> Result<ReplayArguments, clap::Error> {
        let words = ["workerd", "replay"].into_iter().chain(line.split_whitespace());
        match Arguments::try_parse_from(words)?.command {
            Some(Command::Replay(arguments)) => Ok(arguments),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_replay_needs_a_job_and_one_device() {
        let arguments =
            replay("demo:random-0/A3B --iterations 40 --cpu --threads 3 --scratch-dir s").unwrap();
        assert_eq!((arguments.job.as_str(), arguments.iterations), ("demo:random-0/A3B", Some(40)));
        assert_eq!(arguments.device.device(), Device::Cpu { threads: 3 });
        assert_eq!(arguments.base().unwrap(), PathBuf::from("s/replay"));
        assert_eq!(replay("x/y --gpu 1").unwrap().device.device(), Device::Gpu { index: 1 });
        for wrong in
            ["--cpu", "x/y", "x/y --cpu --gpu 0", "x/y --cpu --iterations 0", "x/y --gpu 0 --threads 2"]
        {
            assert!(replay(wrong).is_err(), "{wrong}");
        }
    }
}
