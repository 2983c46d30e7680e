//! Packs that an administrator has placed on this machine, read where they lie.
//!
//! A folder given with `--data-dir` is a pack, or holds packs side by side, as `jobctl data
//! import --no-push` makes them. Nothing is ever written there. A pack is compared with its
//! digests before its first use, and what its files looked like then is remembered in the scratch
//! folder, so that it is read again only when one of them was changed. One that is broken is told
//! of in the log and then as if it were not there, until its files change.
//!
//! Everything here blocks: looking costs one `stat` for each file, verifying reads all bytes.

mod verified;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use selffer_core::{
    ids::Digest,
    pack::{MANIFEST_FILE, PackManifest},
};
use selffer_data::{Pack, PackError, read_manifest};
use tracing::{info, warn};

use self::verified::{Stamp, Verified, stamps};

/// Packs of all folders that are used; the rest are left out.
const PACKS_MAX: usize = 64;
/// Entries of one folder that are looked at.
const ENTRIES_MAX: usize = 4_096;

/// The folders that were given. Cheap to clone.
#[derive(Clone, Debug)]
pub struct DataFolders(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    folders: Vec<PathBuf>,
    verified: Verified,
    known: Mutex<Known>,
    // One pack is read at a time: two attempts that need the same one must not both read it.
    verifying: Mutex<()>,
}

/// What earlier looks found.
#[derive(Debug, Default)]
struct Known {
    // By the pack's folder, as long as the manifest is that file.
    manifests: BTreeMap<PathBuf, (Stamp, Arc<PackManifest>, Digest)>,
    // By the pack's folder: its files as they were when it was found broken.
    broken: BTreeMap<PathBuf, Vec<Stamp>>,
    // By folder; what was said last is not said again.
    told: BTreeMap<PathBuf, String>,
}

/// A pack that lies in one of the folders, all files there with the right lengths.
#[derive(Clone, Debug)]
struct Found {
    folder: PathBuf,
    manifest: Arc<PackManifest>,
    digest: Digest,
    stamps: Vec<Stamp>,
}

/// A pack that was verified where it lies.
#[derive(Debug)]
pub struct Placed {
    /// Its folder; nobody of us writes into it.
    pub folder: PathBuf,
    found: Found,
    of: DataFolders,
}

impl Placed {
    /// Treats it as if it were not there until its files change: its reader found it damaged.
    pub fn discredit(&self) {
        self.of.0.verified.forget(self.found.digest);
        self.of.discard(&self.found, "its reader found it damaged");
    }
}

impl DataFolders {
    /// The packs in these folders; what was verified is remembered in `memory`.
    #[must_use]
    pub fn new(folders: Vec<PathBuf>, memory: PathBuf) -> Self {
        let (verified, known, verifying) = (Verified::new(memory), Mutex::default(), Mutex::default());
        Self(Arc::new(Inner { folders, verified, known, verifying }))
    }

    /// No folders: nothing is ever found.
    #[must_use]
    pub fn none() -> Self {
        Self::new(Vec::new(), PathBuf::new())
    }

    /// Says in the log what lies there.
    pub fn announce(&self) {
        for Found { folder, digest, manifest, .. } in self.look() {
            let bytes: u64 = manifest.shards().map(|shard| shard.bytes).sum();
            info!(folder = %folder.display(), pack = %digest, bytes, "a pack is read where it lies");
        }
    }

    /// The packs that lie there and are not known to be broken.
    #[must_use]
    pub fn packs(&self) -> Vec<(Digest, PathBuf)> {
        self.look().into_iter().map(|found| (found.digest, found.folder)).collect()
    }

    /// Every folder with a manifest, also of a broken pack: most of its shards may be right.
    #[must_use]
    pub fn places_of_shards(&self) -> Vec<PathBuf> {
        let places = self.0.folders.iter().flat_map(|folder| self.places(folder));
        places.take(PACKS_MAX).collect()
    }

    /// The pack of this digest, verified now or before.
    #[must_use]
    pub fn find(&self, digest: Digest) -> Option<Placed> {
        let found: Vec<Found> = self.look().into_iter().filter(|found| found.digest == digest).collect();
        let found = found.into_iter().find(|found| self.is_right(found))?;
        Some(Placed { folder: found.folder.clone(), found, of: self.clone() })
    }

