//! The collector: frees the chunk store of what nothing refers to any more.
//!
//! Which chunks they are, and that nobody wants them again meanwhile, is the store's business;
//! here their files are removed, a round at a time. Whatever interrupts it costs nothing: the
//! next round goes on. Once at the start and then daily the whole store is listed, and what no
//! manifest knows is put on the list of dropped chunks: a crash, or a database that was taken
//! back to an earlier day, can leave such.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{
    StreamExt, TryStreamExt,
    stream::{self, TryChunksError},
};
use selffer_artifacts::ArtifactError;
use selffer_core::{artifact::Chunk, election::Duty, ids::Digest, limits::LEADER_TERM_S};
use selffer_storage::{Collection, Store, StoreError};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{chunk_health, coordinator::Coordinator, outage};

/// The longest pause between two looks.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// The shortest.
const PAUSE_MIN: Duration = Duration::from_millis(200);
/// Between two listings of the whole store.
const LIST_EVERY: Duration = Duration::from_secs(24 * 60 * 60);
/// Chunks that are compared with the database at a time.
const CHUNKS_PER_LOOK: usize = 500;
/// Files that are removed at a time.
const REMOVALS_AT_A_TIME: usize = 16;

/// What kept chunks from being collected.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The database.
    Database(StoreError),
    /// The chunk store.
    Chunks(ArtifactError),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Database(error)
    }
}

impl From<ArtifactError> for Trouble {
    fn from(error: ArtifactError) -> Self {
        Self::Chunks(error)
    }
}

/// How much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Amount {
    pub(crate) chunks: u64,
    pub(crate) bytes: u64,
}

/// What is done with chunks that no manifest knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listing {
    /// Nothing.
    Look,
    /// They are put on the list of dropped chunks.
    Note,
}

/// What was freed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Collected {
    pub(crate) chunks: u64,
    pub(crate) bytes: u64,
    /// Announced checkpoints that were given up.
    pub(crate) abandoned: u32,
}

/// What a listing of the store found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unknown {
    /// Everything in it.
    pub(crate) stored: Amount,
    /// Of that, what no manifest knows.
    pub(crate) unknown: Amount,
}

/// For whom chunks are collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// The coordinators themselves: one of them at a time, and none while the fleet is frozen,
    /// for a database that is older than it should be may forget what it needs.
    Leader,
    /// A person who asked this one.
    Person,
}

/// Collects until `stopping`.
pub(crate) async fn run(coordinator: Arc<Coordinator>, stopping: CancellationToken) {
    let grace = coordinator.timing.keep_dropped;
    let mut pause = tokio::time::interval((grace / 4).clamp(PAUSE_MIN, PAUSE_MAX));
    pause.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut listed_at: Option<Instant> = None;
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            _ = pause.tick() => {}
        }
        if listed_at.is_none_or(|at| at.elapsed() >= LIST_EVERY) {
            let listed = tokio::select! {
                // Nothing of a listing is half done.
                () = stopping.cancelled() => return,
                listed = list(&coordinator) => listed,
            };
            match listed {
                Ok(Some(found)) => {
                    listed_at = Some(Instant::now());
                    tell(found);
                }
                Ok(None) => {}
                Err(trouble) => note(&trouble),
            }
        }
        match collect(&coordinator, By::Leader).await {
            Ok(Collected { chunks: 0, abandoned: 0, .. }) => {}
            Ok(Collected { chunks, bytes, abandoned }) => {
                info!(
                    chunks,
                    bytes, abandoned, "disk freed of what no checkpoint and no import has any more"
                );
            }
            Err(trouble) => note(&trouble),
        }
    }
}

