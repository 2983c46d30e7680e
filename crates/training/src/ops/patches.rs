//! Patches: what a convolution sees at each output position, as rows of a matrix.
//!
//! A convolution is a product of this matrix with the weights. Row `p` of a group holds,
//! for each row of the kernel, one run of `kernel · group channels` neighbouring values;
//! channels-last images make a run one copy. Several images share one matrix, as many as
//! stay in a core's cache. The buffers belong to the thread and are used again.

use std::cell::RefCell;

use super::vectors::wide;

/// Values of one matrix of patches; with its operands it fits a core's second-level cache.
const MATRIX_VALUES_MAX: usize = 96 * 1024;
/// Rows start at multiples of this many values, so that no product has an odd end.
const PITCH: usize = 16;

/// Shapes of a convolution of images in groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Geometry {
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) channels: usize,
    pub(super) outputs: usize,
    pub(super) kernel: usize,
    pub(super) stride: usize,
    pub(super) pad: usize,
    pub(super) groups: usize,
}

impl Geometry {
    pub(super) fn out_height(&self) -> usize {
        (self.height + 2 * self.pad - self.kernel) / self.stride + 1
    }

    pub(super) fn out_width(&self) -> usize {
        (self.width + 2 * self.pad - self.kernel) / self.stride + 1
    }

    /// Output positions of one image.
    pub(super) fn positions(&self) -> usize {
        self.out_height() * self.out_width()
    }

    pub(super) fn group_channels(&self) -> usize {
        self.channels / self.groups
    }

    pub(super) fn group_outputs(&self) -> usize {
        self.outputs / self.groups
    }

    /// Neighbouring values that one row of the kernel sees.
    fn run(&self) -> usize {
        self.kernel * self.group_channels()
    }

    /// Values that one output sees.
    pub(super) fn fan_in(&self) -> usize {
        self.kernel * self.run()
    }

    /// Values from one row of the matrix to the next.
    pub(super) fn pitch(&self) -> usize {
        self.fan_in().next_multiple_of(PITCH)
    }

    pub(super) fn input_values(&self) -> usize {
        self.height * self.width * self.channels
    }

    pub(super) fn output_values(&self) -> usize {
        self.positions() * self.outputs
    }

    /// How many images share one product.
    pub(super) fn images_per_product(&self) -> usize {
        (MATRIX_VALUES_MAX / (self.positions() * self.pitch())).max(1)
    }

    /// Values of one group of one image with its border of zeros.
    fn padded_values(&self) -> usize {
        (self.height + 2 * self.pad) * self.padded_pitch()
    }

    fn padded_pitch(&self) -> usize {
        (self.width + 2 * self.pad) * self.group_channels()
    }
}

/// The matrix of patches and the room to make it.
pub(super) struct Patches {
    geometry: Geometry,
    /// One group of one image with a border of zeros, and slack for copies of fixed length.
    padded: Vec<f32>,
    /// The matrix, and slack.
    rows: Vec<f32>,
}

/// The longest copy of fixed length; shorter runs are copied with what follows them.
const SLACK: usize = 16;

