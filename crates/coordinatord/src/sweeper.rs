//! The sweeper: notices silent sessions, leases that nobody confirmed, workers that are lost
//! and jobs that outlived their cancellation.
//!
//! It decides only *when*; each sweep is one guarded statement of the store that is safe at
//! any time. Of several coordinators one sweeps, whose term the database knows; nothing happens
//! while the fleet is frozen. The [`Brake`] keeps it from taking an outage of ours for a death of theirs.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use selffer_core::{
    brake::{Allowed, Brake, Patience, Sight},
    election::Duty,
    limits::LEADER_TERM_S,
    rollback::{self, Freeze, FreezeBounds},
};
use selffer_storage::{Overdue, Store, StoreError};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{coordinator::Coordinator, outage};

/// The longest pause between two sweeps.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// How long it leads without renewing that.
const TERM: Duration = Duration::from_secs(LEADER_TERM_S);

/// Sweeps until `stopping`.
pub(crate) async fn run(coordinator: Arc<Coordinator>, stopping: CancellationToken) {
    let timing = &coordinator.timing;
    let patience = Patience { ttl: timing.session_ttl, lost_after: timing.lost_after };
    let began_at = Instant::now();
    let mut brake = Brake::new(patience, Duration::ZERO);
    let mut pause = tokio::time::interval((patience.ttl / 8).min(PAUSE_MAX));
    pause.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            _ = pause.tick() => {}
        }
        match sweep(&coordinator, &mut brake, began_at).await {
            Ok(()) => {}
            Err(StoreError::TermEnded { .. }) => {
                brake.disturbed(began_at.elapsed());
                info!("the term ended in the middle of a sweep; the rest was left to the next leader");
            }
            Err(error) => {
                brake.disturbed(began_at.elapsed());
                outage::note(&error, "sweep did not go through; nothing expires for a while");
            }
        }
    }
}

async fn sweep(coordinator: &Coordinator, brake: &mut Brake, began_at: Instant) -> Result<(), StoreError> {
    let timing = &coordinator.timing;
    let database_now = coordinator.store.now().await?;
    outage::is_over();
    if let Some(freeze) = coordinator.store.freeze().await? {
        brake.disturbed(began_at.elapsed());
        return thaw_if_over(coordinator, freeze, database_now).await;
    }
    let liveness = coordinator.store.session_liveness(timing.session_ttl).await?;
    // Also by those who do not lead: who takes over has watched for as long.
    let sight = Sight { database_now, live: liveness.live, silent: liveness.silent };
    let allowed = brake.allows(sight, began_at.elapsed());
    let Some(term) = coordinator.store.lead(Duty::Sweep, coordinator.id, TERM).await? else { return Ok(()) };
    let store = coordinator.store.under(term);
    // What a person said is not a matter of silence, so the brake does not hold it.
    let ended = store.end_withdrawn(timing.cancel_within).await? + store.end_unwanted().await?;
    let overdue = store.stop_overdue().await?;
    if overdue > 0 {
        info!(overdue, "studies whose deadline has passed were stopped");
        coordinator.changed();
    }
    if ended > 0 {
        info!(ended, "jobs that nobody wants any more were ended");
        coordinator.changed();
    }
    expire(coordinator, &store, allowed, database_now).await
}

/// As of when the brake looked: should this program be stopped here for long, or the clock jump, then
/// what comes after says nothing about the workers.
async fn expire(
    coordinator: &Coordinator,
    store: &Store,
    allowed: Allowed,
    database_now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let timing = &coordinator.timing;
    let for_long = |lasting| Overdue { lasting, as_of: Some(database_now) };
    let (mut suspect, mut unconfirmed, mut lost, mut unlisted) = (0, 0, 0, 0);
    if allowed >= Allowed::Suspicion {
        suspect = store.expire_sessions(for_long(timing.session_ttl)).await?;
        unconfirmed = store.time_out_confirmations(for_long(timing.confirm_within)).await?;
    }
    if allowed >= Allowed::Loss {
        lost = store.lose_workers(for_long(timing.lost_after)).await?;
        unlisted = store.lose_unlisted(for_long(timing.lost_after)).await?;
    }
    if suspect + unconfirmed + lost + unlisted > 0 {
        info!(suspect, unconfirmed, lost, unlisted, "jobs changed state because their workers are silent");
        coordinator.dispatcher.wake();
        coordinator.changed();
    }
    Ok(())
}

/// The database is older than the fleet: everybody is heard before anything else happens.
async fn thaw_if_over(
    coordinator: &Coordinator,
    freeze: Freeze,
    database_now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let timing = &coordinator.timing;
    let bounds = FreezeBounds { least: timing.session_ttl, most: timing.lost_after };
    if rollback::is_over(freeze, bounds, database_now) && coordinator.store.thaw(freeze).await? {
        let divergences = coordinator.store.divergences().await?;
        let here = divergences.iter().filter(|found| found.found_at >= freeze.since);
        let (adopted, refused): (Vec<_>, Vec<_>) = here.partition(|divergence| divergence.adopted);
        let (adopted, refused, unheard) = (adopted.len(), refused.len(), freeze.unheard);
        warn!(adopted, refused, unheard, "the database was rolled back; its fleet goes on");
        coordinator.dispatcher.wake();
    }
    Ok(())
}
