//! The folder of one replay, and what becomes of those whose replay was killed.
//!
//! Each replay has one for itself and removes it at its end. One that was killed could not;
//! the next one removes what it left, known by its name and its lock that nobody holds.
//! Whatever else lies there is not ours and stays.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use anyhow::Context;

use crate::ambient;

const LOCK_FILE: &str = "lock";

/// A folder that is ours while this lives, and gone afterwards.
#[derive(Debug)]
pub(super) struct Room {
    folder: PathBuf,
    _lock: File,
}

impl Room {
    /// Makes a folder in `base`, which is made if it does not exist.
    ///
    /// # Errors
    /// It cannot be made.
    pub(super) fn take(base: &Path) -> anyhow::Result<Self> {
        // What is fetched is opened by path, wherever the program was started.
        let base = std::path::absolute(base)?;
        make(&base).with_context(|| format!("cannot make a folder in {}", base.display()))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        // What stays goes with the next replay.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn make(base: &Path) -> io::Result<Room> {
    fs::create_dir_all(base)?;
    // One at a time, so that nobody takes a new folder for one that was left.
    let gate = File::create(base.join(LOCK_FILE))?;
    gate.lock()?;
    for left in fs::read_dir(base)?.flatten().map(|entry| entry.path()) {
        if is_left(&left) {
            let _ = fs::remove_dir_all(&left);
        }
    }
    let folder = base.join(ambient::folder_name());
    fs::create_dir(&folder)?;
    let lock = File::create(folder.join(LOCK_FILE))?;
    lock.lock()?;
    Ok(Room { folder, _lock: lock })
}

/// Whether this is a folder of a replay that is no more.
fn is_left(folder: &Path) -> bool {
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_ours = name.len() == 16 && name.bytes().all(|digit| digit.is_ascii_hexdigit());
    let lock = File::open(folder.join(LOCK_FILE));
    is_ours && lock.is_ok_and(|lock| !matches!(lock.try_lock(), Err(TryLockError::WouldBlock)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_are_apart_and_go_with_their_replays() {
        let base = tempfile::tempdir().unwrap();
        let (one, two) = (Room::take(base.path()).unwrap(), Room::take(base.path()).unwrap());
        assert!(one.path() != two.path() && one.path().is_dir() && two.path().is_dir());
        let gone = one.path().to_owned();

        drop(one);

        assert!(!gone.exists() && two.path().is_dir());
    }

    #[test]
    fn what_a_killed_replay_left_goes_with_the_next_one_and_nothing_else() {
        let base = tempfile::tempdir().unwrap();
        let folder = |name: &str| base.path().join(name);
        for name in ["0123456789abcdef", "0123456789abcde0", "photographs"] {
            fs::create_dir_all(folder(name).join("cache")).unwrap();
        }
        File::create(folder("0123456789abcdef").join(LOCK_FILE)).unwrap();
        File::create(folder("photographs").join(LOCK_FILE)).unwrap();

        let next = Room::take(base.path()).unwrap();

        assert!(!folder("0123456789abcdef").exists() && next.path().is_dir());
        assert!(folder("0123456789abcde0").exists(), "it has no lock");
        assert!(folder("photographs").exists(), "it has another name");
    }
}
