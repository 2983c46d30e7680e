//! Maximum over square windows without padding; windows may overlap.
//!
//! The last, incomplete window is left out. The gradient goes to the first maximum of each
//! window in row order, as in Caffe and PyTorch. Tensors are `[N, H, W, C]`.

use candle_core::{CpuStorage, CustomOp1, CustomOp3, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use super::{simd::wide, values};

/// Channels that are treated together: two vectors of 8 or one of 16.
const CHANNELS: usize = 16;

/// The parameters of a pooling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxPool {
    /// Side of the window.
    pub kernel: usize,
    /// Step between windows.
    pub stride: usize,
}

impl MaxPool {
    /// The maxima of `x`, `[N, H, W, C]`.
    ///
    /// # Errors
    /// When the window does not fit, or the tensor is not contiguous f32.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.apply_op1_no_bwd(&Forward(*self))
    }

    /// The gradient of `x`, given the result `y` and its gradient.
    ///
    /// # Errors
    /// When the shapes do not belong together, or a tensor is not contiguous f32.
    pub fn gradient(&self, x: &Tensor, y: &Tensor, gradient: &Tensor) -> Result<Tensor> {
        x.apply_op3_no_bwd(y, gradient, &Gradient(*self))
    }

    fn grid(&self, shape: &Shape) -> Result<Grid> {
        let (_, height, width, channels) = shape.dims4()?;
        let Self { kernel, stride } = *self;
        if kernel == 0 || stride == 0 || kernel > height.min(width) {
            bail!("a window of {kernel} does not fit {height}×{width}");
        }
        let (rows, columns) = ((height - kernel) / stride + 1, (width - kernel) / stride + 1);
        Ok(Grid { pool: *self, height, width, channels, rows, columns })
    }
}

/// Where the windows of one image lie.
#[derive(Clone, Copy)]
struct Grid {
    pool: MaxPool,
    height: usize,
    width: usize,
    channels: usize,
    /// Windows from top to bottom.
    rows: usize,
    /// Windows from left to right.
    columns: usize,
}

impl Grid {
    fn input_values(&self) -> usize {
        self.height * self.width * self.channels
    }

    fn output_values(&self) -> usize {
        self.rows * self.columns * self.channels
    }

    /// Index of the first value of each position in the window at (row, column), in row order.
    #[inline(always)]
    fn window(self, row: usize, column: usize) -> impl Iterator<Item = usize> {
        let MaxPool { kernel, stride } = self.pool;
        let corner = row * stride * self.width + column * stride;
        (0..kernel)
            .flat_map(move |y| (0..kernel).map(move |x| corner + y * self.width + x))
            .map(move |position| position * self.channels)
    }
}

struct Forward(MaxPool);

impl CustomOp1 for Forward {
    fn name(&self) -> &'static str {
        "max-pool"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = values(storage, layout)?;
        let grid = self.0.grid(layout.shape())?;
        let batch = layout.shape().dims()[0];
        let mut y = vec![0.0; batch * grid.output_values()];
        let images = y.par_chunks_mut(grid.output_values()).zip(x.par_chunks(grid.input_values()));
        images.for_each(|(y, x)| wide(|| take_maxima(grid, x, y)));
        Ok((CpuStorage::F32(y), Shape::from((batch, grid.rows, grid.columns, grid.channels))))
    }
}

/// Pools one image.
#[inline(always)]
fn take_maxima(grid: Grid, x: &[f32], y: &mut [f32]) {
    for row in 0..grid.rows {
        for column in 0..grid.columns {
            let start = (row * grid.columns + column) * grid.channels;
            let y = &mut y[start..start + grid.channels];
            let whole = grid.channels / CHANNELS * CHANNELS;
            for first in (0..whole).step_by(CHANNELS) {
                let mut maxima = [f32::NEG_INFINITY; CHANNELS];
                for position in grid.window(row, column) {
                    for (maximum, x) in maxima.iter_mut().zip(lanes(x, position + first)) {
                        *maximum = larger(*maximum, x);
                    }
                }
                y[first..first + CHANNELS].copy_from_slice(&maxima);
            }
            for channel in whole..grid.channels {
                let values = grid.window(row, column).map(|position| x[position + channel]);
                y[channel] = values.fold(f32::NEG_INFINITY, larger);
            }
        }
    }
}

/// The values of `CHANNELS` neighbouring channels, in registers.
#[inline(always)]
fn lanes(values: &[f32], first: usize) -> [f32; CHANNELS] {
    let mut lanes = [0.0; CHANNELS];
    lanes.copy_from_slice(&values[first..][..CHANNELS]);
    lanes
}

#[inline(always)]
fn larger(maximum: f32, x: f32) -> f32 {
    // Nothing is greater than not-a-number, so the first one stays, as in PyTorch.
    if x > maximum || x.is_nan() { x } else { maximum }
}

struct Gradient(MaxPool);

impl CustomOp3 for Gradient {
    fn name(&self) -> &'static str {
        "max-pool-backward"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
        s3: &CpuStorage,
        l3: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, y, dy) = (values(s1, l1)?, values(s2, l2)?, values(s3, l3)?);
        let grid = self.0.grid(l1.shape())?;
        let mut dx = vec![0.0; x.len()];
        let outputs = y.par_chunks(grid.output_values()).zip(dy.par_chunks(grid.output_values()));
        let images = dx.par_chunks_mut(grid.input_values()).zip(x.par_chunks(grid.input_values()));
        images.zip(outputs).for_each(|((dx, x), outputs)| wide(|| hand_back(grid, outputs, x, dx)));
        Ok((CpuStorage::F32(dx), l1.shape().clone()))
    }
}

/// Adds each window's gradient to the first position that holds its maximum, for one image.
#[inline(always)]
fn hand_back(grid: Grid, (y, dy): (&[f32], &[f32]), x: &[f32], dx: &mut [f32]) {
    for row in 0..grid.rows {
        for column in 0..grid.columns {
            let start = (row * grid.columns + column) * grid.channels;
            let whole = grid.channels / CHANNELS * CHANNELS;
            for first in (0..whole).step_by(CHANNELS) {
                let y = lanes(y, start + first);
                // What is left of the gradient: all until the maximum is met, then 0.
                let mut left = lanes(dy, start + first);
                for position in grid.window(row, column) {
                    let (x, mut sums) = (lanes(x, position + first), lanes(dx, position + first));
                    let mut given = [0.0; CHANNELS];
                    for channel in 0..CHANNELS {
                        given[channel] = if x[channel] == y[channel] { left[channel] } else { 0.0 };
                    }
                    for channel in 0..CHANNELS {
                        left[channel] -= given[channel];
                        sums[channel] += given[channel];
                    }
                    dx[position + first..][..CHANNELS].copy_from_slice(&sums);
                }
            }
            for channel in whole..grid.channels {
                let output = start + channel;
                let is_maximum = |&position: &usize| x[position + channel] == y[output];
                if let Some(position) = grid.window(row, column).find(is_maximum) {
                    dx[position + channel] += dy[output];
                }
            }
        }
    }
}
