//! Whether a training can go on from a checkpoint: read whole, of this job, of this device.
//!
//! Checked before anything is trained or sent, so that the next best one can be had instead.
//! What is damaged in an attempt's own folder is removed. Reads all its files; blocks.

use std::{fs, path::Path};

use selffer_core::{ids::JobKey, outcome::JobResult};
use selffer_training::{Checkpoint, CheckpointError};

use crate::{
    folder::{AttemptFolder, FolderError},
    protocol::Saved,
};

/// What a checkpoint must be made for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The job.
    pub key: JobKey,
    /// The kind of device.
    pub device_kind: String,
}

/// Why a checkpoint is of no use.
#[derive(Debug, thiserror::Error)]
pub enum Unsound {
    /// Its files are not those that were written.
    #[error("it is damaged")]
    Damaged(#[from] CheckpointError),
    /// What says which files belong to it is damaged.
    #[error("its record is damaged")]
    Record(#[from] FolderError),
    /// It is another job's.
    #[error("it belongs to job {found}")]
    OtherJob {
        /// Whose it is.
        found: JobKey,
    },
    /// It was made on another kind of device.
    #[error("it was made on {found}, this is {here}; its continuation would not be exact")]
    OtherDevice {
        /// Where it was made.
        found: String,
        /// Where we are.
        here: String,
    },
}

impl Unsound {
    /// Whether it is of no use to anybody.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged(_) | Self::Record(_))
    }

    /// All of it in one line.
    #[must_use]
    pub fn told(self) -> String {
        format!("{:#}", anyhow::Error::from(self))
    }
}

impl Wanted {
    /// Reads the checkpoint in this folder and says after how many updates it was made.
    ///
    /// # Errors
    /// It is damaged, or made for something else.
    pub fn check(&self, folder: &Path) -> Result<u32, Unsound> {
        let checkpoint = Checkpoint::read_folder(folder)?;
        if checkpoint.key != self.key {
            return Err(Unsound::OtherJob { found: checkpoint.key });
        }
        if checkpoint.device_kind != self.device_kind {
            let (found, here) = (checkpoint.device_kind, self.device_kind.clone());
            return Err(Unsound::OtherDevice { found, here });
        }
        Ok(checkpoint.iteration)
    }

    /// The newest sound checkpoint of an attempt's folder; all others there are removed, and
    /// the unsound ones told.
    pub fn newest(&self, folder: &AttemptFolder, mut tell: impl FnMut(String)) -> Option<Saved> {
        let mut newest = None;
        for (iteration, path) in folder.checkpoints() {
            if newest.is_none() {
                match self.saved(&path) {
                    Ok(saved) => {
                        newest = Some(saved);
                        continue;
                    }
                    Err(unsound) => tell(format!(
                        "the local checkpoint of iteration {iteration} cannot be used: {}",
                        unsound.told()
                    )),
                }
            }
            let _ = fs::remove_dir_all(path);
        }
        newest
    }

    fn saved(&self, path: &Path) -> Result<Saved, Unsound> {
        let iteration = self.check(path)?;
        Ok(Saved { folder: path.to_owned(), files: Checkpoint::files_in(path)?, iteration, weights: None })
    }

    /// The result of a training that ended, with its final checkpoint. One that cannot be used
    /// is told and removed.
    pub fn outcome(
        &self,
        folder: &AttemptFolder,
        mut tell: impl FnMut(String),
    ) -> Option<(JobResult, Saved)> {
        let checked = folder.outcome().map_err(Unsound::from).and_then(|outcome| {
            let Some((result, saved)) = outcome else { return Ok(None) };
            self.check(&saved.folder)?;
            Ok(Some((result, saved)))
        });
        checked.unwrap_or_else(|unsound| {
            tell(format!("the local result cannot be used: {}", unsound.told()));
            folder.discard_outcome();
            None
        })
    }
}
