//! Keeping a training's checkpoints while it trains on.
//!
//! The training hands over a copy of its state, and a thread of its own writes it and waits
//! for the disk. At most one is written at a time: one that is due meanwhile is skipped, so
//! that a slow disk costs safety and not speed. Nobody sees a checkpoint under its name
//! before it is whole. Removing older ones is the daemon's business: it may be sending one.

use std::{
    fs,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use selffer_core::outcome::JobResult;
use selffer_training::{Checkpoint, TrainError};

use crate::{
    ambient,
    folder::AttemptFolder,
    planted,
    protocol::{Event, Saved},
    voice::{note, say},
};

/// Writes the checkpoints of one training.
#[derive(Debug)]
pub struct Saver {
    folder: AttemptFolder,
    every: Option<Duration>,
    shared: Arc<Mutex<Shared>>,
    writing: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    // When the next one is due; none while one is written, and if none is wanted.
    due: Option<Instant>,
    // The newest that is known to be whole.
    newest: Option<Saved>,
}

impl Saver {
    /// Saves into this folder at this interval; without one only the last checkpoint.
    #[must_use]
    pub fn new(folder: AttemptFolder, every: Option<Duration>) -> Self {
        let due = every.map(|every| ambient::now() + every);
        Self { folder, every, shared: Arc::new(Mutex::new(Shared { due, newest: None })), writing: None }
    }

    /// Takes note of the local checkpoint that is gone on from; none if it was fetched, or if
    /// there is none.
    pub fn begins_at(&self, local: Option<Saved>) {
        lock(&self.shared).newest = local;
    }

    /// Whether it is time for a checkpoint, and none is being written.
    #[must_use]
    pub fn is_due(&self) -> bool {
        match lock(&self.shared).due {
            Some(due) => ambient::now() >= due,
            // A thread that ended without saying when is one that broke off.
            None => self.every.is_some() && self.writing.as_ref().is_some_and(JoinHandle::is_finished),
        }
    }

    /// Begins to write a checkpoint; the daemon hears of it when it is whole.
    pub fn save_meanwhile(&mut self, checkpoint: Checkpoint) {
        self.finish();
        let begun = ambient::now();
        lock(&self.shared).due = None;
        let (folder, every, shared) = (self.folder.clone(), self.every, self.shared.clone());
        self.writing = Some(thread::spawn(move || {
            let iteration = checkpoint.iteration;
            let written = write(&folder, &checkpoint, None);
            drop(checkpoint);
            match &written {
                Ok(saved) => {
                    note(format_args!("iteration {iteration}: checkpoint"));
                    say(&Event::Checkpoint(saved.clone()));
                }
                // One that cannot be kept, on a full disk for example, costs safety only.
                Err(error) => note(format_args!("iteration {iteration}: no checkpoint: {error:#}")),
            }
            let mut shared = lock(&shared);
            shared.newest = written.ok().or(shared.newest.take());
            shared.due = every.map(|every| begun + next_due(every, begun.elapsed()));
        }));
    }

    /// Waits for the one that is being written.
    pub fn finish(&mut self) {
        if let Some(writing) = self.writing.take()
            && writing.join().is_err()
        {
            note("the writing of a checkpoint broke off");
        }
    }

    /// The checkpoint at which a training was stopped; it may be saved already.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn save_last(&mut self, checkpoint: &Checkpoint) -> Result<Saved, TrainError> {
        self.finish();
        let newest = lock(&self.shared).newest.clone();
        match newest.filter(|newest| newest.iteration == checkpoint.iteration) {
            Some(saved) => Ok(saved),
            None => write(&self.folder, checkpoint, None).map_err(|source| unwritten(checkpoint, source)),
        }
    }

    /// The final checkpoint of a training, and its result.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn save_final(&mut self, checkpoint: &Checkpoint, result: &JobResult) -> Result<Saved, TrainError> {
        self.finish();
        let saved = write(&self.folder, checkpoint, Some(result));
        saved.map_err(|source| unwritten(checkpoint, source))
    }
}

fn write(
    folder: &AttemptFolder,
    checkpoint: &Checkpoint,
    result: Option<&JobResult>,
) -> anyhow::Result<Saved> {
    let iteration = checkpoint.iteration;
    let path = match result {
        Some(_) => folder.final_checkpoint(),
        None => folder.checkpoint(iteration),
    };
    let part = AttemptFolder::part(&path);
    planted::unlink(&part)?;
    let files = checkpoint.write_folder(&part).inspect_err(|_| {
        // Half of it would only take the room that the next one needs.
        let _ = fs::remove_dir_all(&part);
    })?;
    folder.appear(&path)?;
    let saved = Saved { folder: path, files, iteration, weights: result.map(|result| result.weights_digest) };
    if let Some(result) = result {
        folder.keep_outcome(result, &saved)?;
    }
    Ok(saved)
}

fn unwritten(checkpoint: &Checkpoint, source: anyhow::Error) -> TrainError {
    TrainError::Observer { iteration: checkpoint.iteration, source: source.into() }
}

/// When the next checkpoint is due after the beginning of one that took so long: those that
/// were due meanwhile are skipped.
fn next_due(every: Duration, took: Duration) -> Duration {
    let skipped = took.as_nanos() / every.as_nanos().max(1);
    every.saturating_mul(u32::try_from(skipped + 1).unwrap_or(u32::MAX))
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    // A thread that panicked while it held this left whole values.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_while_one_is_written_is_skipped() {
        let [every, quick, slow] = [1_000, 400, 2_300].map(Duration::from_millis);
        assert_eq!(next_due(every, quick), Duration::from_secs(1));
        assert_eq!(next_due(every, slow), Duration::from_secs(3));
    }
}