    fn is_right(&self, found: &Found) -> bool {
        if self.0.verified.remembers(found.digest, &found.stamps) {
            return true;
        }
        // One at a time, and once: who waited may find it done.
        let _alone = self.0.verifying.lock().unwrap_or_else(PoisonError::into_inner);
        if self.0.verified.remembers(found.digest, &found.stamps) {
            return true;
        }
        let folder = found.folder.display();
        info!(%folder, pack = %found.digest, "comparing a pack with its digests before its first use");
        match verify(found) {
            Ok(()) => {
                if let Err(error) = self.0.verified.remember(found.digest, &found.stamps) {
                    info!(%folder, %error, "that it was verified cannot be remembered");
                }
                true
            }
            Err(error) => {
                self.discard(found, &format!("{:#}", anyhow::Error::from(error)));
                false
            }
        }
    }

    fn discard(&self, found: &Found, problem: &str) {
        self.known().broken.insert(found.folder.clone(), found.stamps.clone());
        self.tell(&found.folder, problem);
    }

    /// Everything that can be used, in the folders' order.
    fn look(&self) -> Vec<Found> {
        let places = self.0.folders.iter().flat_map(|folder| self.places(folder));
        let found = places.filter_map(|place| match self.look_at(&place) {
            Ok(found) => Some(found),
            Err(problem) => {
                self.tell(&place, &problem);
                None
            }
        });
        let is_broken = |found: &Found| self.known().broken.get(&found.folder) == Some(&found.stamps);
        found.filter(|found| !is_broken(found)).take(PACKS_MAX).collect()
    }

    /// The folders of packs: this one, or those in it that have a manifest.
    fn places(&self, folder: &Path) -> BTreeSet<PathBuf> {
        let is_pack = |folder: &Path| folder.join(MANIFEST_FILE).is_file();
        if is_pack(folder) {
            return [folder.to_owned()].into();
        }
        match fs::read_dir(folder) {
            Ok(entries) => {
                let paths = entries.take(ENTRIES_MAX).flatten().map(|entry| entry.path());
                paths.filter(|path| is_pack(path)).collect()
            }
            Err(error) => {
                self.tell(folder, &error.to_string());
                BTreeSet::new()
            }
        }
    }

    fn look_at(&self, folder: &Path) -> Result<Found, String> {
        let told = |error: &dyn std::fmt::Display| error.to_string();
        let path = folder.join(MANIFEST_FILE);
        let stamp = Stamp::of(&path).map_err(|error| told(&error))?;
        let known = self.known().manifests.get(folder).filter(|known| known.0 == stamp).cloned();
        let (_, manifest, digest) = match known {
            Some(known) => known,
            None => {
                let manifest =
                    read_manifest(&path).map_err(|error| format!("{:#}", anyhow::Error::from(error)))?;
                let digest = manifest.digest();
                let new = (stamp, Arc::new(manifest), digest);
                self.known().manifests.insert(folder.to_owned(), new.clone());
                new
            }
        };
        let stamps = stamps(folder, &manifest).map_err(|error| told(&error))?;
        Ok(Found { folder: folder.to_owned(), manifest, digest, stamps })
    }

    fn tell(&self, folder: &Path, problem: &str) {
        if self.is_news(folder, problem) {
            let folder = folder.display();
            warn!(%folder, problem, "no pack can be read there; jobs that need it fetch it");
        }
    }

    fn is_news(&self, folder: &Path, problem: &str) -> bool {
        let told = self.known().told.insert(folder.to_owned(), problem.to_owned());
        told.is_none_or(|told| told != problem)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Compares every byte; also that the files are still those that were looked at.
fn verify(found: &Found) -> Result<(), PackError> {
    Pack::open(&found.folder)?.verify()?;
    let now = stamps(&found.folder, &found.manifest);
    let same = now.is_ok_and(|now| now == found.stamps);
    let changed = || io::Error::other("it was changed while it was read");
    if same { Ok(()) } else { Err(PackError::Read { path: found.folder.clone(), source: changed() }) }
}

#[cfg(test)]
mod tests;
