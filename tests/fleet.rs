//! A coordinator, workers and a person at the keyboard, all in one temporary folder.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    process::{Printed, Process, program},
    wait,
};

/// How long a program may take to answer; generous, because test machines are shared.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// One coordinator with its data folder, and whatever workers a test starts.
#[derive(Debug)]
pub struct Fleet {
    folder: TempDir,
    grpc_port: u16,
    http_port: u16,
    extra_arguments: Vec<String>,
    /// The coordinator, while it runs.
    pub coordinator: Option<Process>,
    /// The workers that run.
    pub workers: Vec<Process>,
}

impl Fleet {
    /// A fleet whose coordinator answers and whose session times are short, so that tests
    /// of lost workers need seconds.
    #[must_use]
    pub fn start() -> Self {
        let times =
            ["--heartbeat-interval=500ms", "--session-ttl=3s", "--lost-after=5s", "--confirm-within=5s"];
        Self::start_with(&times)
    }

    /// A fleet whose coordinator gets these further arguments.
    ///
    /// # Panics
    /// When the coordinator does not answer.
    #[must_use]
    pub fn start_with(extra_arguments: &[&str]) -> Self {
        let mut fleet = Self {
            folder: TempDir::with_prefix("selffer-test-").expect("a temporary folder"),
            grpc_port: free_port(),
            http_port: free_port(),
            extra_arguments: extra_arguments.iter().map(ToString::to_string).collect(),
            coordinator: None,
            workers: Vec::new(),
        };
        fleet.start_coordinator();
        fleet
    }

    /// Starts the coordinator (again) on the same data folder and ports.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn start_coordinator(&mut self) {
        self.coordinator = Some(Process::start(self.coordinator_command(), self.path("coordinatord.log")));
        let (log, mut ended) = (self.folder.path().join("coordinatord.log"), false);
        let answers = |fleet: &Self| fleet.jobctl(&["list", "packs", "-o", "json"]).code == 0;
        wait::until("an answer of the coordinator", PATIENCE, || {
            ended = !self.coordinator.as_mut().is_some_and(Process::is_running);
            ended || answers(self)
        });
        assert!(!ended, "{}", std::fs::read_to_string(log).unwrap_or_default());
    }

    /// The command that starts a coordinator on this fleet's folder and ports.
    #[must_use]
    pub fn coordinator_command(&self) -> Command {
        let mut command = Command::new(program("coordinatord"));
        command
            // The person who runs the tests may have a coordinator and its token.
            .env("XDG_STATE_HOME", self.path("state"))
            .arg("--data-dir")
            .arg(self.data_folder())
            .args(["--listen", &format!("127.0.0.1:{}", self.grpc_port)])
            .args(["--http-listen", &format!("127.0.0.1:{}", self.http_port)])
            .args(&self.extra_arguments);
        command
    }

    /// Starts a CPU worker of this name; its scratch folder lasts as long as the fleet.
    pub fn start_worker(&mut self, name: &str, threads: usize) -> &mut Process {
        let mut command = self.command("workerd");
        command
            .args(["--cpu", "--threads", &threads.to_string(), "--name", name, "--scratch-dir"])
            .arg(self.path(&format!("scratch-{name}")));
        let process = Process::start(command, self.path(&format!("{name}.log")));
        self.workers.push(process);
        self.workers.last_mut().expect("just pushed")
    }

    /// Runs `jobctl` with these arguments to its end.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn jobctl(&self, arguments: &[&str]) -> Printed {
        self.command("jobctl").args(arguments).output().expect("jobctl was built").into()
    }

    /// Runs `jobctl`, which must succeed, and returns what it printed.
    ///
    /// # Panics
    /// When it fails.
    #[must_use]
    pub fn jobctl_ok(&self, arguments: &[&str]) -> String {
        let printed = self.jobctl(arguments);
        assert_eq!(printed.code, 0, "jobctl {arguments:?}\n{}{}", printed.out, printed.err);
        printed.out
    }

    /// Runs `jobctl … -o json`, which must succeed, and parses its output.
    ///
    /// # Panics
    /// When it fails or prints no JSON.
    #[must_use]
    pub fn jobctl_json(&self, arguments: &[&str]) -> Value {
        let text = self.jobctl_ok(&[arguments, &["-o", "json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Writes a file into the fleet's folder and returns its path.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).expect("the fleet's folder is ours");
        path.to_str().expect("temporary paths are text").to_owned()
    }

    /// A path in the fleet's folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The coordinator's data folder.
    #[must_use]
    pub fn data_folder(&self) -> PathBuf {
        self.path("data")
    }

    /// The dashboard's `HOST:PORT`.
    #[must_use]
    pub fn dashboard(&self) -> String {
        format!("127.0.0.1:{}", self.http_port)
    }

    /// States of a study's jobs by network name.
    #[must_use]
    pub fn states(&self, study: &str) -> Vec<(String, String)> {
        let list = self.jobctl_json(&["list", "jobs", study]);
        let jobs = list["jobs"].as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        jobs.iter().map(|job| (text(&job["name"]), text(&job["state"]))).collect()
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(program(name));
        command
            .current_dir(self.folder.path())
            .env("SELFFER_COORDINATOR", format!("http://127.0.0.1:{}", self.grpc_port))
            .env("SELFFER_DATA_DIR", self.data_folder())
            .env("XDG_STATE_HOME", self.path("state"))
            .env("NO_COLOR", "1");
        command
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        // Workers first: they give their leases back to a coordinator that still answers.
        self.workers.clear();
        self.coordinator = None;
        // As root the private server's folder lies outside the data folder, which links to it.
        if let Ok(folder) = std::fs::read_link(self.data_folder().join("postgres")) {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

/// A port that nobody listens on now.
///
/// # Panics
/// When the machine has none.
#[must_use]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound listener has an address").port()
}

/// The top of the source tree.
///
/// # Panics
/// Never: the tests' package lies one folder below it.
#[must_use]
pub fn tree() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests' folder lies in the tree")
}
