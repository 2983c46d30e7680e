//! How the chunk store is, told once when it changes, however many calls meet it meanwhile.
//!
//! A coordinator whose store is away or full stays up: jobs are handed out and end, workers keep
//! their checkpoints and try again. A look every few seconds notices that it is back.

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use selffer_artifacts::{ArtifactError, Room};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{
    chunk_room::{self, Level},
    coordinator::Coordinator,
};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long the store may take to answer a look.
const LOOK_WITHIN: Duration = Duration::from_secs(10);

/// How a store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Health {
    Ok = 0,
    Low = 1,
    Full = 2,
    Away = 3,
}

/// Of the one store of this program.
static HEALTH: AtomicU8 = AtomicU8::new(Health::Ok as u8);

impl Health {
    fn now() -> Self {
        let all = [Self::Ok, Self::Low, Self::Full, Self::Away];
        all[usize::from(HEALTH.load(Ordering::Relaxed)).min(all.len() - 1)]
    }

    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Low => "low",
            Self::Full => "full",
            Self::Away => "away",
        }
    }

    /// Whether this is news.
    fn becomes(self) -> bool {
        HEALTH.swap(self as u8, Ordering::Relaxed) != self as u8
    }
}

/// Logs what kept a chunk from being stored or read, unless everybody knows why.
pub(crate) fn note(failure: &ArtifactError) {
    let health = match failure {
        ArtifactError::NoSpace { .. } => Health::Full,
        failure if failure.is_outage() => Health::Away,
        _ => {
            error!(error = failure as &dyn Error, "the chunk store has trouble");
            return;
        }
    };
    if health.becomes() {
        error!(
            error = failure as &dyn Error,
            "the chunk store takes no chunks; workers keep their checkpoints and try again"
        );
    }
}

/// Looks after the store until `stopping`.
pub(crate) async fn run(coordinator: Arc<Coordinator>, stopping: CancellationToken) {
    let mut pause = tokio::time::interval(LOOK_EVERY);
    pause.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            _ = pause.tick() => {}
        }
        tokio::select! {
            () = stopping.cancelled() => return,
            () = look(&coordinator) => {}
        }
    }
}

async fn look(coordinator: &Coordinator) {
    let chunks = &coordinator.chunks;
    let seen = tokio::time::timeout(LOOK_WITHIN, async {
        chunks.check_there().await?;
        chunk_room::room(chunks).await
    });
    match seen.await {
        Ok(Ok(room)) => tell(coordinator, room),
        Ok(Err(failure)) => note(&failure),
        Err(_) => note(&ArtifactError::Away { place: chunks.place().clone(), source: None }),
    }
}

fn tell(coordinator: &Coordinator, room: Option<Room>) {
    let keep_free = coordinator.chunk_args.keep_free;
    let level = room.map_or(Level::Enough, |room| chunk_room::level(room, keep_free));
    let place = coordinator.chunks.place();
    let free_bytes = room.map(|room| room.free_bytes);
    let keep_free_bytes = room.map(|room| keep_free.bytes(room.total_bytes));
    match level {
        Level::Enough if Health::Ok.becomes() => {
            info!(%place, free_bytes, "the chunk store is there and has room again");
        }
        Level::Low if Health::Low.becomes() => warn!(
            %place, free_bytes, keep_free_bytes,
            "the chunk store has little room left: intermediate checkpoints are refused until there is more"
        ),
        Level::Full if Health::Full.becomes() => warn!(
            %place, free_bytes, keep_free_bytes,
            "the chunk store has no room left: nothing is taken until there is; workers keep their checkpoints"
        ),
        _ => {}
    }
}

/// For `/api/health`.
pub(crate) async fn json(coordinator: &Coordinator) -> Value {
    let room = chunk_room::room(&coordinator.chunks).await.ok().flatten();
    let keep_free = room.map(|room| coordinator.chunk_args.keep_free.bytes(room.total_bytes));
    json!({
        "place": coordinator.chunks.place().to_string(),
        "state": Health::now().word(),
        "free_bytes": room.map(|room| room.free_bytes),
        "keep_free_bytes": keep_free,
    })
}
