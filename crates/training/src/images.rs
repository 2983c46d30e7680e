//! From stored bytes to batches: crop, mirror, mean and scale.
//!
//! A value becomes `(pixel − mean) · scale`, the mean taken at the pixel's own place.
//! Training images come in the order of the job's streams, each with its own crop and
//! mirror; test images come in the pack's order, cropped in the centre.

mod sequence;

use candle_core::{Device, Error, Result, Tensor};
use rayon::prelude::*;
use selffer_core::{
    recipe::Recipe,
    spec::{ImageShape, JobSpec},
    stream::Streams,
};
use selffer_data::{ImageBuffer, Images, Selection};

use self::sequence::Sequence;

/// Turns images of one shape into batches of one size.
pub(crate) struct Feed {
    shape: ImageShape,
    /// Rows and columns of what the network gets.
    side: usize,
    /// `[H, W, C]`, of whole images.
    mean: Vec<f32>,
    scale: f32,
}

/// Which part of an image is seen, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct View {
    /// First row.
    row: usize,
    /// First column.
    column: usize,
    is_mirrored: bool,
}

impl View {
    /// The centre of an image. Of an odd rest, the larger part is below and to the right.
    fn centre(shape: ImageShape, side: usize) -> Self {
        let offset = |length: u32| (length as usize - side) / 2;
        Self { row: offset(shape.height), column: offset(shape.width), is_mirrored: false }
    }
}

/// Images and their labels, on the device.
pub(crate) struct Batch {
    /// `[N, H, W, C]`.
    pub(crate) images: Tensor,
    /// `[N]`.
    pub(crate) labels: Tensor,
}

impl Feed {
    pub(crate) fn new(spec: &JobSpec, mean: Vec<f32>) -> Self {
        let side = spec.network.side as usize;
        Self { shape: spec.image, side, mean, scale: spec.recipe.scale as f32 }
    }

    /// The mean image, `[H, W, C]`.
    pub(crate) fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// Test images, as they are, cropped in the centre: `positions` of the selection.
    pub(crate) fn test_batch(
        &self,
        images: &Images,
        selection: &Selection,
        positions: &[usize],
    ) -> Result<Batch> {
        let centre = View::centre(self.shape, self.side);
        self.batch(images, selection, positions, |_| centre)
    }

    fn batch(
        &self,
        images: &Images,
        selection: &Selection,
        positions: &[usize],
        view: impl Fn(usize) -> View + Sync,
    ) -> Result<Batch> {
        let channels = self.shape.channels as usize;
        let mut values = vec![0.0; positions.len() * self.side * self.side * channels];
        let places = values.par_chunks_mut(self.side * self.side * channels).zip(positions).enumerate();
        places.try_for_each_init(ImageBuffer::default, |buffer, (index, (values, &position))| {
            let image = images.image(selection.indices[position] as usize, buffer).map_err(Error::wrap)?;
            self.write(image, view(index), values);
            Ok::<_, Error>(())
        })?;
        let labels: Vec<u32> = positions.iter().map(|&position| selection.labels[position]).collect();
        let shape = (positions.len(), self.side, self.side, channels);
        Ok(Batch {
            images: Tensor::from_vec(values, shape, &Device::Cpu)?,
            labels: Tensor::from_vec(labels, positions.len(), &Device::Cpu)?,
        })
    }

    /// Writes one view of an image, `[H, W, C]`.
    fn write(&self, image: &[u8], view: View, values: &mut [f32]) {
        let (width, channels) = (self.shape.width as usize, self.shape.channels as usize);
        for (row, out) in values.chunks_exact_mut(self.side * channels).enumerate() {
            let first = ((view.row + row) * width + view.column) * channels;
            let span = first..first + self.side * channels;
            let pixels = image[span.clone()].iter().zip(&self.mean[span]);
            for (out, (&pixel, mean)) in out.iter_mut().zip(pixels) {
                *out = (f32::from(pixel) - mean) * self.scale;
            }
            if view.is_mirrored {
                mirror(out, channels);
            }
        }
    }
}

/// Reverses the order of a row's pixels, not of their channels.
fn mirror(row: &mut [f32], channels: usize) {
    row.reverse();
    row.chunks_exact_mut(channels).for_each(<[f32]>::reverse);
}

/// The training images of a job, batch by batch.
pub(crate) struct TrainingImages<'a> {
    images: &'a Images,
    selection: Selection,
    sequence: Sequence,
    batch: usize,
}

impl<'a> TrainingImages<'a> {
    /// `selection` must not be empty.
    pub(crate) fn new(images: &'a Images, selection: Selection, streams: Streams, recipe: &Recipe) -> Self {
        let sequence = Sequence::new(streams, recipe, selection.len() as u32);
        Self { images, selection, sequence, batch: recipe.batch as usize }
    }

    /// The batch of this iteration (from 0). Cheap in increasing order.
    pub(crate) fn batch(&mut self, feed: &Feed, iteration: u32) -> Result<Batch> {
        let first = u64::from(iteration) * self.batch as u64;
        let elements = first..first + self.batch as u64;
        let positions: Vec<usize> = elements.map(|element| self.sequence.position(element)).collect();
        let view = |index: usize| self.sequence.view(feed.shape, feed.side, first + index as u64);
        feed.batch(self.images, &self.selection, &positions, view)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_takes_its_own_part_of_image_and_mean() {
        let feed = Feed {
            shape: ImageShape { height: 3, width: 4, channels: 2 },
            side: 2,
            mean: (0..24).map(|value| value as f32).collect(),
            scale: 0.5,
        };
        let image: Vec<u8> = (0..24).map(|value| value * 3).collect();
        let mut values = vec![0.0; 8];

        feed.write(&image, View { row: 1, column: 2, is_mirrored: false }, &mut values);
        assert_eq!(values, [12.0, 13.0, 14.0, 15.0, 20.0, 21.0, 22.0, 23.0]);

        feed.write(&image, View { row: 1, column: 2, is_mirrored: true }, &mut values);
        assert_eq!(values, [14.0, 15.0, 12.0, 13.0, 22.0, 23.0, 20.0, 21.0]);
    }

    #[test]
    fn the_centre_of_the_papers_images_begins_at_14() {
        let shape = ImageShape { height: 256, width: 256, channels: 3 };
        assert_eq!(View::centre(shape, 227), View { row: 14, column: 14, is_mirrored: false });
        let whole = ImageShape { height: 28, width: 28, channels: 1 };
        assert_eq!(View::centre(whole, 28), View { row: 0, column: 0, is_mirrored: false });
    }
}
