//! Getting a pack: from the cache, from where an administrator placed it, or shard by shard.
//!
//! A shard that lies here already in another pack is linked instead of fetched, and only then is
//! room made for the rest. What has no room is no fault of the job: it was given out on what
//! this machine said a moment ago.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc};

use futures_util::FutureExt;
use selffer_core::{
    artifact::Manifest,
    ids::Digest,
    import::{ImportKind, ImportManifest},
    pack::PackManifest,
};
use tokio::task::spawn_blocking;
use tracing::info;

use super::{Described, Fetch, FetchError, broken, name_of, verify};
use crate::{
    assemble::assemble,
    cache::{Coming, EntryName, Kept},
    inputs::PackAtHand,
    twins::{Lay, Twins, bytes_there},
};

/// A pack that is being put together in the cache.
struct Underway {
    digest: Digest,
    pack: Arc<PackManifest>,
    files: Manifest,
    part: PathBuf,
}

impl Fetch<'_> {
    /// The pack of this digest, from the cache or a data folder if it is there.
    ///
    /// # Errors
    /// It is not in the store, comes wrong, or cannot be kept.
    pub async fn pack(&self, digest: Digest) -> Result<PackAtHand, FetchError> {
        let name = EntryName::import(ImportKind::Pack, digest);
        if !self.cache.has(&name) {
            let data = self.data.clone();
            if let Some(placed) = spawn_blocking(move || data.find(digest)).await? {
                return Ok(PackAtHand::Placed(placed));
            }
        }
        let _alone = self.cache.fetching.lock().await;
        if let Some(cached) = self.cache.get(&name) {
            return Ok(PackAtHand::Cached(cached));
        }
        let Described { text, import, files } = self.describe(ImportKind::Pack, digest).await?;
        let ImportManifest::Pack(pack) = import else { unreachable!("read as the kind that was asked for") };
        let part = self.cache.part(&name)?;
        let coming = Underway { digest, pack: Arc::new(pack), files, part };
        let (laid, _kept) = self.lay_and_make_room(&name, &coming).await?;
        self.assemble_pack(&coming, |file| !laid.contains(file)).await?;
        std::fs::write(coming.part.join(selffer_core::pack::MANIFEST_FILE), text)?;
        self.verify_pack(&coming, !laid.is_empty()).await?;
        Ok(PackAtHand::Cached(self.cache.admit(&name, &coming.part)?))
    }

    /// Which files need not be fetched, and the room for the others.
    async fn lay_and_make_room(
        &self,
        name: &EntryName,
        coming: &Underway,
    ) -> Result<(BTreeSet<String>, Kept<'_>), FetchError> {
        let (data, cached) = (self.data.clone(), self.cache.packs());
        let found = spawn_blocking(move || {
            Twins::of(cached.into_iter().map(|(_, folder)| folder).chain(data.places_of_shards()))
        });
        let twins = Arc::new(found.await?);
        // Linked before room is made: an entry that goes for it leaves its shards.
        let mut laid = self.lay(&twins, coming, Lay::Link).await?;
        let bytes = coming.files.bytes();
        let missing = bytes.saturating_sub(bytes_there(&coming.pack, &coming.part));
        let kept = self.cache.make_room(name, Coming { bytes, missing });
        let kept = kept.map_err(|source| FetchError::NoRoom {
            what: name_of(ImportKind::Pack, coming.digest),
            source,
        })?;
        laid.append(&mut self.lay(&twins, coming, Lay::Copy).await?);
        info!(pack = %coming.digest, bytes, missing, shards_at_hand = laid.len(), "fetching a pack");
        Ok((laid, kept))
    }

    async fn lay(
        &self,
        twins: &Arc<Twins>,
        coming: &Underway,
        how: Lay,
    ) -> Result<BTreeSet<String>, FetchError> {
        let (twins, pack, part) = (twins.clone(), coming.pack.clone(), coming.part.clone());
        Ok(spawn_blocking(move || twins.lay(&pack, &part, how)).await?)
    }

    async fn assemble_pack(
        &self,
        coming: &Underway,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<(), FetchError> {
        let objects = coming.files.objects.iter().filter(|object| wanted(&object.name));
        let files = Manifest { objects: objects.cloned().collect() };
        let read = |chunk| self.read_of_import(ImportKind::Pack, coming.digest, chunk).boxed();
        let assembled = assemble(&files, &coming.part, &read, self.done).await;
        assembled.map_err(|error| broken(name_of(ImportKind::Pack, coming.digest), error))
    }

    /// A shard that was linked may be damaged where it comes from: then it is fetched after all.
    async fn verify_pack(&self, coming: &Underway, has_twins: bool) -> Result<(), FetchError> {
        let verified = || {
            let part = coming.part.clone();
            spawn_blocking(move || verify(ImportKind::Pack, &part))
        };
        match verified().await? {
            Err(FetchError::Pack(error)) if has_twins => {
                info!(pack = %coming.digest, %error, "a shard that was at hand is damaged; fetching it");
                self.assemble_pack(coming, |_| true).await?;
                verified().await?
            }
            verified => verified,
        }
    }
}
