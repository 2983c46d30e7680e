//! The lock in an attempt's folder: held by its trainer while that lives, with its process id.
//!
//! So a later daemon knows whether the trainer of an earlier one still works there, and which
//! process that is. A number alone is no proof: a process is only ended if it has this very
//! file open.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::{Pid, getpgid},
};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use crate::{ambient, folder::AttemptFolder, planted};

const LOCK_FILE: &str = "lock";
/// How long a trainer waits for another one that is about to end.
const TAKE_WITHIN: Duration = Duration::from_secs(10);
/// How long a killed trainer may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(50);

/// Takes the lock for this process; held until the file is dropped.
///
/// # Errors
/// Another trainer has it for long, or the folder cannot be written.
pub fn take(folder: &AttemptFolder) -> io::Result<File> {
    let path = path(folder);
    let mut file = planted::options().read(true).write(true).create(true).truncate(false).open(path)?;
    let started = ambient::now();
    while let Err(error) = file.try_lock() {
        match error {
            TryLockError::WouldBlock if started.elapsed() < TAKE_WITHIN => thread::sleep(POLL),
            error => return Err(error.into()),
        }
    }
    file.set_len(0)?;
    writeln!(file, "{}", std::process::id())?;
    Ok(file)
}

/// Whether a trainer works in this folder.
#[must_use]
pub fn is_held(folder: &AttemptFolder) -> bool {
    let file = File::open(path(folder));
    file.is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

/// Waits until no trainer works in this folder; one that takes longer than this is killed with
/// everything it started. Whether it is gone.
pub async fn until_free(folder: &AttemptFolder, patience: Duration) -> bool {
    if timeout(patience, freed(folder)).await.is_ok() {
        return true;
    }
    if let Err(reason) = kill_holder(folder) {
        info!(folder = %folder.path().display(), reason, "the trainer of an earlier daemon is not killed");
    }
    timeout(GONE_WITHIN, freed(folder)).await.is_ok()
}

async fn freed(folder: &AttemptFolder) {
    while is_held(folder) {
        sleep(POLL).await;
    }
}

fn kill_holder(folder: &AttemptFolder) -> Result<(), String> {
    let path = path(folder);
    let text = fs::read_to_string(&path).map_err(|error| error.to_string())?;
    let id: i32 = text.trim().parse().map_err(|_| format!("{text:?} is no process id"))?;
    if id <= 1 || !has_open(id, &path) {
        return Err(format!("process {id} does not hold the lock"));
    }
    warn!(process_id = id, "killing the trainer of an earlier daemon");
    let id = Pid::from_raw(id);
    // A trainer leads a group of its own, unless somebody else started it.
    let killed = match getpgid(Some(id)) {
        Ok(group) if group == id => killpg(id, Signal::SIGKILL),
        _ => kill(id, Signal::SIGKILL),
    };
    killed.map_err(|error| error.to_string())
}

/// Whether this process has this file open.
fn has_open(process_id: i32, path: &Path) -> bool {
    let Ok(wanted) = fs::metadata(path) else { return false };
    let open = fs::read_dir(format!("/proc/{process_id}/fd")).into_iter().flatten().flatten();
    let mut open = open.filter_map(|entry| fs::metadata(entry.path()).ok());
    open.any(|file| (file.dev(), file.ino()) == (wanted.dev(), wanted.ino()))
}

fn path(folder: &AttemptFolder) -> PathBuf {
    folder.path().join(LOCK_FILE)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    fn folder() -> (tempfile::TempDir, AttemptFolder) {
        let folder = tempfile::tempdir().unwrap();
        let attempt = AttemptFolder::at(folder.path().to_owned());
        (folder, attempt)
    }

    #[tokio::test]
    async fn a_lock_is_held_while_its_file_lives() {
        let (_kept, folder) = folder();
        assert!(!is_held(&folder));
        let lock = take(&folder).unwrap();
        assert!(is_held(&folder));
        drop(lock);
        assert!(until_free(&folder, Duration::ZERO).await);
    }

    #[tokio::test]
    async fn only_a_process_that_has_the_lock_open_is_killed() {
        let (_kept, folder) = folder();
        let lock = take(&folder).unwrap();
        let mut bystander = Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().unwrap();
        fs::write(path(&folder), bystander.id().to_string()).unwrap();

        let refusal = kill_holder(&folder).unwrap_err();

        assert!(refusal.contains("does not hold the lock"), "{refusal}");
        assert!(bystander.try_wait().unwrap().is_none());
        bystander.kill().unwrap();
        bystander.wait().unwrap();
        drop(lock);
    }

    #[tokio::test]
    async fn a_holder_that_does_not_end_is_killed() {
        let (_kept, folder) = folder();
        let file = File::create(path(&folder)).unwrap();
        file.lock().unwrap();
        // Its standard input is the locked file, as its trainer's lock would be.
        let mut holder = Command::new("sleep").arg("60").stdin(file).spawn().unwrap();
        fs::write(path(&folder), holder.id().to_string()).unwrap();
        assert!(is_held(&folder));

        let waited = tokio::task::spawn_blocking(move || holder.wait().unwrap());

        assert!(until_free(&folder, Duration::ZERO).await);
        assert!(!waited.await.unwrap().success());
    }
}
