//! The scratch folder: one daemon has it to itself.
//!
//! Holds `cache/`, `means/`, `verified/` and `attempts/`. What becomes of the attempts that a daemon left when it
//! died is [`crate::reclaim`]'s business.

use std::{
    fs::{self, File, TryLockError},
    io::{Read, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};

use crate::planted;

/// Name of the file that is locked while a daemon has the folder; holds its process id.
const DAEMON_LOCK_FILE: &str = "workerd.lock";

/// A scratch folder that is ours while this lives.
#[derive(Debug)]
pub struct Scratch {
    folder: PathBuf,
    _lock: File,
}

impl Scratch {
    /// Takes a folder, made if it does not exist.
    ///
    /// # Errors
    /// Another daemon has it, or it cannot be written.
    pub fn take(folder: &Path) -> anyhow::Result<Self> {
        let cannot_use = || format!("cannot use the scratch folder {}", folder.display());
        fs::create_dir_all(folder).with_context(cannot_use)?;
        let lock = lock(folder).with_context(cannot_use)?;
        let scratch = Self { folder: folder.to_owned(), _lock: lock };
        for folder in [scratch.attempts(), scratch.cache(), scratch.means(), scratch.verified()] {
            planted::folder(&folder).with_context(cannot_use)?;
        }
        Ok(scratch)
    }

    /// Folder of the cache.
    #[must_use]
    pub fn cache(&self) -> PathBuf {
        self.folder.join("cache")
    }

    /// Folder of what is remembered of packs in data folders.
    #[must_use]
    pub fn verified(&self) -> PathBuf {
        self.folder.join("verified")
    }

    /// Folder of the mean images that trainers keep.
    #[must_use]
    pub fn means(&self) -> PathBuf {
        self.folder.join("means")
    }

    /// Folder of the running attempts.
    #[must_use]
    pub fn attempts(&self) -> PathBuf {
        self.folder.join("attempts")
    }
}

fn lock(folder: &Path) -> anyhow::Result<File> {
    let path = folder.join(DAEMON_LOCK_FILE);
    let mut file = planted::options().read(true).write(true).create(true).truncate(false).open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            file.read_to_string(&mut holder)?;
            bail!(
                "workerd with process id {} is running on it; give this one a name of its own with --name, \
                 or another folder with --scratch-dir",
                holder.trim()
            );
        }
        Err(TryLockError::Error(error)) => return Err(error.into()),
    }
    file.set_len(0)?;
    writeln!(file, "{}", std::process::id())?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_daemon_is_refused_and_told_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let first = Scratch::take(folder.path()).unwrap();

        let refusal = format!("{:#}", Scratch::take(folder.path()).unwrap_err());

        assert!(refusal.contains("--name") && refusal.contains(&std::process::id().to_string()), "{refusal}");
        drop(first);
        Scratch::take(folder.path()).unwrap();
    }
}
