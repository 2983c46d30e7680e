//! Folders that appear whole or not at all.
//!
//! Everything is written into a hidden folder beside the target, synced, and renamed as
//! the last step. The hidden folder is locked: two imports to one place exclude each other.
//! What an import that was killed left behind is taken up by the next one with the same key,
//! and cleared by any other.

use std::{
    ffi::OsString,
    fs::{self, File, TryLockError},
    io::{self, Write as _},
    iter,
    path::{Path, PathBuf},
};

use selffer_core::ids::Digest;

/// Why an import cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Something is in the way.
    #[error("{path} exists already")]
    Exists {
        /// The target.
        path: PathBuf,
    },
    /// Another process writes there now.
    #[error("another import is writing to {path}")]
    Busy {
        /// The target.
        path: PathBuf,
    },
    /// The target has no parent folder, or its last part is not a name.
    #[error("{path} cannot be the name of a folder")]
    Target {
        /// The target.
        path: PathBuf,
    },
    /// A file that is imported is gone.
    #[error("cannot look at {path}")]
    Source {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Writing failed: no space, no permission.
    #[error("cannot write {path}")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The file of a hidden folder that says which import its contents belong to.
const KEY_FILE: &str = "key";

/// A folder in the making; dropped before [`Partial::finish`], it leaves nothing, unless it was
/// to be kept.
#[derive(Debug)]
pub(crate) struct Partial {
    out: PathBuf,
    folder: PathBuf,
    // Held for its lock.
    lock: File,
    stays: bool,
}

impl Partial {
    /// Begins a folder that will be at `out`, where nothing may be.
    pub(crate) fn create(out: &Path) -> Result<Self, WriteError> {
        let partial = Self::open(out)?;
        partial.clear()?;
        Ok(partial)
    }

    /// The same, with the files that an import of the same key left before it could finish.
    pub(crate) fn resume(out: &Path, key: Digest) -> Result<Self, WriteError> {
        let partial = Self::open(out)?;
        let key = key.to_string();
        let is_ours = fs::read_to_string(partial.path(KEY_FILE)).is_ok_and(|found| found == key);
        if !is_ours {
            partial.clear()?;
            partial.write(KEY_FILE, key.as_bytes())?;
        }
        Ok(partial)
    }

    fn open(out: &Path) -> Result<Self, WriteError> {
        let Some(name) = out.file_name() else {
            return Err(WriteError::Target { path: out.to_path_buf() });
        };
        if out.symlink_metadata().is_ok() {
            return Err(WriteError::Exists { path: out.to_path_buf() });
        }
        let mut partial_name = OsString::from(".");
        partial_name.push(name);
        partial_name.push(".partial");
        let folder = out.with_file_name(partial_name);
        let failed = |source| WriteError::Write { path: folder.clone(), source };
        fs::create_dir_all(&folder).map_err(failed)?;
        let lock = File::open(&folder).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(WriteError::Busy { path: out.to_path_buf() }),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        Ok(Self { out: out.to_path_buf(), folder, lock, stays: false })
    }

    fn clear(&self) -> Result<(), WriteError> {
        let removed = fs::read_dir(&self.folder)
            .and_then(|entries| entries.into_iter().try_for_each(|entry| fs::remove_file(entry?.path())));
        removed.map_err(|source| WriteError::Write { path: self.folder.clone(), source })
    }

    /// Whatever ends the import from here on, what is done stays for the next one.
    pub(crate) fn keep(&mut self) {
        self.stays = true;
    }

    /// Where everything is written.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where a file of this name is to be written.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    /// Writes a whole file, to stay there after a power cut.
    pub(crate) fn write(&self, file: &str, bytes: &[u8]) -> Result<(), WriteError> {
        let path = self.path(file);
        let written = File::create(&path).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
        written.map_err(|source| WriteError::Write { path, source })
    }

    /// Puts the folder in its place without these notes, to stay there after a power cut.
    ///
    /// # Errors
    /// The disk refuses, or something came to be at the target meanwhile.
    pub(crate) fn finish(mut self, notes: &[String]) -> Result<(), WriteError> {
        let failed = |path: &Path| {
            let path = path.to_path_buf();
            move |source| WriteError::Write { path, source }
        };
        self.lock.sync_all().map_err(failed(&self.folder))?;
        fs::rename(&self.folder, &self.out).map_err(failed(&self.out))?;
        self.stays = true;
        // Whoever reads a folder of ours does not mind them; left behind they do no harm.
        for file in iter::once(KEY_FILE).chain(notes.iter().map(String::as_str)) {
            let _ = fs::remove_file(self.out.join(file));
        }
        let parent = match self.out.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        File::open(parent).and_then(|folder| folder.sync_all()).map_err(failed(parent))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.stays {
            // A folder that cannot be removed is cleared by the next import to this place.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}
