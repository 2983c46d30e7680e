//! From stored bytes to batches: crop, mirror, mean and scale.
//!
//! A value becomes `(pixel − mean) · scale`, the mean taken at the pixel's own place.
//! Training images come in the order of the job's streams, each with its own crop and
//! mirror; test images come in the pack's order, cropped in the centre. [`Loaders`] make
//! batches ahead of the trainer, in the order of a [`Plan`].

mod batch;
mod count;
mod loader;
mod plan;
mod sequence;
mod stock;

use selffer_core::spec::{ImageShape, JobSpec};

pub use self::count::loaders_for;
pub(crate) use self::{
    batch::Batch,
    loader::Loaders,
    plan::{Plan, images_per_test, is_test_due},
    stock::Stock,
};

/// Batches of one loader that lie in memory at most: one in use, two ahead.
pub(crate) const BATCHES_PER_LOADER_MAX: usize = 3;

/// Turns images of one shape into what a network sees.
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

impl Feed {
    pub(crate) fn new(spec: &JobSpec, mean: Vec<f32>) -> Self {
        let side = spec.network.side as usize;
        Self { shape: spec.image, side, mean, scale: spec.recipe.scale as f32 }
    }

    /// The mean image, `[H, W, C]`.
    pub(crate) fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// Values of one image that the network gets.
    fn values_per_image(&self) -> usize {
        self.side * self.side * self.shape.channels as usize
    }

    /// Writes one view of an image, `[H, W, C]`.
    fn write(&self, image: &[u8], view: View, values: &mut [f32]) {
        let (width, channels) = (self.shape.width as usize, self.shape.channels as usize);
        for (row, out) in values.chunks_exact_mut(self.side * channels).enumerate() {
            let first = ((view.row + row) * width + view.column) * channels;
            let span = first..first + self.side * channels;
            let (pixels, mean) = (&image[span.clone()], &self.mean[span]);
            match (view.is_mirrored, channels) {
                (false, _) => self.write_row(pixels, mean, out),
                (true, 3) => self.write_row_mirrored::<3>(pixels, mean, out),
                // A pack has images of one channel or of three.
                (true, _) => self.write_row_mirrored::<1>(pixels, mean, out),
            }
        }
    }

    fn write_row(&self, pixels: &[u8], mean: &[f32], out: &mut [f32]) {
        for (out, (&pixel, mean)) in out.iter_mut().zip(pixels.iter().zip(mean)) {
            *out = (f32::from(pixel) - mean) * self.scale;
        }
    }

    /// Reverses the order of the row's pixels, not of their channels.
    fn write_row_mirrored<const CHANNELS: usize>(&self, pixels: &[u8], mean: &[f32], out: &mut [f32]) {
        let (pixels, _) = pixels.as_chunks::<CHANNELS>();
        let (means, _) = mean.as_chunks::<CHANNELS>();
        let (outs, _) = out.as_chunks_mut::<CHANNELS>();
        for (out, (pixel, mean)) in outs.iter_mut().zip(pixels.iter().zip(means).rev()) {
            for channel in 0..CHANNELS {
                out[channel] = (f32::from(pixel[channel]) - mean[channel]) * self.scale;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_view(channels: u32, view: View, expected: &[f32]) {
        let bytes = 12 * channels as u8;
        let feed = Feed {
            shape: ImageShape { height: 3, width: 4, channels },
            side: 2,
            mean: (0..bytes).map(f32::from).collect(),
            scale: 0.5,
        };
        let image: Vec<u8> = (0..bytes).map(|value| value * 3).collect();
        let mut values = vec![0.0; feed.values_per_image()];
        feed.write(&image, view, &mut values);
        assert_eq!(values, expected, "{channels} {view:?}");
    }

    #[test]
    fn a_view_takes_its_own_part_of_image_and_mean() {
        let view = View { row: 1, column: 2, is_mirrored: false };
        let mirrored = View { is_mirrored: true, ..view };
        check_view(1, view, &[6.0, 7.0, 10.0, 11.0]);
        check_view(1, mirrored, &[7.0, 6.0, 11.0, 10.0]);
        let coloured = [18.0, 19.0, 20.0, 21.0, 22.0, 23.0, 30.0, 31.0, 32.0, 33.0, 34.0, 35.0];
        check_view(3, view, &coloured);
        let coloured = [21.0, 22.0, 23.0, 18.0, 19.0, 20.0, 33.0, 34.0, 35.0, 30.0, 31.0, 32.0];
        check_view(3, mirrored, &coloured);
    }

    #[test]
    fn the_centre_of_the_papers_images_begins_at_14() {
        let shape = ImageShape { height: 256, width: 256, channels: 3 };
        assert_eq!(View::centre(shape, 227), View { row: 14, column: 14, is_mirrored: false });
        let whole = ImageShape { height: 28, width: 28, channels: 1 };
        assert_eq!(View::centre(whole, 28), View { row: 0, column: 0, is_mirrored: false });
    }
}
