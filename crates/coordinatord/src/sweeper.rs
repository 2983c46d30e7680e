//! The sweeper: notices silent sessions, leases that nobody confirmed, workers that are lost
//! and jobs that outlived their cancellation.
//!
//! It decides only *when*; each sweep is one guarded statement of the store that is safe at
//! any time. The [`Brake`] keeps it from taking an outage of ours for a death of theirs.

mod brake;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use selffer_storage::StoreError;
use tokio_util::sync::CancellationToken;
use tracing::info;

use self::brake::{Brake, Sight};
use crate::{coordinator::Coordinator, outage};

/// The longest pause between two sweeps.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Sweeps until `stopping`.
pub(crate) async fn run(coordinator: Arc<Coordinator>, stopping: CancellationToken) {
    let ttl = coordinator.timing.session_ttl;
    let mut brake = Brake::new(ttl, Instant::now());
    let mut pause = tokio::time::interval((ttl / 8).min(PAUSE_MAX));
    pause.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            _ = pause.tick() => {}
        }
        if let Err(error) = sweep(&coordinator, &mut brake).await {
            brake.disturbed(Instant::now());
            outage::note(&error, "sweep did not go through; nothing expires for a while");
        }
    }
}

async fn sweep(coordinator: &Coordinator, brake: &mut Brake) -> Result<(), StoreError> {
    let timing = &coordinator.timing;
    let store = &coordinator.store;
    let database_now = store.now().await?;
    outage::is_over();
    // What a person said is not a matter of silence, so the brake does not hold it.
    let ended = store.end_withdrawn(timing.cancel_within).await? + store.end_unwanted().await?;
    if ended > 0 {
        info!(ended, "jobs that nobody wants any more were ended");
        coordinator.changed();
    }
    let liveness = store.session_liveness(timing.session_ttl).await?;
    let sight = Sight { database_now, live: liveness.live, silent: liveness.silent };
    if !brake.allows(sight, Instant::now()) {
        return Ok(());
    }
    let suspect = store.expire_sessions(timing.session_ttl).await?;
    let unconfirmed = store.time_out_confirmations(timing.confirm_within).await?;
    let lost = store.lose_workers(timing.lost_after).await?;
    let unlisted = store.lose_unlisted(timing.lost_after).await?;
    if suspect + unconfirmed + lost + unlisted > 0 {
        info!(suspect, unconfirmed, lost, unlisted, "jobs changed state because their workers are silent");
        coordinator.dispatcher.wake();
        coordinator.changed();
    }
    Ok(())
}
