//! The three programs as processes: started as a person would, ended when dropped.

use std::{
    fs::File,
    path::PathBuf,
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
        let file = File::options().create(true).append(true).open(&log).expect("the fleet's folder is ours");
        let errors = file.try_clone().expect("a file can be cloned");
        let child =
            command.stdin(Stdio::null()).stdout(file).stderr(errors).spawn().expect("the program was built");
        Self { child, log }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
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

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).expect("process ids are small"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.is_running() {
            self.signal(Signal::SIGTERM);
            if wait::holds_within(Duration::from_secs(20), || !self.is_running()) {
                return;
            }
            // Dropping must not hang, whatever the test broke.
            let _ = self.child.kill();
            let _ = self.child.wait();
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
