//! Convolution (cross-correlation) with groups, stride and zero padding, as a product.
//!
//! `y[n, p, o] = b[o] + Σ w[o, c, i, j] · x[n, p·stride + (i, j) − pad, c]` over the channels
//! `c` of `o`'s group. N = batch, H, W = pixels, C = channels, O = outputs, G = groups,
//! K = side of the kernel. Images are `[N, H, W, C]`, weights `[O, C/G, K, K]`.
//!
//! The gradients are those of the same product: of the weights, patches times gradient;
//! of the input, gradient times weights, added back where the patches came from.

mod weights;

use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use self::weights::{for_each_weight, rows_by_input, rows_by_output};
use super::{
    lanes::{lane_images, sum_in_order},
    matrix::{Matrix, MatrixMut, Product, multiply},
    patches::{Geometry, Patches},
    values,
    vectors::wide,
};

/// The parameters of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv2d {
    /// Side of the kernel.
    pub kernel: usize,
    /// Step between positions.
    pub stride: usize,
    /// Zeros added on every side.
    pub pad: usize,
    /// Groups that see only their share of the channels.
    pub groups: usize,
}

impl Conv2d {
    /// `y`, `[N, H', W', O]`, from `x`, `[N, H, W, C]`, and the bias `[O]`.
    ///
    /// # Errors
    /// When shapes do not belong together, or a tensor is not contiguous f32.
    pub fn forward(&self, x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
        x.apply_op3_no_bwd(weight, bias, &Forward(*self))
    }

    /// The gradient of an input of `height` × `width` pixels, given that of `y`.
    ///
    /// # Errors
    /// As [`Conv2d::forward`].
    pub fn gradient_input(
        &self,
        gradient: &Tensor,
        weight: &Tensor,
        (height, width): (usize, usize),
    ) -> Result<Tensor> {
        gradient.apply_op2_no_bwd(weight, &GradientInput { conv: *self, height, width })
    }

    /// The gradient of the weights, `[O, C/G, K, K]`, given that of `y`.
    ///
    /// # Errors
    /// As [`Conv2d::forward`].
    pub fn gradient_weight(&self, gradient: &Tensor, x: &Tensor) -> Result<Tensor> {
        gradient.apply_op2_no_bwd(x, &GradientWeight(*self))
    }

    /// Shapes for images of (height, width, channels), checked.
    fn geometry(&self, (height, width, channels): (usize, usize, usize), outputs: usize) -> Result<Geometry> {
        let Self { kernel, stride, pad, groups } = *self;
        if kernel == 0 || stride == 0 || kernel > height.min(width) + 2 * pad {
            bail!("a kernel of {kernel} with stride {stride}, pad {pad} does not fit {height}×{width}");
        }
        if groups == 0 || !channels.is_multiple_of(groups) || !outputs.is_multiple_of(groups) {
            bail!("{groups} groups do not divide {channels} channels and {outputs} outputs");
        }
        Ok(Geometry { height, width, channels, outputs, kernel, stride, pad, groups })
    }
}

struct Forward(Conv2d);

impl CustomOp3 for Forward {
    fn name(&self) -> &'static str {
        "conv2d"
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
        let (x, weight, bias) = (values(s1, l1)?, values(s2, l2)?, values(s3, l3)?);
        let (batch, height, width, channels) = l1.shape().dims4()?;
        let geometry = self.0.geometry((height, width, channels), bias.len())?;
        check_weight(geometry, l2)?;
        let weights: Vec<_> = (0..geometry.groups).map(|g| rows_by_input(geometry, weight, g)).collect();
        let mut y = vec![0.0; batch * geometry.output_values()];
        let lane = lane_images(batch);
        let lanes = y
            .par_chunks_mut(lane * geometry.output_values())
            .zip(x.par_chunks(lane * geometry.input_values()));
        lanes.for_each(|(y, x)| convolve(geometry, &weights, x, y, bias));
        let shape = (batch, geometry.out_height(), geometry.out_width(), geometry.outputs);
        Ok((CpuStorage::F32(y), Shape::from(shape)))
    }
}

fn check_weight(geometry: Geometry, layout: &Layout) -> Result<()> {
    let Geometry { outputs, kernel, .. } = geometry;
    let expected = [outputs, geometry.group_channels(), kernel, kernel];
    if layout.shape().dims() == expected {
        return Ok(());
    }
    bail!("weights are {:?}, expected {expected:?}", layout.shape())
}

/// Convolves the images of one lane.
fn convolve(geometry: Geometry, weights: &[Vec<f32>], x: &[f32], y: &mut [f32], bias: &[f32]) {
    let images = geometry.images_per_product();
    Patches::lend(geometry, |patches| {
        let products =
            y.chunks_mut(images * geometry.output_values()).zip(x.chunks(images * geometry.input_values()));
        for (y, x) in products {
            for (group, weight) in weights.iter().enumerate() {
                patches.gather(x, group);
                multiply(
                    Product {
                        rows: geometry.group_outputs(),
                        columns: y.len() / geometry.outputs,
                        depth: geometry.fan_in(),
                        adds: false,
                    },
                    &mut MatrixMut {
                        values: &mut y[group * geometry.group_outputs()..],
                        row_stride: 1,
                        column_stride: geometry.outputs,
                    },
                    Matrix { values: weight, row_stride: 1, column_stride: geometry.group_outputs() },
                    Matrix { values: patches.rows(), row_stride: 1, column_stride: geometry.pitch() },
                );
            }
            wide(|| add_bias(y, bias));
        }
    });
}

