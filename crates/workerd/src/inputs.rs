//! What one attempt's trainer reads, held in the cache while the attempt needs it.
//!
//! Files rot and disks lie: what the trainer finds damaged leaves the cache, so that the next
//! attempt fetches it again. Getting it is [`crate::fetch`]'s.

use std::path::Path;

use selffer_core::spec::JobSpec;
use tracing::{info, warn};

use crate::{
    cache::{Cache, Cached},
    data_folders::Placed,
    protocol::Input,
};

/// Everything a trainer reads; stays in the cache while this lives.
#[derive(Debug)]
pub struct Inputs {
    /// The job.
    pub spec: JobSpec,
    /// Its images.
    pub pack: PackAtHand,
    /// The source network's final checkpoint.
    pub source: Option<Cached>,
    /// The imported weights that layers are copied from.
    pub imported: Option<Cached>,
    /// The checkpoint to go on from.
    pub resume: Option<Cached>,
}

/// Where a pack lies.
#[derive(Debug)]
pub enum PackAtHand {
    /// In the cache.
    Cached(Cached),
    /// Where an administrator placed it.
    Placed(Placed),
}

impl PackAtHand {
    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        match self {
            Self::Cached(cached) => &cached.folder,
            Self::Placed(placed) => &placed.folder,
        }
    }
}

impl Inputs {
    /// Takes a damaged input out of the cache. A pack that is not ours to remove is fetched the
    /// next time.
    pub fn discard(&self, cache: &Cache, input: Input) {
        let damaged = match input {
            Input::Pack => match &self.pack {
                PackAtHand::Cached(cached) => Some(cached),
                PackAtHand::Placed(placed) => return placed.discredit(),
            },
            Input::Source => self.source.as_ref(),
            Input::Imported => self.imported.as_ref(),
            Input::Resume => self.resume.as_ref(),
        };
        let Some(damaged) = damaged else { return };
        let folder = damaged.folder.display();
        match cache.discard(damaged) {
            Ok(()) => warn!(%folder, "a damaged cache entry was removed; it will be fetched again"),
            Err(error) => info!(%folder, %error, "a damaged cache entry cannot be removed"),
        }
    }
}
