//! One coordinator's life: start, serve, stop in good order.

use std::{
    future::Future,
    io::{self, ErrorKind, Write},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use selffer_artifacts::ChunkStore;
use selffer_core::limits::COORDINATOR_SILENT_S;
use selffer_storage::Store;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    belonging, chunk_health, chunk_place, collector, config::Config, coordinator::Coordinator, dashboard,
    data_folder::DataFolder, database::Database, dispatcher, grpc, neighbours, outage, sweeper,
};

/// How long open calls may take to end after a signal; longer ones are cut off, which every
/// client survives.
const END_WITHIN: Duration = Duration::from_secs(10);

/// Runs a coordinator until a signal ends it.
///
/// # Errors
/// Why it could not start, in one sentence.
pub(crate) async fn run(config: Config) -> Result<()> {
    let stopping = CancellationToken::new();
    stop_on_signal(stopping.clone())?;
    let folder = DataFolder::open(&config.data_dir, config.token_file.as_deref())?;
    // Both ports before the database: a taken one is told at once.
    let listener = bind("--listen", config.listen).await?;
    let http_listener = bind("--http-listen", config.http_listen).await?;
    let chunks = chunk_place::open(&config)?;
    // From here on nothing may return early: the database must be closed.
    let database = Database::open(&config, &folder, &stopping).await?;
    let served = match outage::outlast(&stopping, || take_up(database.store(), &chunks)).await {
        Ok(()) => serve((&config, &folder), &database, chunks, (listener, http_listener), stopping).await,
        Err(error) => Err(error),
    };
    database.close().await;
    info!("stopped");
    served
}

/// Makes sure that database and chunk store are one fleet's, and tidies up if nobody else works
/// with them.
async fn take_up(store: &Store, chunks: &ChunkStore) -> Result<()> {
    belonging::settle(store, chunks).await?;
    if store.other_coordinators(None, Duration::from_secs(COORDINATOR_SILENT_S)).await? == 0 {
        remove_leftovers(chunks).await?;
    }
    Ok(())
}

/// Serves until a signal or trouble ends it.
async fn serve(
    (config, folder): (&Config, &DataFolder),
    database: &Database,
    chunks: ChunkStore,
    (listener, http_listener): (TcpListener, TcpListener),
    stopping: CancellationToken,
) -> Result<()> {
    let addresses = [listener.local_addr()?, http_listener.local_addr()?];
    announce(config, (folder, &chunks), database, addresses);

    let (handle, queue) = dispatcher::channel();
    let store = database.store().clone();
    let coordinator = Coordinator::new(
        store.clone(),
        (chunks, config.chunks.clone()),
        handle,
        config.timing,
        stopping.clone(),
    );
    let dispatch = tokio::spawn(dispatcher::run(store, queue, stopping.clone()));
    let sweep = tokio::spawn(sweeper::run(Arc::clone(&coordinator), stopping.clone()));
    let collect = tokio::spawn(collector::run(Arc::clone(&coordinator), stopping.clone()));
    // A private PostgreSQL has one coordinator: its data folder is locked.
    let neighbours = config.database_url.is_some();
    let neighbours = neighbours.then(|| tokio::spawn(neighbours::run(Arc::clone(&coordinator))));
    let health = tokio::spawn(chunk_health::run(Arc::clone(&coordinator), stopping.clone()));
    let http = tokio::spawn(dashboard::serve(Arc::clone(&coordinator), http_listener));
    let rpc = grpc::serve(Arc::clone(&coordinator), folder.token().clone(), listener);

    let served = until_ended(rpc, stopping.clone()).await;
    // Whatever ended the server ends the rest.
    stopping.cancel();
    let rest = async {
        coordinator.finish_acts().await;
        let _ = tokio::join!(dispatch, sweep, collect, health, http);
        if let Some(neighbours) = neighbours {
            let _ = neighbours.await;
        }
        if let Err(error) = coordinator.store.retire_coordinator(coordinator.id).await {
            outage::note(&error, "the lead could not be given up; it ends by itself");
        }
    };
    if tokio::time::timeout(END_WITHIN, rest).await.is_err() {
        warn!("some work did not end in time and is cut off; it is repeated or taken back later");
    }
    served
}

/// Serves until it broke, or until open calls had their time to end after `stopping`.
async fn until_ended(serving: impl Future<Output = Result<()>>, stopping: CancellationToken) -> Result<()> {
    let too_long = async {
        stopping.cancelled().await;
        tokio::time::sleep(END_WITHIN).await;
    };
    tokio::select! {
        served = serving => served,
        () = too_long => {
            warn!("open calls did not end in time and are cut off");
            Ok(())
        }
    }
}

fn stop_on_signal(stopping: CancellationToken) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => info!("SIGTERM: stopping"),
            _ = interrupt.recv() => info!("SIGINT: stopping"),
        }
        stopping.cancel();
    });
    Ok(())
}

async fn bind(option: &str, address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => anyhow!(
            "{address} is taken by another program, perhaps another coordinator; \
             stop it, or choose another address with {option}"
        ),
        ErrorKind::AddrNotAvailable => {
            anyhow!("{address} is no address of this machine; choose one with {option}")
        }
        ErrorKind::PermissionDenied => {
            anyhow!("{address} may not be used by this user; choose another with {option}")
        }
        _ => anyhow::Error::new(error).context(format!("cannot listen on {address}")),
    })
}

async fn remove_leftovers(chunks: &ChunkStore) -> Result<()> {
    let chunks = chunks.clone();
    let removed = tokio::task::spawn_blocking(move || chunks.remove_leftovers()).await??;
    if removed > 0 {
        info!(removed, "removed what uploads that were cut off had left in the chunk store");
    }
    Ok(())
}

fn announce(
    config: &Config,
    (folder, chunks): (&DataFolder, &ChunkStore),
    database: &Database,
    [rpc, http]: [SocketAddr; 2],
) {
    let shared = folder.share_token_with_user();
    if let Err(error) = &shared {
        info!(reason = %error, "the token is only in the data folder, not in the user's own");
    }
    if config.insecure {
        warn!("--insecure: token, images and weights cross the network in the clear");
    }
    let text = format!(
        "coordinatord {} is ready\n\
         \x20 workers, jobctl  {rpc}\n\
         \x20 dashboard        http://{http}\n\
         \x20 data             {} ({})\n\
         \x20 chunks           {}\n",
        env!("CARGO_PKG_VERSION"),
        folder.path().display(),
        database.place(),
        chunks.place(),
    );
    let mut out = io::stdout().lock();
    // If nobody reads it, that is no reason not to serve.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
