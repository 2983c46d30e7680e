//! What every handler and task of one coordinator shares.

use std::{future::Future, sync::Arc};

use selffer_artifacts::ChunkStore;
use selffer_core::ids::CoordinatorId;
use selffer_storage::Store;
use tokio::sync::{Semaphore, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::Status;

use crate::{
    ambient,
    chunk_room::{self, ChunkArgs, Need},
    completer::Completer,
    config::Timing,
    dispatcher::DispatcherHandle,
    grpc::of_artifact,
    heartbeat_pace::HeartbeatPace,
    pack_rooms::PackRooms,
};

/// Chunks that are received at a time; each is held in memory, 8 MiB at most.
const CHUNK_UPLOADS_AT_A_TIME: usize = 32;

/// One coordinator, shared by all that serves in it.
pub(crate) struct Coordinator {
    /// Who it is among the coordinators of its database.
    pub(crate) id: CoordinatorId,
    /// The state.
    pub(crate) store: Store,
    /// The bytes.
    pub(crate) chunks: ChunkStore,
    /// How many of them.
    pub(crate) chunk_args: ChunkArgs,
    /// Hands out jobs.
    pub(crate) dispatcher: DispatcherHandle,
    /// Takes their results.
    pub(crate) completer: Completer,
    /// How patient it is.
    pub(crate) timing: Timing,
    /// Cancelled when the program is to end; long answers end then.
    pub(crate) stopping: CancellationToken,
    /// Bounds the memory that uploads take.
    pub(crate) uploads: Semaphore,
    /// How often workers report.
    pub(crate) heartbeat_pace: HeartbeatPace,
    /// What workers said of packs.
    pub(crate) pack_rooms: PackRooms,
    acts: TaskTracker,
    changes: watch::Sender<u64>,
}

impl Coordinator {
    /// A coordinator on these stores.
    pub(crate) fn new(
        store: Store,
        (chunks, chunk_args): (ChunkStore, ChunkArgs),
        dispatcher: DispatcherHandle,
        timing: Timing,
        stopping: CancellationToken,
    ) -> Arc<Self> {
        Arc::new(Self {
            id: ambient::coordinator_id(),
            store,
            chunks,
            chunk_args,
            dispatcher,
            completer: Completer::default(),
            timing,
            stopping,
            uploads: Semaphore::new(CHUNK_UPLOADS_AT_A_TIME),
            heartbeat_pace: HeartbeatPace::default(),
            pack_rooms: PackRooms::default(),
            acts: TaskTracker::new(),
            changes: watch::Sender::new(0),
        })
    }

    /// Runs something that changes rows to its end, even if the client hangs up meanwhile.
    ///
    /// tonic drops a handler when its client goes away, and sqlx 0.9.0 returns a connection
    /// with an open transaction to the pool when it is dropped while it begins one.
    pub(crate) async fn act<T, F>(&self, work: F) -> Result<T, Status>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Status>> + Send + 'static,
    {
        let done = self.acts.spawn(work).await;
        done.unwrap_or_else(|error| {
            tracing::error!(%error, "a handler broke");
            Err(Status::internal("the coordinator has a bug: a handler broke; its log says where"))
        })
    }

    /// Whether the chunk store has room for this.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED`, or that the store cannot be asked.
    pub(crate) async fn check_room(&self, need: Need) -> Result<(), Status> {
        let room = chunk_room::room(&self.chunks).await.map_err(|error| of_artifact(&error))?;
        chunk_room::check(self.chunks.place(), room, self.chunk_args.keep_free, need)
    }

    /// Waits until everything that changes rows is through. Nothing may begin afterwards.
    pub(crate) async fn finish_acts(&self) {
        self.acts.close();
        self.acts.wait().await;
    }

    /// Tells those who watch that something may look different now.
    pub(crate) fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// Hears of [`Self::changed`].
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}
