//! The private PostgreSQL: a server of our own, when a person names no database.
//!
//! Started from the system's binaries in a folder that belongs to the data folder, reached
//! only through a Unix socket that only its user may open, and left running if the
//! coordinator dies: the next one finds it again. If it dies itself, whoever waits for that
//! starts it again, and it recovers everything that was acknowledged, but for heartbeats of the
//! last moment. Durability is PostgreSQL's own, with `fsync` and `synchronous_commit` on. Nothing
//! is downloaded and no setting of the machine is touched.

mod account;
mod binaries;
mod cluster;
mod error;
mod folders;
mod process;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{
    Connection,
    postgres::{PgConnectOptions, PgConnection, PgSslMode},
};

pub use error::PrivateServerError;

use binaries::Binaries;
use folders::Folders;
use process::Process;

/// The database in the server.
const DATABASE: &str = "selffer";
/// A folder is tried this often before it counts as another's: a process that is just being
/// started holds on to its parent's locks until it is itself.
const TAKE_TRIES: u32 = 20;
const TAKE_EVERY: Duration = Duration::from_millis(50);

/// What a person may say about the private server.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// The coordinator's data folder; made if it is missing.
    pub data_dir: PathBuf,
    /// Where PostgreSQL's binaries are; none searches the usual places.
    pub pg_bin: Option<PathBuf>,
}

/// A private server that answers. Dropped without [`PrivateServer::stop`] it goes on running.
#[derive(Debug)]
pub struct PrivateServer {
    folders: Folders,
    binaries: Binaries,
    process: Process,
}

impl PrivateServer {
    /// Starts the data folder's server, or finds the one that runs, and waits until it answers.
    /// The first start makes the database, which takes seconds.
    ///
    /// # Errors
    /// No binaries, folders out of reach or in use, or a server that does not start.
    pub async fn start(config: &ServerConfig) -> Result<Self, PrivateServerError> {
        let folders = take(&config.data_dir).await?;
        let binaries = binaries::find(config.pg_bin.as_deref(), &folders.cluster, &folders.folder)?;
        cluster::prepare(&folders, &binaries).await?;
        let process = answering(&folders, &binaries).await?;
        make_database(&options_for(&folders, "postgres"))
            .await
            .map_err(|source| PrivateServerError::Refused { folder: folders.folder.clone(), source })?;
        let (folder, attached) = (folders.folder.display(), !process.is_ours());
        tracing::info!(%folder, attached, major = binaries.major, "private database answers");
        Ok(Self { folders, binaries, process })
    }

    /// How to connect to the server that another program runs for this data folder; whether it
    /// answers shows when one tries. `None` if there was never one.
    #[must_use]
    pub fn of_another(data_dir: &Path) -> Option<PgConnectOptions> {
        folders::socket_of(data_dir).map(|socket| options_through(&socket, DATABASE))
    }

    /// Waits until the server ends although nobody stopped it: killed, or out of memory.
    pub async fn ended(&mut self) {
        self.process.ended().await;
    }

    /// Starts a server that has ended, and waits until it has recovered and answers. Those who
    /// were connected must connect anew.
    ///
    /// # Errors
    /// It does not start; asking again is safe.
    pub async fn start_again(&mut self) -> Result<(), PrivateServerError> {
        self.process = answering(&self.folders, &self.binaries).await?;
        Ok(())
    }

    /// How to connect to its database.
    #[must_use]
    pub fn connect_options(&self) -> PgConnectOptions {
        options_for(&self.folders, DATABASE)
    }

    /// Where it lives; its log is `server.log` there.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folders.folder
    }

    /// Whether an earlier coordinator had left it running.
    #[must_use]
    pub fn was_running(&self) -> bool {
        !self.process.is_ours()
    }

    /// Ends it in good order. Close the connections to it first: they are cut.
    ///
    /// # Errors
    /// It does not end in time.
    pub async fn stop(self) -> Result<(), PrivateServerError> {
        process::stop(&self.folders, self.process).await?;
        // It may lie under /tmp, where nobody else would tidy up; the next start makes it anew.
        if let Err(error) = std::fs::remove_dir(&self.folders.socket) {
            tracing::info!(folder = %self.folders.socket.display(), %error, "socket folder is left behind");
        }
        Ok(())
    }
}

async fn take(data_dir: &Path) -> Result<Folders, PrivateServerError> {
    for _ in 1..TAKE_TRIES {
        match folders::take(data_dir) {
            Err(PrivateServerError::InUse { .. }) => tokio::time::sleep(TAKE_EVERY).await,
            taken => return taken,
        }
    }
    folders::take(data_dir)
}

async fn answering(folders: &Folders, binaries: &Binaries) -> Result<Process, PrivateServerError> {
    process::start_or_attach(folders, binaries, &options_for(folders, "postgres")).await
}

fn options_for(folders: &Folders, database: &str) -> PgConnectOptions {
    options_through(&folders.socket, database)
}

// From nothing but what we say: the environment's PGHOST or PGSSLMODE are for other servers.
fn options_through(socket: &Path, database: &str) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .socket(socket)
        .port(5432)
        .username(cluster::ROLE)
        .password("")
        .ssl_mode(PgSslMode::Disable)
        .database(database)
}

// Not a checked query: there is no database to check it against before it has run.
async fn make_database(maintenance: &PgConnectOptions) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect_with(maintenance).await?;
    let exists: Option<i32> = sqlx::query_scalar("SELECT 1 FROM pg_database WHERE datname = 'selffer'")
        .fetch_optional(&mut connection)
        .await?;
    if exists.is_none() {
        sqlx::raw_sql("CREATE DATABASE selffer").execute(&mut connection).await?;
    }
    connection.close().await
}
