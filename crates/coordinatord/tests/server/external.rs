//! A PostgreSQL that is no coordinator's own, and coordinators that share it.

use std::{fs, path::PathBuf, process::Command};

use selffer_storage::{PrivateServer, ServerConfig, Store};
use tempfile::TempDir;

use crate::harness::{Server, remove_database};

/// A database for several coordinators, with the store and the token that they share.
pub(crate) struct Shared {
    folder: TempDir,
    server: Option<PrivateServer>,
    pub(crate) url: String,
}

impl Shared {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = ServerConfig { data_dir: folder.path().join("data"), pg_bin: None };
        let server = PrivateServer::start(&config).await.unwrap();
        let socket = server.connect_options().get_socket().unwrap().display().to_string();
        let url = format!("postgres://selffer@localhost:5432/selffer?host={socket}");
        fs::write(folder.path().join("token"), "5a".repeat(32)).unwrap();
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(folder.path().join("token"), private).unwrap();
        Self { folder, server: Some(server), url }
    }

    /// One more coordinator.
    pub(crate) fn coordinator(&self) -> Server {
        Server::start_as(self.coordinators_folder(), |command| self.tell(command))
    }

    /// One more, with the times that it has unless told otherwise.
    pub(crate) fn patient_coordinator(&self) -> Server {
        Server::start_patient_as(self.coordinators_folder(), |command| self.tell(command))
    }

    /// A folder for one more coordinator, where it finds the token that all have.
    pub(crate) fn coordinators_folder(&self) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("data")).unwrap();
        // Where the tests' connections look; the coordinator itself is told.
        fs::write(folder.path().join("data/FORMAT"), "selffer-data 1\n").unwrap();
        fs::copy(self.folder.path().join("token"), folder.path().join("data/token")).unwrap();
        folder
    }

    /// What a coordinator of this database must be told.
    pub(crate) fn tell(&self, command: &mut Command) {
        command.args(["--database-url", &self.url]).arg("--store").arg(self.store());
        command.arg("--token-file").arg(self.folder.path().join("token"));
    }

    /// The chunk store.
    pub(crate) fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// A look at its rows.
    pub(crate) async fn look(&self) -> Store {
        Store::look(Store::parse_url(&self.url).unwrap()).await.unwrap()
    }

    /// Runs a statement behind everybody's back; what it printed.
    pub(crate) fn psql(&self, statement: &str) -> String {
        psql(&self.url, statement)
    }

    /// Stops the server, at once.
    pub(crate) async fn stop_database(&mut self) {
        let server = self.server.take().unwrap();
        server.stop().await.unwrap();
    }

    /// Starts it again, where it was.
    pub(crate) async fn start_database(&mut self) {
        let config = ServerConfig { data_dir: self.folder.path().join("data"), pg_bin: None };
        self.server = Some(PrivateServer::start(&config).await.unwrap());
    }

    /// Checks its rows, and stops.
    pub(crate) async fn stop(mut self) {
        let store = self.look().await;
        let broken: Vec<_> = store.violations().await.unwrap().iter().map(ToString::to_string).collect();
        store.close().await;
        self.server.take().unwrap().stop().await.unwrap();
        assert!(broken.is_empty(), "broken promises:\n{}", broken.join("\n"));
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            // A test broke off: at once.
            let pid = fs::read_to_string(server.folder().join("cluster/postmaster.pid")).unwrap_or_default();
            if let Some(pid) = pid.lines().next().and_then(|pid| pid.parse().ok()) {
                let _ = nix::sys::signal::kill(
                    nix::unistd::Pid::from_raw(pid),
                    nix::sys::signal::Signal::SIGQUIT,
                );
            }
        }
        remove_database(self.folder.path());
    }
}

/// Runs a statement on a database; what it printed.
pub(crate) fn psql(url: &str, statement: &str) -> String {
    let answer = Command::new("psql")
        // It sets things right where nothing else can write.
        .env("PGOPTIONS", "-c default_transaction_read_only=off")
        .args(["-X", "-A", "-t", "-q", "-c", statement, url])
        .output()
        .unwrap();
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    String::from_utf8(answer.stdout).unwrap().trim().to_owned()
}
