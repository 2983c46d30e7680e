//! What an earlier daemon left on this scratch folder: which attempts are gone on with.
//!
//! A daemon that was killed could not give its leases back. If the coordinator says that they
//! are still ours, the attempts go on here; it hears of them in the first heartbeat, and what
//! that does not list is lost for certain. What nobody can go on with is removed.

use std::{fs, path::Path, sync::Arc, time::Duration};

use tracing::warn;

use crate::{ambient, assignment::Task, device::Place, folder::AttemptFolder, lease::Lease, trainer_lock};

/// An attempt that an earlier daemon left.
#[derive(Debug)]
pub struct Left {
    /// Name of the worker that worked on it, which is one of this daemon's.
    pub worker: String,
    /// What is to be done.
    pub task: Task,
    /// Not affirmed yet.
    pub lease: Arc<Lease>,
    /// What is there of it.
    pub folder: AttemptFolder,
}

/// Finds the attempts that these devices can go on with, and removes the others, whose
/// trainers are killed if they still live.
pub async fn find(attempts: &Path, places: &[Place]) -> Vec<Left> {
    let mut found = Vec::new();
    for entry in fs::read_dir(attempts).into_iter().flatten().flatten() {
        let folder = AttemptFolder::at(entry.path());
        match left_in(&folder, places) {
            Ok(left) => found.push(left),
            Err(reason) => {
                let attempt = entry.file_name().to_string_lossy().into_owned();
                warn!(attempt, reason, "what an earlier daemon left of an attempt is removed");
                // Through a link, it would be somebody else's.
                if !folder.path().is_symlink() {
                    let _ = trainer_lock::until_free(&folder, Duration::ZERO).await;
                }
                folder.remove();
            }
        }
    }
    found.sort_by_key(|left| left.task.claim);
    found
}

/// Takes an attempt of this device up again that was parked: whether it is still ours, the
/// coordinator must say.
///
/// # Errors
/// What must be there of it is not.
pub fn again(folder: &AttemptFolder, place: &Place) -> Result<Left, String> {
    left_in(folder, std::slice::from_ref(place))
}

fn left_in(folder: &AttemptFolder, places: &[Place]) -> Result<Left, String> {
    if folder.path().is_symlink() {
        return Err("it is a symbolic link".to_owned());
    }
    let (worker, task) = folder.task().map_err(|error| format!("{:#}", anyhow::Error::from(error)))?;
    if !places.iter().any(|place| place.worker == worker) {
        return Err(format!("it is of {worker}, which is no worker of this daemon"));
    }
    let now = ambient::now();
    let lease = Arc::new(Lease::left(task.claim, now));
    // By its name alone; whether that checkpoint can be used is seen later.
    let iteration = folder.checkpoints().first().map_or(0, |(iteration, _)| *iteration);
    lease.advance(iteration, None, now);
    Ok(Left { worker, task, lease, folder: folder.clone() })
}
