//! A coordinator, workers and a person at the keyboard, all in one temporary folder.
//!
//! Who dies and is started again is in `victims`. However a test ends, no process of its
//! fleet stays. `SELFFER_TEST_KEEP` keeps the folder, with all logs, of a test that failed.

mod victims;

use std::{
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use selffer_artifacts::{ChunkStore, Place};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    person::Person,
    process::{Printed, Process, program},
    proxy::Proxy,
    schedule::Victim,
    wait,
};

/// How long a program may take to answer; generous, because test machines are shared.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// One coordinator with its data folder, and whatever workers a test starts.
#[derive(Debug)]
pub struct Fleet {
    folder: TempDir,
    person: Person,
    grpc_port: u16,
    http_port: u16,
    extra_arguments: Vec<String>,
    environment: Vec<(String, String)>,
    place: Option<Place>,
    /// What every worker that is started from now on is told beyond name and folder.
    pub worker_arguments: Vec<String>,
    /// Told to each worker that starts from now on, in its environment.
    pub worker_environment: Vec<(String, String)>,
    /// The coordinator, once it was started.
    pub coordinator: Option<Process>,
    /// The workers, in the order in which they were started.
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
        Self::start_on(None, extra_arguments)
    }

    /// A fleet whose chunks are at this place, with what the coordinator's environment must say
    /// of it.
    ///
    /// # Panics
    /// When the coordinator does not answer.
    #[must_use]
    pub fn start_on(store: Option<(Place, Vec<(String, String)>)>, extra_arguments: &[&str]) -> Self {
        let (place, environment) = store.unzip();
        let folder = TempDir::with_prefix("selffer-test-").expect("a temporary folder");
        let grpc_port = free_port();
        let mut fleet = Self {
            person: Person::new(folder.path(), format!("http://127.0.0.1:{grpc_port}")),
            folder,
            grpc_port,
            http_port: free_port(),
            extra_arguments: extra_arguments.iter().map(ToString::to_string).collect(),
            environment: environment.unwrap_or_default(),
            place,
            worker_arguments: Vec::new(),
            worker_environment: Vec::new(),
            coordinator: None,
            workers: Vec::new(),
        };
        fleet.start_coordinator();
        fleet
    }

    /// Starts the coordinator (again) on the same data folder and ports, and waits until it
    /// answers.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn start_coordinator(&mut self) {
        self.start_again(Victim::Coordinator);
        let mut ended = false;
        let answers = |fleet: &Self| fleet.jobctl(&["list", "packs", "-o", "json"]).code == 0;
        wait::until("an answer of the coordinator", PATIENCE, || {
            ended = !self.is_running(Victim::Coordinator);
            ended || answers(self)
        });
        assert!(!ended, "{}", self.printed(Victim::Coordinator));
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
            .args(self.place.iter().flat_map(|place| ["--store".to_owned(), place.to_string()]))
            .envs(self.environment.iter().cloned())
            .args(&self.extra_arguments);
        command
    }

    /// The coordinator's chunks.
    ///
    /// # Panics
    /// When the store cannot be used.
    #[must_use]
    pub fn chunks(&self) -> ChunkStore {
        let place = self.place.clone().unwrap_or_else(|| Place::Folder(self.data_folder().join("store")));
        ChunkStore::open(place, self.environment.clone()).expect("a chunk store")
    }

    /// Starts a CPU worker of this name; its scratch folder lasts as long as the fleet.
    pub fn start_worker(&mut self, name: &str, threads: usize) -> &mut Process {
        let mut command = self.person.command("workerd");
        command
            .args(["--cpu", "--threads", &threads.to_string(), "--name", name, "--scratch-dir"])
            .arg(self.scratch_folder(name))
            .args(&self.worker_arguments)
            .envs(self.worker_environment.iter().cloned());
        let process = Process::start(command, self.path(&format!("{name}.log")));
        self.workers.push(process);
        self.workers.last_mut().expect("just pushed")
    }

    /// Starts a CPU worker of this name that reaches the coordinator through `proxy`.
    pub fn start_worker_through(&mut self, proxy: &Proxy, name: &str, threads: usize) -> &mut Process {
        let person = Person::new(self.folder.path(), proxy.url());
        let person = std::mem::replace(&mut self.person, person);
        self.start_worker(name, threads);
        self.person = person;
        self.workers.last_mut().expect("just started")
    }

    /// From now on its person and its workers know the coordinators at these addresses.
    pub fn use_coordinators(&mut self, addresses: &str) {
        self.person = Person::new(self.folder.path(), addresses.to_owned());
    }

    /// A proxy in front of the coordinator.
    #[must_use]
    pub fn proxy(&self) -> Proxy {
        Proxy::start(SocketAddr::from(([127, 0, 0, 1], self.grpc_port)))
    }

    /// Where the coordinator answers.
    #[must_use]
    pub fn coordinator_address(&self) -> String {
        format!("http://127.0.0.1:{}", self.grpc_port)
    }

    /// Somebody who uses this fleet.
    #[must_use]
    pub fn person(&self) -> &Person {
        &self.person
    }

    /// As [`Person::jobctl`].
    #[must_use]
    pub fn jobctl(&self, arguments: &[&str]) -> Printed {
        self.person.jobctl(arguments)
    }

    /// As [`Person::jobctl_ok`].
    #[must_use]
    pub fn jobctl_ok(&self, arguments: &[&str]) -> String {
        self.person.jobctl_ok(arguments)
    }

    /// As [`Person::jobctl_json`].
    #[must_use]
    pub fn jobctl_json(&self, arguments: &[&str]) -> Value {
        self.person.jobctl_json(arguments)
    }

    /// As [`Person::states`].
    #[must_use]
    pub fn states(&self, study: &str) -> Vec<(String, String)> {
        self.person.states(study)
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

    /// Where the worker of this name keeps packs, checkpoints and running attempts.
    #[must_use]
    pub fn scratch_folder(&self, name: &str) -> PathBuf {
        self.path(&format!("scratch-{name}"))
    }

    /// The folders of the attempts that the worker of this name has now.
    #[must_use]
    pub fn attempts(&self, name: &str) -> Vec<PathBuf> {
        let entries = self.scratch_folder(name).join("attempts").read_dir();
        entries.into_iter().flatten().flatten().map(|entry| entry.path()).collect()
    }

    /// The dashboard's `HOST:PORT`.
    #[must_use]
    pub fn dashboard(&self) -> String {
        format!("127.0.0.1:{}", self.http_port)
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        // Workers first: they give their leases back to a coordinator that still answers.
        self.workers.clear();
        self.coordinator = None;
        self.end_what_is_left();
        if std::thread::panicking() && std::env::var_os("SELFFER_TEST_KEEP").is_some() {
            self.folder.disable_cleanup(true);
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
