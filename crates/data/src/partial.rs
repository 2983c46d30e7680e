//! Folders that appear whole or not at all.
//!
//! Everything is written into a hidden folder beside the target, synced, and renamed as
//! the last step. The hidden folder is locked: two imports to one place exclude each other,
//! and what an import that was killed left behind is cleared by the next.

use std::{
    ffi::OsString,
    fs::{self, File, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

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

/// A folder in the making; dropped before [`Partial::finish`], it leaves nothing.
#[derive(Debug)]
pub(crate) struct Partial {
    out: PathBuf,
    folder: PathBuf,
    // Held for its lock.
    lock: File,
    is_finished: bool,
}

impl Partial {
    /// Begins a folder that will be at `out`, where nothing may be.
    pub(crate) fn create(out: &Path) -> Result<Self, WriteError> {
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
        clear(&folder).map_err(failed)?;
        Ok(Self { out: out.to_path_buf(), folder, lock, is_finished: false })
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

    /// Puts the folder in its place, to stay there after a power cut.
    ///
    /// # Errors
    /// The disk refuses, or something came to be at the target meanwhile.
    pub(crate) fn finish(mut self) -> Result<(), WriteError> {
        let failed = |path: &Path| {
            let path = path.to_path_buf();
            move |source| WriteError::Write { path, source }
        };
        self.lock.sync_all().map_err(failed(&self.folder))?;
        fs::rename(&self.folder, &self.out).map_err(failed(&self.out))?;
        self.is_finished = true;
        let parent = match self.out.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        File::open(parent).and_then(|folder| folder.sync_all()).map_err(failed(parent))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.is_finished {
            // A folder that cannot be removed is cleared by the next import to this place.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

fn clear(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        fs::remove_file(entry?.path())?;
    }
    Ok(())
}
