//! What a claim says of this machine: what it has already, and how much more it could hold.

use std::sync::Arc;

use selffer_core::ids::Digest;
use tokio::task::spawn_blocking;

use crate::daemon::Daemon;

/// How many packs at hand a claim may name.
const PACKS_NAMED_MAX: usize = 64;

/// What lies here, as it was a moment ago.
#[derive(Debug, Default)]
pub(crate) struct AtHand {
    /// Of checkpoints.
    pub(crate) weights: Vec<Digest>,
    /// Of packs in data folders and in the cache.
    pub(crate) packs: Vec<Digest>,
    /// Bytes of the largest other pack that the cache could take in; none if that is not known.
    pub(crate) pack_bytes_max: Option<u64>,
}

impl AtHand {
    /// What lies here now.
    pub(crate) async fn of(daemon: &Arc<Daemon>) -> Self {
        let daemon = daemon.clone();
        let look = spawn_blocking(move || {
            let Daemon { cache, data, .. } = &*daemon;
            let packs = data.packs().into_iter().chain(cache.packs()).map(|(digest, _)| digest);
            Self {
                weights: cache.weights(),
                packs: packs.take(PACKS_NAMED_MAX).collect(),
                pack_bytes_max: Some(cache.bytes_for_one()),
            }
        });
        // A look that broke says nothing, and then everything may come.
        look.await.unwrap_or_default()
    }
}