thread_local! {
    static BUFFERS: RefCell<(Vec<f32>, Vec<f32>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

impl Patches {
    /// Lends this thread's buffers to `body`. What they hold at first is arbitrary.
    pub(super) fn lend<R>(geometry: Geometry, body: impl FnOnce(&mut Self) -> R) -> R {
        let (mut padded, mut rows) = BUFFERS.take();
        padded.clear();
        padded.resize(geometry.padded_values() + SLACK, 0.0);
        let row_values = geometry.images_per_product() * geometry.positions() * geometry.pitch() + SLACK;
        if rows.len() < row_values {
            rows.resize(row_values, 0.0);
        }
        let mut patches = Self { geometry, padded, rows };
        let result = body(&mut patches);
        BUFFERS.set((patches.padded, patches.rows));
        result
    }

    /// The matrix: a row for each image and position, [`Geometry::pitch`] values apart, of
    /// which the first [`Geometry::fan_in`] count.
    pub(super) fn rows(&self) -> &[f32] {
        &self.rows
    }

    pub(super) fn rows_mut(&mut self) -> &mut [f32] {
        &mut self.rows
    }

    /// Fills the matrix with one group of `images`.
    pub(super) fn gather(&mut self, images: &[f32], group: usize) {
        wide(|| self.gather_all(images, group));
    }

    #[inline(always)]
    fn gather_all(&mut self, images: &[f32], group: usize) {
        let image_rows = self.geometry.positions() * self.geometry.pitch();
        for (index, image) in images.chunks_exact(self.geometry.input_values()).enumerate() {
            self.pad(image, group);
            let rows = &mut self.rows[index * image_rows..][..image_rows + SLACK];
            // A copy of fixed length takes no call. It writes beyond its run, where the
            // next run, or the next row, is written after it.
            match self.geometry.run() {
                ..=8 => copy_runs(self.geometry, &self.padded, rows, |to, from| {
                    to[..8].copy_from_slice(&from[..8]);
                }),
                9..=16 => copy_runs(self.geometry, &self.padded, rows, |to, from| {
                    to[..16].copy_from_slice(&from[..16]);
                }),
                run => copy_runs(self.geometry, &self.padded, rows, |to, from| {
                    to[..run].copy_from_slice(&from[..run]);
                }),
            }
        }
    }

    /// Copies one group of an image inside the border.
    #[inline(always)]
    fn pad(&mut self, image: &[f32], group: usize) {
        let Geometry { width, channels, pad, .. } = self.geometry;
        let (pitch, run) = (self.geometry.padded_pitch(), self.geometry.group_channels());
        for (y, row) in image.chunks_exact(width * channels).enumerate() {
            let padded = &mut self.padded[(y + pad) * pitch + pad * run..][..width * run];
            if run == channels {
                padded.copy_from_slice(row);
            } else {
                for (to, from) in padded.chunks_exact_mut(run).zip(row.chunks_exact(channels)) {
                    to.copy_from_slice(&from[group * run..][..run]);
                }
            }
        }
    }

    /// Adds every value of the matrix to the value of `images` that it is a copy of: the
    /// reverse of [`Patches::gather`], in the order of rows.
    pub(super) fn scatter(&mut self, images: &mut [f32], group: usize) {
        wide(|| self.scatter_all(images, group));
    }

    #[inline(always)]
    fn scatter_all(&mut self, images: &mut [f32], group: usize) {
        let image_rows = self.geometry.positions() * self.geometry.pitch();
        for (index, image) in images.chunks_exact_mut(self.geometry.input_values()).enumerate() {
            self.padded.fill(0.0);
            add_runs(self.geometry, &self.rows[index * image_rows..], &mut self.padded);
            self.unpad(image, group);
        }
    }

    /// Copies what is inside the border back into one group of an image.
    #[inline(always)]
    fn unpad(&self, image: &mut [f32], group: usize) {
        let Geometry { width, channels, pad, .. } = self.geometry;
        let (pitch, run) = (self.geometry.padded_pitch(), self.geometry.group_channels());
        for (y, row) in image.chunks_exact_mut(width * channels).enumerate() {
            let padded = &self.padded[(y + pad) * pitch + pad * run..][..width * run];
            for (to, from) in row.chunks_exact_mut(channels).zip(padded.chunks_exact(run)) {
                to[group * run..][..run].copy_from_slice(from);
            }
        }
    }
}

/// For one image, calls `copy` with the place of each run in the matrix and in the image.
#[inline(always)]
fn copy_runs(geometry: Geometry, padded: &[f32], rows: &mut [f32], copy: impl Fn(&mut [f32], &[f32])) {
    let Geometry { kernel, stride, .. } = geometry;
    let (pitch, run, row_pitch) = (geometry.padded_pitch(), geometry.run(), geometry.pitch());
    let (height, width) = (geometry.out_height(), geometry.out_width());
    let step = stride * geometry.group_channels();
    for y in 0..height {
        for x in 0..width {
            let row = (y * width + x) * row_pitch;
            for line in 0..kernel {
                let from = (y * stride + line) * pitch + x * step;
                copy(&mut rows[row + line * run..], &padded[from..]);
            }
        }
    }
}

/// For one image, adds each run of the matrix to its place in the image.
#[inline(always)]
fn add_runs(geometry: Geometry, rows: &[f32], padded: &mut [f32]) {
    let Geometry { kernel, stride, .. } = geometry;
    let (pitch, run, row_pitch) = (geometry.padded_pitch(), geometry.run(), geometry.pitch());
    let (height, width) = (geometry.out_height(), geometry.out_width());
    let step = stride * geometry.group_channels();
    for y in 0..height {
        for x in 0..width {
            let row = (y * width + x) * row_pitch;
            for line in 0..kernel {
                let to = (y * stride + line) * pitch + x * step;
                let from = &rows[row + line * run..][..run];
                for (to, from) in padded[to..][..run].iter_mut().zip(from) {
                    *to += from;
                }
            }
        }
    }
}
