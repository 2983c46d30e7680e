//! A shard whose images have all come, and its sealing: closed, on the disk for good, noted.

use std::fs;

use selffer_core::pack::Shard;

use super::{
    done::{DoneShard, Outcome},
    slots::ShardSlots,
};
use crate::partial::{Partial, WriteError};

/// A shard whose images have all come, not sealed yet.
#[derive(Debug)]
pub(super) struct FilledShard<'a> {
    /// Its file's name.
    pub(super) file: String,
    /// The name of the note on it.
    pub(super) note: String,
    pub(super) slots: ShardSlots,
    /// Of each place.
    pub(super) labels: &'a [u32],
    /// What became of the image of each place.
    pub(super) outcomes: Vec<Outcome>,
}

impl FilledShard<'_> {
    /// Closes the shard over the images that were written, to stay there after a power cut, then
    /// notes it as done. Of no images there is no shard.
    ///
    /// # Errors
    /// The disk refuses.
    pub(super) fn seal(self, partial: &Partial) -> Result<DoneShard, WriteError> {
        let Self { file, note, slots, labels, outcomes } = self;
        let is_there: Vec<bool> = outcomes.iter().map(Outcome::is_written).collect();
        let images = is_there.iter().filter(|&&is_there| is_there).count() as u64;
        let shard = if images == 0 {
            let path = partial.path(&file);
            fs::remove_file(&path).map_err(|source| WriteError::Write { path, source })?;
            None
        } else {
            let (bytes, digest) = slots.finish(labels, &is_there)?;
            Some(Shard { file, images, bytes, digest })
        };
        let done = DoneShard { shard, outcomes };
        partial.write(&note, &serde_json::to_vec(&done).expect("names, numbers and texts are JSON"))?;
        Ok(done)
    }
}
