//! The three programs as processes: started as a person would, ended when dropped.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{self, Signal},
    unistd::Pid,
};

use crate::wait;

/// Where `cargo build` left a program: beside this one, or in the folder above for a test.
///
/// # Panics
/// When it was not built; `make test` builds all.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let ourselves = std::env::current_exe().expect("a running program has a path");
    let candidates = ourselves.ancestors().skip(1).take(2).map(|folder| folder.join(name));
    candidates
        .into_iter()
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("{name} is not built beside {}; run `make test`", ourselves.display()))
}

/// A program that runs in the background, its output in a log file.
#[derive(Debug)]
pub struct Process {
    command: Command,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with its output going to `log`.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(mut command: Command, log: PathBuf) -> Self {
        let child = spawn(&mut command, &log);
        Self { command, child, log }
    }

    /// Starts the same again, once it has ended; its output follows that of the one before.
    ///
    /// # Panics
    /// When it still runs, or cannot be started.
    pub fn restart(&mut self) {
        assert!(!self.is_running(), "process {} still runs", self.id());
        self.child = spawn(&mut self.command, &self.log);
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its id, to look for it among the machine's processes.
    ///
    /// # Panics
    /// Never: process ids are small.
    #[must_use]
    pub fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).expect("process ids are small"))
    }

    /// What it has printed so far.
    #[must_use]
    pub fn printed(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_none())
    }

    /// Sends a signal to the process alone.
    ///
    /// # Panics
    /// When there is no such process any more.
    pub fn signal(&self, signal: Signal) {
        signal::kill(self.pid(), signal).expect("our own child, not yet waited for");
    }

    /// Kills the process alone, and waits until it is gone. One that has ended stays as it is.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits for its end and returns its exit code; none when a signal ended it.
    ///
    /// # Panics
    /// When it does not end within `deadline`.
    pub fn wait(&mut self, deadline: Duration) -> Option<i32> {
        let mut code = None;
        wait::until(&format!("the end of process {}", self.child.id()), deadline, || {
            let status = self.child.try_wait().expect("our own child");
            code = status.and_then(|status| status.code());
            status.is_some()
        });
        code
    }
}

fn spawn(command: &mut Command, log: &Path) -> Child {
    let file = File::options().create(true).append(true).open(log).expect("the fleet's folder is ours");
    let errors = file.try_clone().expect("a file can be cloned");
    command.stdin(Stdio::null()).stdout(file).stderr(errors).spawn().expect("the program was built")
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.is_running() {
            self.signal(Signal::SIGTERM);
            // A test that broke off may have left it stopped.
            self.signal(Signal::SIGCONT);
            if wait::holds_within(Duration::from_secs(20), || !self.is_running()) {
                return;
            }
            // Dropping must not hang, whatever the test broke.
            self.kill();
        }
    }
}

/// What a command printed, as text, whatever its exit code.
#[derive(Debug)]
pub struct Printed {
    /// Exit code; -1 when a signal ended it.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl From<Output> for Printed {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}
