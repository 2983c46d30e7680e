//! `workerd replay` as this program starts it: the only one that can train.
//!
//! Its progress is passed on; it ends by itself when this program does, however that ends.

use std::{
    env,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::Context;
use selffer_core::{
    ids::JobKey,
    replay::{REPLAY_SCHEMA, Replay},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader},
    process::Command,
};

use crate::{
    args::CommonArgs,
    exit::{Exit, Failure},
    output::Screen,
};

const NAME: &str = "workerd";

/// What is to be trained again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Task {
    /// The job.
    pub(super) key: JobKey,
    /// How far.
    pub(super) iterations: u32,
    /// With how many threads, if that was said.
    pub(super) threads: Option<u32>,
}

/// The program, found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Program(PathBuf);

impl Program {
    /// The one that was given, else the one beside this program, else the first on `PATH`.
    ///
    /// # Errors
    /// It is not there.
    pub(super) fn find(given: Option<&Path>) -> Result<Self, Failure> {
        if let Some(path) = given {
            let missing = || not_found(&format!("there is no program {}", path.display()));
            // A bare name would be looked for on PATH when it is started.
            let whole = std::path::absolute(path).ok().filter(|path| path.is_file());
            return whole.map(Self).ok_or_else(missing);
        }
        let beside = env::current_exe().ok().and_then(|ourselves| Some(ourselves.parent()?.to_owned()));
        let listed = env::var_os("PATH").map(|path| env::split_paths(&path).collect::<Vec<_>>());
        let folders: Vec<PathBuf> = beside.into_iter().chain(listed.into_iter().flatten()).collect();
        Self::find_in(&folders).ok_or_else(|| {
            not_found(&format!("{NAME}, the program that trains, is neither beside jobctl nor on PATH"))
        })
    }

    fn find_in(folders: &[PathBuf]) -> Option<Self> {
        folders.iter().map(|folder| folder.join(NAME)).find(|path| path.is_file()).map(Self)
    }

    /// Trains again and returns what came of it.
    ///
    /// # Errors
    /// It cannot be started, or ends badly.
    pub(super) async fn replay(
        &self,
        common: &CommonArgs,
        screen: &Screen,
        task: &Task,
    ) -> anyhow::Result<Replay> {
        let cannot_start = || format!("cannot start {}", self.0.display());
        let mut child = self.command(common, task).spawn().with_context(cannot_start)?;
        // Held until the end: it ends when this closes.
        let _control = child.stdin.take();
        let (out, errors) = (child.stdout.take(), child.stderr.take());
        let (out, errors) = out.zip(errors).with_context(cannot_start)?;
        let mut outcome = String::new();
        let mut out = BufReader::new(out);
        let (read, problem) = tokio::join!(out.read_to_string(&mut outcome), pass_on(screen, errors));
        let status = child.wait().await?;
        if !status.success() {
            let problem = problem.unwrap_or_else(|| format!("{NAME} ended with {status}"));
            return Err(Failure::new(Exit::Runtime, format!("the replay broke off: {problem}")).into());
        }
        read?;
        self.read(&outcome, task)
    }

    fn command(&self, common: &CommonArgs, task: &Task) -> Command {
        let mut command = Command::new(&self.0);
        command
            .args(["replay", &task.key.to_string(), "--iterations", &task.iterations.to_string()])
            .args(["--cpu", "--ends-with-stdin", "--coordinator", &common.coordinator])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(threads) = task.threads {
            command.args(["--threads", &threads.to_string()]);
        }
        if let Some(file) = &common.token_file {
            command.arg("--token-file").arg(file);
        }
        command
    }

    fn read(&self, outcome: &str, task: &Task) -> anyhow::Result<Replay> {
        let place = self.0.display();
        let replay: Replay = serde_json::from_str(outcome)
            .with_context(|| format!("what {place} says cannot be read; is it of another version?"))?;
        if replay.schema != REPLAY_SCHEMA || replay.key != task.key {
            let message = format!("{place} answers {} about {}", replay.schema, replay.key);
            return Err(Failure::new(Exit::Runtime, message).into());
        }
        Ok(replay)
    }
}

fn not_found(message: &str) -> Failure {
    Failure::new(Exit::NotFound, format!("{message}; give --workerd PATH"))
}

/// Passes its lines on and keeps back its last words, in which it says what went wrong.
async fn pass_on(screen: &Screen, errors: impl AsyncRead + Unpin) -> Option<String> {
    let mut lines = BufReader::new(errors).lines();
    let mut problem = None;
    while let Ok(Some(line)) = lines.next_line().await {
        match line.strip_prefix("workerd: ") {
            Some(told) => problem = Some(told.to_owned()),
            // Progress that cannot be shown must not end the work.
            None => drop(screen.note(&line)),
        }
    }
    problem
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_first_folder_that_has_the_program_counts() {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let paths = folders.each_ref().map(|folder| folder.path().to_owned());
        assert_eq!(Program::find_in(&paths), None);
        fs::write(paths[1].join(NAME), "").unwrap();
        assert_eq!(Program::find_in(&paths), Some(Program(paths[1].join(NAME))));
        fs::write(paths[0].join(NAME), "").unwrap();
        assert_eq!(Program::find_in(&paths), Some(Program(paths[0].join(NAME))));
    }

    #[test]
    fn a_program_that_was_given_and_is_not_there_is_named() {
        let failure = Program::find(Some(Path::new("no/such/workerd"))).unwrap_err();
        assert_eq!(failure.exit, Exit::NotFound);
        assert_eq!(failure.message, "there is no program no/such/workerd; give --workerd PATH");
    }
}
