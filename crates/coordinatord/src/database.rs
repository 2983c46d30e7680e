//! The database: one that was named, or a private server in the data folder.

use std::time::Duration;

use anyhow::Result;
use selffer_storage::{PrivateServer, ServerConfig, Store, StoreOptions};
use tracing::{info, warn};

use crate::{config::Config, data_folder::DataFolder};

/// How long a private server may take to stop.
const STOP_WITHIN: Duration = Duration::from_secs(30);

/// A connected store, and the server behind it if that is ours.
pub(crate) struct Database {
    store: Store,
    server: Option<PrivateServer>,
}

impl Database {
    /// Connects, starting a private server unless the configuration names a database.
    ///
    /// # Errors
    /// There is no server, or its data are of another version.
    pub(crate) async fn open(config: &Config, folder: &DataFolder) -> Result<Self> {
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
        let store = match Store::connect(server.connect_options(), &options).await {
            Ok(store) => store,
            Err(error) => {
                stop(server).await;
                return Err(error.into());
            }
        };
        Ok(Self { store, server: Some(server) })
    }

    /// The store. Cheap to clone.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// Where the data are, for people.
    pub(crate) fn place(&self) -> String {
        match &self.server {
            Some(server) => format!("private PostgreSQL in {}", server.folder().display()),
            None => "the PostgreSQL that --database-url names".to_owned(),
        }
    }

    /// Closes the connections, and stops the server if it is ours: also one that was running
    /// already, for nobody else may use it while we hold the data folder.
    pub(crate) async fn close(self) {
        self.store.close().await;
        if let Some(server) = self.server {
            stop(server).await;
        }
    }
}

async fn stop(server: PrivateServer) {
    match tokio::time::timeout(STOP_WITHIN, server.stop()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            warn!(error = &error as &dyn std::error::Error, "the private PostgreSQL did not stop");
        }
        Err(_) => warn!("the private PostgreSQL did not stop in time; the next coordinator attaches to it"),
    }
}
