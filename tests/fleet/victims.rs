//! Killing what belongs to a fleet, and starting it again.
//!
//! Only processes that the fleet itself started are ever signalled: its own children, the
//! trainers that those started, and the PostgreSQL whose command line names this fleet's own
//! data folder.

use std::{fs, path::PathBuf, time::Duration};

use nix::{
    sys::signal::{self, Signal},
    unistd::Pid,
};

use super::Fleet;
use crate::{
    machine::{self, Seen},
    process::Process,
    schedule::Victim,
    wait,
};

/// How long what is left of a fleet may take to end.
const END_WITHIN: Duration = Duration::from_secs(20);

impl Fleet {
    /// Kills those of them that live, all at once, and says whom.
    pub fn kill(&mut self, victims: &[Victim]) -> Vec<Victim> {
        // All are found first, so that the blows fall together.
        let found: Vec<(Victim, Pid)> =
            victims.iter().filter_map(|victim| Some((*victim, self.find(*victim)?))).collect();
        let hit = |&(_, id): &(Victim, Pid)| signal::kill(id, Signal::SIGKILL).is_ok();
        let dead: Vec<Victim> = found.iter().filter(|found| hit(found)).map(|(victim, _)| *victim).collect();
        for victim in &dead {
            if let Some(process) = self.own_process(*victim) {
                process.kill();
            }
        }
        dead
    }

    /// The process that this is now, if it lives.
    pub fn find(&mut self, victim: Victim) -> Option<Pid> {
        match victim {
            Victim::Trainer(worker) => self.trainer(worker),
            Victim::Database => self.postmaster().map(|seen| seen.id),
            own => {
                let process = self.own_process(own)?;
                process.is_running().then(|| process.pid())
            }
        }
    }

    /// The trainer of this worker, while it has one.
    pub fn trainer(&mut self, worker: usize) -> Option<Pid> {
        let daemon = self.find(Victim::Worker(worker))?;
        let trains = |child: &Seen| child.command.contains("trainer");
        machine::children(daemon).into_iter().find(trains).map(|child| child.id)
    }

    /// The private PostgreSQL's first process, if it lives.
    #[must_use]
    pub fn postmaster(&self) -> Option<Seen> {
        let id: i32 = self.postmaster_line(0)?.parse().ok()?;
        let cluster = self.cluster().to_string_lossy().into_owned();
        // The number may have been given to somebody else since.
        machine::process(Pid::from_raw(id)).filter(|seen| seen.command.contains(&cluster))
    }

    /// The URL of the private database, while its server runs.
    #[must_use]
    pub fn database_url(&self) -> Option<String> {
        // Line 5 is the folder of its socket.
        let socket = self.postmaster_line(4)?;
        Some(format!("postgres://selffer@localhost:5432/selffer?host={socket}"))
    }

    /// Coordinator and workers: what a service manager keeps running.
    #[must_use]
    pub fn services(&self) -> Vec<Victim> {
        let workers = (0..self.workers.len()).map(Victim::Worker);
        self.coordinator.iter().map(|_| Victim::Coordinator).chain(workers).collect()
    }

    /// Whether coordinator or worker runs.
    pub fn is_running(&mut self, service: Victim) -> bool {
        self.own_process(service).is_some_and(Process::is_running)
    }

    /// Starts coordinator or worker again, and does not wait until it answers.
    pub fn start_again(&mut self, service: Victim) {
        match self.own_process(service) {
            Some(process) => process.restart(),
            None => {
                let process = Process::start(self.coordinator_command(), self.path("coordinatord.log"));
                self.coordinator = Some(process);
            }
        }
    }

    /// What coordinator or worker has printed so far, in all its lives.
    #[must_use]
    pub fn printed(&self, service: Victim) -> String {
        let process = match service {
            Victim::Worker(worker) => self.workers.get(worker),
            _ => self.coordinator.as_ref(),
        };
        process.map(Process::printed).unwrap_or_default()
    }

    /// Every process of this fleet that lives, the database's included.
    #[must_use]
    pub fn processes(&self) -> Vec<Seen> {
        let mut seen = machine::processes_of(self.folder.path());
        let of_database = machine::processes_of(&self.cluster());
        seen.extend(of_database.into_iter().filter(|process| !seen.contains(process)).collect::<Vec<_>>());
        seen
    }

    /// Stops everything as a person would, workers first; each must end in good order and
    /// nothing may stay.
    ///
    /// # Panics
    /// When something ends badly or not at all, or a process stays.
    pub fn stop_in_order(&mut self) {
        let workers = std::mem::take(&mut self.workers);
        for mut process in workers.into_iter().chain(self.coordinator.take()) {
            process.signal(Signal::SIGTERM);
            assert_eq!(process.wait(super::PATIENCE), Some(0), "{}", process.printed());
        }
        let mut left = Vec::new();
        let is_empty = wait::holds_within(END_WITHIN, || {
            left = self.processes();
            left.is_empty()
        });
        assert!(is_empty, "processes stayed: {left:?}");
    }

    /// Ends what coordinator and workers left: trainers of daemons that were killed, a
    /// PostgreSQL without its coordinator, and the folders of that.
    pub(super) fn end_what_is_left(&mut self) {
        let socket = self.postmaster_line(4);
        if let Some(postmaster) = self.postmaster() {
            let _ = signal::kill(postmaster.id, Signal::SIGINT);
            wait::holds_within(END_WITHIN, || self.postmaster().is_none());
        }
        for left in self.processes() {
            let _ = signal::kill(left.id, Signal::SIGKILL);
        }
        // As root the private server's folders lie outside the data folder, which links to one.
        if let Ok(folder) = fs::read_link(self.data_folder().join("postgres")) {
            let _ = fs::remove_dir_all(folder);
        }
        if let Some(socket) = socket.filter(|socket| socket.contains("selffer")) {
            let _ = fs::remove_dir_all(socket);
        }
    }

    fn own_process(&mut self, victim: Victim) -> Option<&mut Process> {
        match victim {
            Victim::Coordinator => self.coordinator.as_mut(),
            Victim::Worker(worker) => self.workers.get_mut(worker),
            Victim::Trainer(_) | Victim::Database => None,
        }
    }

    /// The private database's files.
    #[must_use]
    pub fn cluster(&self) -> PathBuf {
        let link = self.data_folder().join("postgres");
        fs::read_link(&link).unwrap_or(link).join("cluster")
    }

    fn postmaster_line(&self, index: usize) -> Option<String> {
        let text = fs::read_to_string(self.cluster().join("postmaster.pid")).ok()?;
        text.lines().nth(index).map(|line| line.trim().to_owned())
    }
}
