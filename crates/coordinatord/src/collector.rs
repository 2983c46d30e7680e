//! The collector: frees the disk of chunks that nothing refers to any more.
//!
//! Which they are, and that nobody wants them again meanwhile, is the store's business; here
//! their files are removed, a round at a time. Whatever interrupts it costs nothing: the next
//! round goes on.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use selffer_core::{election::Duty, ids::Digest, limits::LEADER_TERM_S};
use selffer_storage::{Collection, StoreError};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{coordinator::Coordinator, outage};

/// The longest pause between two looks.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// The shortest.
const PAUSE_MIN: Duration = Duration::from_millis(200);

/// Collects until `stopping`.
pub(crate) async fn run(coordinator: Arc<Coordinator>, stopping: CancellationToken) {
    let grace = coordinator.timing.keep_dropped;
    let mut pause = tokio::time::interval((grace / 4).clamp(PAUSE_MIN, PAUSE_MAX));
    pause.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            _ = pause.tick() => {}
        }
        if let Err(error) = collect(&coordinator, grace, &stopping).await {
            match error.downcast_ref::<StoreError>() {
                Some(error) => outage::note(error, "chunks could not be collected; trying again"),
                None => warn!(%error, "chunks could not be removed; trying again"),
            }
        }
    }
}

async fn collect(coordinator: &Coordinator, grace: Duration, stopping: &CancellationToken) -> Result<()> {
    let store = &coordinator.store;
    let term = Duration::from_secs(LEADER_TERM_S);
    let Some(leading) = store.lead(Duty::Collect, coordinator.id, term).await? else { return Ok(()) };
    let abandoned = store.under(leading).drop_abandoned_checkpoints(grace).await?;
    let (mut chunks, mut bytes) = (0_u64, 0_u64);
    // A round may take as long as a term: each begins by renewing it.
    while let Some(leading) = store.lead(Duty::Collect, coordinator.id, term).await? {
        let Some(collection) = store.under(leading).collect(grace).await? else { break };
        let freed = remove(coordinator, collection).await?;
        (chunks, bytes) = (chunks + freed.0, bytes + freed.1);
        if stopping.is_cancelled() {
            break;
        }
    }
    if chunks + u64::from(abandoned) > 0 {
        info!(chunks, bytes, abandoned, "disk freed of what no checkpoint and no import has any more");
    }
    Ok(())
}

/// How many chunks and bytes are gone.
async fn remove(coordinator: &Coordinator, collection: Collection) -> Result<(u64, u64)> {
    let mut removed: Vec<Digest> = Vec::new();
    let (mut bytes, mut trouble) = (0, None);
    for (digest, size) in &collection.chunks {
        match coordinator.chunks.remove(*digest).await {
            Ok(()) => {
                removed.push(*digest);
                bytes += size;
            }
            Err(error) => trouble = Some(error),
        }
    }
    collection.removed(&removed).await?;
    // What did not go is tried again, but not at once and for ever.
    trouble.map_or(Ok((removed.len() as u64, bytes)), |error| Err(error.into()))
}
