//! Other coordinators of the same database: this one says that it lives, and while others do,
//! they tell each other when a job may have become ready.
//!
//! Notices only make it faster: they are sent outside of all work, at most ten a second, and
//! whoever misses one finds out within a second by looking.

use std::{sync::Arc, time::Duration};

use selffer_core::limits::{COORDINATOR_SILENT_S, NOTICE_SPACING_MS};
use selffer_storage::StoreError;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing::info;

use crate::{coordinator::Coordinator, outage};

/// How often it says that it lives, and tries to listen when that broke.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// Reports, tells and listens until the coordinator stops.
pub(crate) async fn run(coordinator: Arc<Coordinator>) {
    let stopping = coordinator.stopping.clone();
    let work = async {
        tokio::join!(report_and_tell(&coordinator), listen(&coordinator));
    };
    tokio::select! {
        () = work => {}
        () = stopping.cancelled() => {}
    }
}

async fn report_and_tell(coordinator: &Coordinator) {
    let mut others = 0;
    let mut report = interval(REPORT_EVERY);
    report.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = report.tick() => match report_once(coordinator).await {
                Ok(count) => {
                    if count != others {
                        info!(others = count, "coordinators that share this database besides this one");
                    }
                    others = count;
                }
                Err(error) => outage::note(&error, "this coordinator could not say that it lives"),
            },
            () = coordinator.dispatcher.woken(), if others > 0 => {
                if let Err(error) = coordinator.store.notify().await {
                    outage::note(&error, "other coordinators were not told; they look by themselves");
                }
                sleep(Duration::from_millis(NOTICE_SPACING_MS)).await;
            }
        }
    }
}

async fn report_once(coordinator: &Coordinator) -> Result<u32, StoreError> {
    let store = &coordinator.store;
    store.report_coordinator(coordinator.id).await?;
    store.other_coordinators(Some(coordinator.id), Duration::from_secs(COORDINATOR_SILENT_S)).await
}

async fn listen(coordinator: &Coordinator) {
    loop {
        if let Err(error) = hear(coordinator).await {
            outage::note(&error, "other coordinators are not heard; listening again");
        }
        sleep(REPORT_EVERY).await;
    }
}

async fn hear(coordinator: &Coordinator) -> Result<(), StoreError> {
    let mut notices = coordinator.store.notices().await?;
    loop {
        notices.next().await?;
        coordinator.dispatcher.wake_as_told();
        coordinator.changed();
    }
}