impl By {
    /// The store under which the next round may be made; none if it is not this one's.
    async fn store(self, coordinator: &Coordinator) -> Result<Option<Store>, StoreError> {
        let store = &coordinator.store;
        if self == Self::Person {
            return Ok(Some(store.clone()));
        }
        if store.freeze().await?.is_some() {
            return Ok(None);
        }
        let term = Duration::from_secs(LEADER_TERM_S);
        let leading = store.lead(Duty::Collect, coordinator.id, term).await?;
        Ok(leading.map(|leading| store.under(leading)))
    }
}

/// Lists the store, if that is this one's business.
async fn list(coordinator: &Coordinator) -> Result<Option<Unknown>, Trouble> {
    match By::Leader.store(coordinator).await? {
        Some(_) => find_unknown(coordinator, Listing::Note).await.map(Some),
        None => Ok(None),
    }
}

fn tell(found: Unknown) {
    let Unknown { stored, unknown } = found;
    if unknown.chunks > 0 {
        let (chunks, bytes) = (unknown.chunks, unknown.bytes);
        info!(chunks, bytes, of = stored.chunks, "chunks that no manifest knows will be removed");
    }
}

fn note(trouble: &Trouble) {
    match trouble {
        Trouble::Database(error) => outage::note(error, "chunks could not be collected; trying again"),
        Trouble::Chunks(error) => chunk_health::note(error),
    }
}

/// Lists the whole store, for what no manifest knows.
pub(crate) async fn find_unknown(coordinator: &Coordinator, listing: Listing) -> Result<Unknown, Trouble> {
    let store = &coordinator.store;
    let mut found = Unknown::default();
    let mut looks = std::pin::pin!(coordinator.chunks.stored().try_chunks(CHUNKS_PER_LOOK));
    while let Some(some) = looks.try_next().await.map_err(|TryChunksError(_, error)| error)? {
        found.stored.count(&some);
        let unknown = store.unknown_chunks(&some).await?;
        if listing == Listing::Note && !unknown.is_empty() {
            store.note_unknown_chunks(&unknown).await?;
        }
        found.unknown.count(&unknown);
    }
    Ok(found)
}

impl Amount {
    fn count(&mut self, chunks: &[Chunk]) {
        self.chunks += chunks.len() as u64;
        self.bytes += chunks.iter().map(|chunk| chunk.bytes).sum::<u64>();
    }
}

/// Frees everything that is due.
pub(crate) async fn collect(coordinator: &Coordinator, by: By) -> Result<Collected, Trouble> {
    let grace = coordinator.timing.keep_dropped;
    let mut collected = Collected::default();
    if let Some(store) = by.store(coordinator).await? {
        collected.abandoned = store.drop_abandoned_checkpoints(grace).await?;
    }
    // A round may take as long as a term: each begins by renewing it.
    while let Some(store) = by.store(coordinator).await? {
        let Some(collection) = store.collect(grace).await? else { break };
        let freed = remove(coordinator, collection).await?;
        collected.chunks += freed.chunks;
        collected.bytes += freed.bytes;
        if coordinator.stopping.is_cancelled() {
            break;
        }
    }
    Ok(collected)
}

async fn remove(coordinator: &Coordinator, collection: Collection) -> Result<Amount, Trouble> {
    let chunks = collection.chunks.clone().into_iter();
    let removals =
        chunks.map(|(digest, size)| async move { (digest, size, coordinator.chunks.remove(digest).await) });
    // Side by side: a bucket's server may be far away, and others wait for these rows.
    let done: Vec<_> = stream::iter(removals).buffer_unordered(REMOVALS_AT_A_TIME).collect().await;
    let mut removed: Vec<Digest> = Vec::new();
    let (mut bytes, mut trouble) = (0, None);
    for (digest, size, outcome) in done {
        match outcome {
            Ok(()) => {
                removed.push(digest);
                bytes += size;
            }
            Err(error) => trouble = Some(error),
        }
    }
    collection.removed(&removed).await?;
    // What did not go is tried again, but not at once and for ever.
    match trouble {
        Some(error) => Err(error.into()),
        None => Ok(Amount { chunks: removed.len() as u64, bytes }),
    }
}
