//! What batches are made of, and making one.

use std::sync::atomic::{AtomicBool, Ordering};

use selffer_core::{recipe::Recipe, stream::Streams};
use selffer_data::{ImageBuffer, Images, Pack, PackError, Selection};

use super::{Batch, Feed, View, plan::Wanted, sequence::Sequence};
use crate::error::TrainError;

/// Everything that the batches of a training are made of; loaders read it side by side.
pub(crate) struct Stock<'a> {
    pub(crate) pack: &'a Pack,
    /// Images to train on; not empty.
    pub(crate) training: Selection,
    /// Images to test on; not empty.
    pub(crate) validation: Selection,
    pub(crate) feed: Feed,
    pub(crate) streams: Streams,
    pub(crate) recipe: Recipe,
}

/// What one loader keeps from batch to batch.
pub(super) struct Desk {
    sequence: Sequence,
    buffer: ImageBuffer,
}

/// The images of one batch: index in the subset, label and view of each.
type Picked = Vec<(usize, u32, View)>;

impl Stock<'_> {
    pub(super) fn desk(&self) -> Desk {
        let sequence = Sequence::new(self.streams.clone(), &self.recipe, self.training.len() as u32);
        Desk { sequence, buffer: ImageBuffer::default() }
    }

    /// Makes a batch, in the memory of a used one if that fits. None if it was told to end
    /// meanwhile.
    ///
    /// # Errors
    /// An image cannot be decoded, or there is no memory.
    pub(super) fn make(
        &self,
        wanted: &Wanted,
        desk: &mut Desk,
        used: Option<Batch>,
        ended: &AtomicBool,
    ) -> Result<Option<Batch>, TrainError> {
        let (images, picked) = match wanted {
            Wanted::Training { iteration } => {
                (self.pack.train(), self.pick_training(*iteration, &mut desk.sequence))
            }
            Wanted::Test { positions, .. } => (self.pack.validation(), self.pick_test(positions.clone())),
        };
        let failed = |source| TrainError::Tensor { iteration: wanted.iteration(), source };
        let labels = picked.iter().map(|&(_, label, _)| label).collect();
        let shape = (self.feed.side, self.feed.shape.channels as usize);
        let batch = Batch::with_room(labels, shape, used).map_err(failed)?;
        let mut written = Ok(Written::Whole);
        batch
            .fill(|values| written = self.write(images, (&picked, values), &mut desk.buffer, ended))
            .map_err(failed)?;
        match written? {
            Written::Whole => Ok(Some(batch)),
            Written::Part => Ok(None),
        }
    }

    fn pick_training(&self, iteration: u32, sequence: &mut Sequence) -> Picked {
        let count = u64::from(self.recipe.batch);
        let first = u64::from(iteration) * count;
        let pick = |element| {
            let position = sequence.position(element);
            let view = sequence.view(self.feed.shape, self.feed.side, element);
            (self.training.indices[position] as usize, self.training.labels[position], view)
        };
        (first..first + count).map(pick).collect()
    }

    fn pick_test(&self, positions: std::ops::Range<usize>) -> Picked {
        let centre = View::centre(self.feed.shape, self.feed.side);
        let pick = |position: usize| {
            let position = position % self.validation.len();
            (self.validation.indices[position] as usize, self.validation.labels[position], centre)
        };
        positions.map(pick).collect()
    }

    fn write(
        &self,
        images: &Images,
        (picked, values): (&Picked, &mut [f32]),
        buffer: &mut ImageBuffer,
        ended: &AtomicBool,
    ) -> Result<Written, PackError> {
        let places = values.chunks_exact_mut(self.feed.values_per_image());
        for (place, &(index, _, view)) in places.zip(picked) {
            if ended.load(Ordering::Relaxed) {
                return Ok(Written::Part);
            }
            self.feed.write(images.image(index, buffer)?, view, place);
        }
        Ok(Written::Whole)
    }
}

/// How much of a batch was written.
enum Written {
    Whole,
    Part,
}