#[inline(always)]
fn add_bias(y: &mut [f32], bias: &[f32]) {
    for position in y.chunks_exact_mut(bias.len()) {
        for (y, bias) in position.iter_mut().zip(bias) {
            *y += bias;
        }
    }
}

struct GradientWeight(Conv2d);

impl CustomOp2 for GradientWeight {
    fn name(&self) -> &'static str {
        "conv2d-backward-weight"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (dy, x) = (values(s1, l1)?, values(s2, l2)?);
        let (batch, height, width, channels) = l2.shape().dims4()?;
        let geometry = self.0.geometry((height, width, channels), l1.shape().dims4()?.3)?;
        check_gradient(geometry, batch, dy)?;
        let lane = lane_images(batch);
        let parts = dy
            .par_chunks(lane * geometry.output_values())
            .zip(x.par_chunks(lane * geometry.input_values()))
            .map(|(dy, x)| correlate(geometry, dy, x))
            .collect();
        let sums = sum_in_order(parts);
        let matrix_values = geometry.pitch() * geometry.group_outputs();
        let mut dw = vec![0.0; geometry.outputs * geometry.fan_in()];
        for (group, sums) in sums.chunks(matrix_values).enumerate() {
            for_each_weight(geometry, group, |output, input, index| {
                dw[index] = sums[output * geometry.pitch() + input];
            });
        }
        let Geometry { outputs, kernel, .. } = geometry;
        Ok((CpuStorage::F32(dw), Shape::from((outputs, geometry.group_channels(), kernel, kernel))))
    }
}

fn check_gradient(geometry: Geometry, batch: usize, dy: &[f32]) -> Result<()> {
    if dy.len() == batch * geometry.output_values() {
        return Ok(());
    }
    bail!("gradient has {} values, expected {batch} × {}", dy.len(), geometry.output_values())
}

/// One lane's part of the weights' gradient: for each group `[outputs, pitch]`, of which
/// the first fan-in values of a row count.
fn correlate(geometry: Geometry, dy: &[f32], x: &[f32]) -> Vec<f32> {
    let images = geometry.images_per_product();
    let matrix_values = geometry.pitch() * geometry.group_outputs();
    let mut sums = vec![0.0; geometry.groups * matrix_values];
    Patches::lend(geometry, |patches| {
        let products =
            dy.chunks(images * geometry.output_values()).zip(x.chunks(images * geometry.input_values()));
        for (dy, x) in products {
            for (group, sums) in sums.chunks_mut(matrix_values).enumerate() {
                patches.gather(x, group);
                multiply(
                    Product {
                        rows: geometry.pitch(),
                        columns: geometry.group_outputs(),
                        depth: dy.len() / geometry.outputs,
                        adds: true,
                    },
                    &mut MatrixMut { values: sums, row_stride: 1, column_stride: geometry.pitch() },
                    Matrix { values: patches.rows(), row_stride: 1, column_stride: geometry.pitch() },
                    Matrix {
                        values: &dy[group * geometry.group_outputs()..],
                        row_stride: geometry.outputs,
                        column_stride: 1,
                    },
                );
            }
        }
    });
    sums
}

struct GradientInput {
    conv: Conv2d,
    height: usize,
    width: usize,
}

impl CustomOp2 for GradientInput {
    fn name(&self) -> &'static str {
        "conv2d-backward-input"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (dy, weight) = (values(s1, l1)?, values(s2, l2)?);
        let batch = l1.shape().dims4()?.0;
        let (outputs, group_channels, _, _) = l2.shape().dims4()?;
        let channels = group_channels * self.conv.groups;
        let geometry = self.conv.geometry((self.height, self.width, channels), outputs)?;
        check_weight(geometry, l2)?;
        check_gradient(geometry, batch, dy)?;
        let weights: Vec<_> = (0..geometry.groups).map(|g| rows_by_output(geometry, weight, g)).collect();
        let mut dx = vec![0.0; batch * geometry.input_values()];
        let lane = lane_images(batch);
        let lanes = dx
            .par_chunks_mut(lane * geometry.input_values())
            .zip(dy.par_chunks(lane * geometry.output_values()));
        lanes.for_each(|(dx, dy)| spread(geometry, &weights, dy, dx));
        Ok((CpuStorage::F32(dx), Shape::from((batch, self.height, self.width, channels))))
    }
}

/// The gradient of the images of one lane.
fn spread(geometry: Geometry, weights: &[Vec<f32>], dy: &[f32], dx: &mut [f32]) {
    let images = geometry.images_per_product();
    Patches::lend(geometry, |patches| {
        let products =
            dx.chunks_mut(images * geometry.input_values()).zip(dy.chunks(images * geometry.output_values()));
        for (dx, dy) in products {
            for (group, weight) in weights.iter().enumerate() {
                multiply(
                    Product {
                        rows: geometry.fan_in(),
                        columns: dy.len() / geometry.outputs,
                        depth: geometry.group_outputs(),
                        adds: false,
                    },
                    &mut MatrixMut {
                        values: patches.rows_mut(),
                        row_stride: 1,
                        column_stride: geometry.pitch(),
                    },
                    Matrix { values: weight, row_stride: 1, column_stride: geometry.fan_in() },
                    Matrix {
                        values: &dy[group * geometry.group_outputs()..],
                        row_stride: 1,
                        column_stride: geometry.outputs,
                    },
                );
                patches.scatter(dx, group);
            }
        }
    });
}
