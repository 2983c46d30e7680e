//! The database: one that was named, or a private server in the data folder.
//!
//! A private server that dies is started again while we go on: calls are answered with
//! "try again" meanwhile, and the pools connect anew by themselves.

use std::{
    error::Error,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::Result;
use selffer_storage::{PrivateServer, ServerConfig, Store, StoreOptions};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{config::Config, data_folder::DataFolder, outage};

/// How long a private server may take to stop.
const STOP_WITHIN: Duration = Duration::from_secs(30);
/// Between two tries to start a server that does not start.
const START_AGAIN_EVERY: Duration = Duration::from_secs(5);

/// A connected store, and the server behind it if that is ours.
pub(crate) struct Database {
    store: Store,
    server: Option<Supervised>,
}

/// A server that is started again whenever it ends without our doing.
struct Supervised {
    folder: PathBuf,
    stopping: CancellationToken,
    /// Gives the server back once it is to be stopped.
    task: JoinHandle<PrivateServer>,
}

impl Database {
    /// Connects, starting a private server unless the configuration names a database.
    ///
    /// # Errors
    /// There is no server, or its data are of another version.
    pub(crate) async fn open(
        config: &Config,
        folder: &DataFolder,
        stopping: &CancellationToken,
    ) -> Result<Self> {
        let options = StoreOptions::default();
        if let Some(url) = &config.database_url {
            let store = Store::connect(Store::parse_url(url)?, &options).await?;
            return Ok(Self { store, server: None });
        }
        let server_config =
            ServerConfig { data_dir: folder.path().to_owned(), pg_bin: config.pg_bin.clone() };
        let server = PrivateServer::start(&server_config).await?;
        if server.was_running() {
            info!("attached to the private PostgreSQL that an earlier coordinator left running");
        }
        let database = server.connect_options();
        // From now on it is started again if it ends, also while we connect.
        let server = Supervised::of(server);
        match outage::outlast(stopping, async || Ok(Store::connect(database.clone(), &options).await?)).await
        {
            Ok(store) => Ok(Self { store, server: Some(server) }),
            Err(error) => {
                server.stop().await;
                Err(error)
            }
        }
    }

    /// The store. Cheap to clone.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// Where the data are, for people.
    pub(crate) fn place(&self) -> String {
        match &self.server {
            Some(server) => format!("private PostgreSQL in {}", server.folder.display()),
            None => "the PostgreSQL that --database-url names".to_owned(),
        }
    }

    /// Closes the connections, and stops the server if it is ours: also one that was running
    /// already, for nobody else may use it while we hold the data folder.
    pub(crate) async fn close(self) {
        self.store.close().await;
        if let Some(server) = self.server {
            server.stop().await;
        }
    }
}

impl Supervised {
    fn of(server: PrivateServer) -> Self {
        let stopping = CancellationToken::new();
        let folder = server.folder().to_owned();
        let task = tokio::spawn(supervise(server, stopping.clone()));
        Self { folder, stopping, task }
    }

    async fn stop(self) {
        self.stopping.cancel();
        match self.task.await {
            Ok(server) => stop(server).await,
            Err(error) => error!(%error, "the private PostgreSQL was left running"),
        }
    }
}

async fn supervise(mut server: PrivateServer, stopping: CancellationToken) -> PrivateServer {
    loop {
        tokio::select! {
            () = stopping.cancelled() => return server,
            () = server.ended() => {}
        }
        let ended_at = Instant::now();
        warn!(
            folder = %server.folder().display(),
            "the private PostgreSQL has ended without our doing; starting it again, calls wait meanwhile"
        );
        // To its end also if we are told to stop: a server that nobody knows of is worse.
        while let Err(failure) = server.start_again().await {
            error!(error = &failure as &dyn Error, "the private PostgreSQL does not start; trying again");
            tokio::select! {
                () = stopping.cancelled() => return server,
                () = tokio::time::sleep(START_AGAIN_EVERY) => {}
            }
        }
        let away_ms = ended_at.elapsed().as_millis() as u64;
        info!(away_ms, "the private PostgreSQL answers again; what was acknowledged is there");
    }
}

async fn stop(server: PrivateServer) {
    match tokio::time::timeout(STOP_WITHIN, server.stop()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            warn!(error = &error as &dyn Error, "the private PostgreSQL did not stop");
        }
        Err(_) => warn!("the private PostgreSQL did not stop in time; the next coordinator attaches to it"),
    }
}
