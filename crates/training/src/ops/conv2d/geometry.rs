//! Shapes of a convolution, and where its windows lie in memory.

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

    /// Values that one output sees.
    pub(super) fn fan_in(&self) -> usize {
        self.kernel * self.kernel * self.group_channels()
    }

    pub(super) fn input_values(&self) -> usize {
        self.height * self.width * self.channels
    }

    pub(super) fn output_values(&self) -> usize {
        self.positions() * self.outputs
    }

    /// Where the weight (output and channel of a group, row, column) lies in `[O, C/G, K, K]`.
    pub(super) fn weight_index(
        &self,
        group: usize,
        (output, channel): (usize, usize),
        (row, column): (usize, usize),
    ) -> usize {
        let output = group * self.group_outputs() + output;
        ((output * self.group_channels() + channel) * self.kernel + row) * self.kernel + column
    }

    /// The input with its border, one group of channels.
    pub(super) fn bordered_input(&self) -> Bordered {
        let Self { height, width, pad, .. } = *self;
        Bordered { height, width, channels: self.group_channels(), border: pad }
    }
}

/// Images with a border of zeros, one group of their channels: `[N, H + 2b, W + 2b, C/G]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bordered {
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) channels: usize,
    pub(super) border: usize,
}

impl Bordered {
    /// Values from one row to the next.
    pub(super) fn pitch(&self) -> usize {
        (self.width + 2 * self.border) * self.channels
    }

    /// Values of one image.
    pub(super) fn values(&self) -> usize {
        (self.height + 2 * self.border) * self.pitch()
    }

    /// Copies the channels from `first` on of whole images, `[N, H, W, all]`, inside the
    /// border; what is on the border stays.
    #[inline(always)]
    pub(super) fn fill(&self, images: &[f32], all: usize, first: usize, to: &mut [f32]) {
        let Self { height, width, channels, border } = *self;
        let pitch = self.pitch();
        let images = images.chunks_exact(height * width * all).zip(to.chunks_exact_mut(self.values()));
        for (image, to) in images {
            for (y, row) in image.chunks_exact(width * all).enumerate() {
                let to = &mut to[(y + border) * pitch + border * channels..][..width * channels];
                if channels == all {
                    to.copy_from_slice(row);
                    continue;
                }
                for (to, from) in to.chunks_exact_mut(channels).zip(row.chunks_exact(all)) {
                    to.copy_from_slice(&from[first..first + channels]);
                }
            }
        }
    }
}

/// How many images one piece of work takes: some, where one has few positions and would leave
/// a tile half empty at its end, but not more than stay in a core's second-level cache, and not
/// so many that threads have nothing to do. No result depends on it.
pub(super) fn images_at_a_time(values_per_image: usize, positions: usize, batch: usize) -> usize {
    /// With a panel of weights, half of a small second-level cache.
    const VALUES: usize = 32 * 1024;
    /// Tiles have up to 8 rows.
    const POSITIONS: usize = 256;
    let pieces = 2 * rayon::current_num_threads();
    let enough = POSITIONS.div_ceil(positions.max(1));
    enough.min(VALUES / values_per_image.max(1)).min(batch.div_ceil(pieces)).max(1)
}
