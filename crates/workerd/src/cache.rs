//! Packs and checkpoints that lie on this machine already, by identity.
//!
//! An entry is a folder `NAME/` that holds `content/` once it is complete (it appears by a
//! rename), `content.part/` while it is fetched, and `used`: a number that grows with every
//! use, so that the least recently used entry is known without a clock. The whole is
//! bounded ([`room`]); entries in use are never removed to make room. Getting the bytes is
//! [`crate::fetch`]'s.

mod room;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use selffer_core::{
    ids::{CheckpointId, Digest},
    import::ImportKind,
};

pub use room::{Coming, Kept, NoRoom};

/// How many checkpoints at hand a claim may name.
const WEIGHTS_NAMED_MAX: usize = 64;

/// What an entry is called.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryName(String);

impl EntryName {
    /// The import of this kind and digest.
    #[must_use]
    pub fn import(kind: ImportKind, digest: Digest) -> Self {
        Self(format!("{kind}-{digest}"))
    }

    /// The pack that it is, if it is one.
    fn pack(&self) -> Option<Digest> {
        self.0.strip_prefix(ImportKind::Pack.as_str())?.strip_prefix('-')?.parse().ok()
    }

    /// The published checkpoint of this id.
    #[must_use]
    pub fn checkpoint(id: CheckpointId) -> Self {
        Self(format!("checkpoint-{id}"))
    }
}

/// The cache in one folder.
#[derive(Debug)]
pub struct Cache {
    folder: PathBuf,
    bytes_max: u64,
    // How many hold each entry at the moment.
    pins: Arc<Mutex<BTreeMap<EntryName, usize>>>,
    // What is being fetched, and how long it will be.
    kept: Mutex<Option<(EntryName, u64)>>,
    /// Held while something is fetched, so that nothing is fetched twice at once.
    pub fetching: tokio::sync::Mutex<()>,
}

/// An entry that stays while this lives.
#[derive(Debug)]
pub struct Cached {
    /// Its folder; nobody writes into it.
    pub folder: PathBuf,
    name: EntryName,
    pins: Arc<Mutex<BTreeMap<EntryName, usize>>>,
}

impl Drop for Cached {
    fn drop(&mut self) {
        let mut pins = self.pins.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = pins.get_mut(&self.name) {
            *count -= 1;
            if *count == 0 {
                pins.remove(&self.name);
            }
        }
    }
}

impl Cache {
    /// The cache in this folder, made if it does not exist.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn open(folder: PathBuf, bytes_max: u64) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        let (pins, kept, fetching) = (Arc::default(), Mutex::default(), tokio::sync::Mutex::default());
        Ok(Self { folder, bytes_max, pins, kept, fetching })
    }

    /// The entry, if it is complete; counts as a use.
    #[must_use]
    pub fn get(&self, name: &EntryName) -> Option<Cached> {
        if !self.has(name) {
            return None;
        }
        self.mark_used(name);
        Some(self.pin(name, self.entry(name).join("content")))
    }

    /// Whether the entry is complete; it may be gone when it is asked for.
    #[must_use]
    pub fn has(&self, name: &EntryName) -> bool {
        self.entry(name).join("content").is_dir()
    }

    /// The folder in which this entry is to be put together; what an earlier try left is still there.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn part(&self, name: &EntryName) -> io::Result<PathBuf> {
        let folder = self.entry(name).join("content.part");
        fs::create_dir_all(&folder)?;
        self.mark_used(name);
        Ok(folder)
    }

    /// Takes a complete folder in (it is moved), then removes what has become too much.
    ///
    /// # Errors
    /// The folder cannot be moved.
    pub fn admit(&self, name: &EntryName, complete: &Path) -> io::Result<Cached> {
        let folder = self.entry(name).join("content");
        fs::create_dir_all(self.entry(name))?;
        if !folder.is_dir() {
            fs::rename(complete, &folder)?;
        }
        self.mark_used(name);
        let cached = self.pin(name, folder);
        self.evict();
        Ok(cached)
    }

    /// Removes an entry that is damaged, though it is in use: whoever reads it has no use of it.
    ///
    /// # Errors
    /// Its files cannot be moved or removed.
    pub fn discard(&self, damaged: &Cached) -> io::Result<()> {
        let gone = self.entry(&damaged.name).join("damaged");
        let _ = fs::remove_dir_all(&gone);
        // Not the whole entry: it may be in the middle of being fetched again.
        match fs::rename(&damaged.folder, &gone) {
            Ok(()) => fs::remove_dir_all(&gone),
            // Another attempt found it damaged before us.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Notes the digest of a checkpoint's weights, by which claims name it.
    ///
    /// # Errors
    /// The note cannot be written.
    pub fn note_weights(&self, name: &EntryName, weights: Digest) -> io::Result<()> {
        fs::write(self.entry(name).join("weights"), weights.to_string())
    }

    /// Weights digests of the checkpoints at hand, most recently used first, at most 64.
    #[must_use]
    pub fn weights(&self) -> Vec<Digest> {
        let mut entries = self.entries();
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.used));
        let weights = entries.iter().filter_map(|entry| {
            let folder = self.entry(&entry.name);
            let noted = fs::read_to_string(folder.join("weights")).ok()?;
            if folder.join("content").is_dir() { noted.parse().ok() } else { None }
        });
        weights.take(WEIGHTS_NAMED_MAX).collect()
    }

    /// The complete packs and their folders, most recently used first.
    #[must_use]
    pub fn packs(&self) -> Vec<(Digest, PathBuf)> {
        let mut entries = self.entries();
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.used));
        let complete = entries.into_iter().filter(|entry| self.has(&entry.name));
        complete
            .filter_map(|entry| Some((entry.name.pack()?, self.entry(&entry.name).join("content"))))
            .collect()
    }

    fn entry(&self, name: &EntryName) -> PathBuf {
        self.folder.join(&name.0)
    }

    fn pin(&self, name: &EntryName, folder: PathBuf) -> Cached {
        let mut pins = self.pins.lock().unwrap_or_else(PoisonError::into_inner);
        *pins.entry(name.clone()).or_default() += 1;
        Cached { folder, name: name.clone(), pins: self.pins.clone() }
    }

    fn mark_used(&self, name: &EntryName) {
        let newest = self.entries().iter().map(|entry| entry.used).max().unwrap_or(0);
        // An entry that cannot be marked is only removed earlier than it should be.
        let _ = fs::write(self.entry(name).join("used"), (newest + 1).to_string());
    }

    // First out of sight, so that a removal cut short leaves nothing that looks complete.
    fn remove(&self, name: &EntryName) -> io::Result<()> {
        let folder = self.entry(name);
        if folder.join("content").is_dir() {
            fs::rename(folder.join("content"), folder.join("gone"))?;
        }
        fs::remove_dir_all(folder)
    }

    fn entries(&self) -> Vec<Entry> {
        let folders = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let entry = |folder: fs::DirEntry| {
            let name = EntryName(folder.file_name().into_string().ok()?);
            let used = fs::read_to_string(folder.path().join("used")).unwrap_or_default();
            Some(Entry { name, used: used.parse().unwrap_or(0) })
        };
        folders.filter_map(entry).collect()
    }
}

struct Entry {
    name: EntryName,
    used: u64,
}

#[cfg(test)]
mod tests;
