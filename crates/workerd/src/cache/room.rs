//! How much fits a cache: its bound, what its disk has free, and removing entries for others.
//!
//! A file that several entries share (a shard of two packs, linked) takes its room once, and
//! frees it only with the last of them; one that is linked from elsewhere frees none.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::PoisonError,
};

use super::{Cache, Entry, EntryName};
use crate::ambient;

/// Something has no room in the cache.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRoom {
    /// The cache may not hold it.
    #[error(
        "{bytes} bytes do not fit the cache of {bytes_max} bytes, of which {in_use} are in use; start workerd \
         with a larger --cache-gib, or place the pack in a --data-dir"
    )]
    Bound {
        /// What was to be fetched.
        bytes: u64,
        /// The cache's bound.
        bytes_max: u64,
        /// What running attempts read at the moment.
        in_use: u64,
    },
    /// Its disk cannot hold it.
    #[error(
        "{bytes} bytes do not fit the disk of {folder}: {free} bytes are free there, and removing all that is \
         not in use would free {removable} more"
    )]
    Disk {
        /// What was to be written.
        bytes: u64,
        /// The cache.
        folder: PathBuf,
        /// Bytes that are free.
        free: u64,
        /// Bytes that the cache could free.
        removable: u64,
    },
}

/// What is to come into the cache.
#[derive(Clone, Copy, Debug)]
pub struct Coming {
    /// All of it, with what is in its entry already.
    pub bytes: u64,
    /// What is still to be written.
    pub missing: u64,
}

/// Room that is kept for what is fetched; nobody is offered it while this lives.
#[derive(Debug)]
pub struct Kept<'a>(&'a Cache);

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        *self.0.kept.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Cache {
    /// Bytes of the largest entry that fits now: no more than the bound leaves beside what is in
    /// use and what is being fetched, and than the disk has free or the cache could free.
    #[must_use]
    pub fn bytes_for_one(&self) -> u64 {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let is_kept = |entry: &Entry| kept.as_ref().is_some_and(|(name, _)| entry.name == *name);
        let coming = kept.as_ref().map_or(0, |(_, bytes)| *bytes);
        let missing = coming.saturating_sub(self.files_of(is_kept).bytes());
        let in_use = self.files_of(|entry| !is_kept(entry) && self.is_pinned(&entry.name)).bytes();
        let idle = self.files_of(|entry| !is_kept(entry) && !self.is_pinned(&entry.name)).freed();
        let bound = self.bytes_max.saturating_sub(in_use).saturating_sub(coming);
        bound.min(self.free_bytes().saturating_add(idle).saturating_sub(missing))
    }

    /// Removes the least recently used of the other entries until this one fits, bound and disk,
    /// and keeps its room. One at a time, by whoever holds [`Cache::fetching`].
    ///
    /// # Errors
    /// It does not, whatever is removed; then nothing is.
    pub fn make_room(&self, name: &EntryName, coming: Coming) -> Result<Kept<'_>, NoRoom> {
        let Coming { bytes, missing } = coming;
        let in_use = self.files_of(|entry| self.is_pinned(&entry.name)).bytes();
        if bytes > self.bytes_max.saturating_sub(in_use) {
            return Err(NoRoom::Bound { bytes, bytes_max: self.bytes_max, in_use });
        }
        let removable = self.files_of(|entry| entry.name != *name && !self.is_pinned(&entry.name)).freed();
        let free = self.free_bytes();
        if free.saturating_add(removable) < missing {
            return Err(NoRoom::Disk { bytes: missing, folder: self.folder.clone(), free, removable });
        }
        self.remove_oldest_while(|entry| entry.name != *name, || self.lacks(missing));
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some((name.clone(), bytes));
        Ok(Kept(self))
    }

    /// Removes what has become too much.
    pub(super) fn evict(&self) {
        self.remove_oldest_while(|_| true, || self.bytes() > self.bytes_max);
    }

    fn lacks(&self, missing: u64) -> bool {
        self.bytes().saturating_add(missing) > self.bytes_max || self.free_bytes() < missing
    }

    fn remove_oldest_while(&self, may_go: impl Fn(&Entry) -> bool, too_much: impl Fn() -> bool) {
        let mut entries = self.entries();
        entries.sort_by_key(|entry| entry.used);
        for entry in entries.into_iter().filter(may_go) {
            if !too_much() {
                return;
            }
            let is_kept = self.is_kept(&entry.name);
            let pins = self.pins.lock().unwrap_or_else(PoisonError::into_inner);
            if !is_kept && !pins.contains_key(&entry.name) {
                // What stays is found too much the next time.
                let _ = self.remove(&entry.name);
            }
        }
    }

    fn bytes(&self) -> u64 {
        self.files_of(|_| true).bytes()
    }

    fn is_kept(&self, name: &EntryName) -> bool {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.as_ref().is_some_and(|(kept, _)| kept == name)
    }

    fn is_pinned(&self, name: &EntryName) -> bool {
        self.pins.lock().unwrap_or_else(PoisonError::into_inner).contains_key(name)
    }

    fn files_of(&self, wanted: impl Fn(&Entry) -> bool) -> Files {
        let mut files = Files::default();
        for entry in self.entries().iter().filter(|entry| wanted(entry)) {
            files.add_below(&self.entry(&entry.name));
        }
        files
    }

    // Where it cannot be told, only the bound counts, and a write that fails says so.
    fn free_bytes(&self) -> u64 {
        ambient::free_bytes(&self.folder).unwrap_or(u64::MAX)
    }
}

/// Files by device and inode, so that one of several names is one.
#[derive(Debug, Default)]
struct Files(BTreeMap<(u64, u64), Seen>);

#[derive(Debug)]
struct Seen {
    bytes: u64,
    names_seen: u64,
    names: u64,
}

impl Files {
    fn add_below(&mut self, folder: &Path) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            // One that is gone meanwhile takes no room.
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                self.add_below(&entry.path());
                continue;
            }
            let new = Seen { bytes: metadata.len(), names_seen: 0, names: metadata.nlink() };
            self.0.entry((metadata.dev(), metadata.ino())).or_insert(new).names_seen += 1;
        }
    }

    fn bytes(&self) -> u64 {
        self.0.values().map(|file| file.bytes).sum()
    }

    /// What removing them all would free.
    fn freed(&self) -> u64 {
        self.0.values().filter(|file| file.names_seen >= file.names).map(|file| file.bytes).sum()
    }
}
