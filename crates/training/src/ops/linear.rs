//! Fully connected: `y = x · Wᵀ + b`. N = batch, I = inputs, O = outputs.
//!
//! Products are cut into blocks of outputs or inputs, each computed by one thread.

use candle_core::{CpuStorage, CustomOp1, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use super::{
    matrix::{Matrix, MatrixMut, Product, multiply},
    values,
};

/// Outputs (or inputs) that one thread computes at a time.
const BLOCK: usize = 128;

/// `y`, `[N, O]`, from `x` `[N, I]`, `weight` `[O, I]` and `bias` `[O]`.
///
/// # Errors
/// When shapes do not belong together, or a tensor is not contiguous f32.
pub fn forward(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    x.apply_op3_no_bwd(weight, bias, &Forward)
}

/// The gradient of `x`, `[N, I]`, given that of `y`, `[N, O]`.
///
/// # Errors
/// As [`forward`].
pub fn gradient_input(gradient: &Tensor, weight: &Tensor) -> Result<Tensor> {
    gradient.apply_op2_no_bwd(weight, &GradientInput)
}

/// The gradient of the weight, `[O, I]`.
///
/// # Errors
/// As [`forward`].
pub fn gradient_weight(gradient: &Tensor, x: &Tensor) -> Result<Tensor> {
    gradient.apply_op2_no_bwd(x, &GradientWeight)
}

/// The gradient of the bias, `[O]`: the sum over all but the last dimension, in order.
///
/// # Errors
/// When the tensor is not contiguous f32.
pub fn gradient_bias(gradient: &Tensor) -> Result<Tensor> {
    gradient.apply_op1_no_bwd(&GradientBias)
}

/// Computes `left · right` in blocks of rows, and returns it transposed or not.
fn product(rows: usize, columns: usize, block: impl Fn(usize, usize, &mut [f32]) + Sync) -> Vec<f32> {
    let mut out = vec![0.0; rows * columns];
    out.par_chunks_mut(BLOCK * columns.max(1)).enumerate().for_each(|(index, out)| {
        block(index * BLOCK, out.len() / columns, out);
    });
    out
}

fn transposed(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(values.len());
    for column in 0..columns {
        out.extend((0..rows).map(|row| values[row * columns + column]));
    }
    out
}

fn same(what: &str, left: usize, right: usize) -> Result<()> {
    if left == right {
        return Ok(());
    }
    bail!("{what} differ: {left} and {right}")
}

struct Forward;

impl CustomOp3 for Forward {
    fn name(&self) -> &'static str {
        "linear"
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
        let ((batch, inputs), (outputs, width)) = (l1.shape().dims2()?, l2.shape().dims2()?);
        same("inputs", inputs, width)?;
        same("outputs", outputs, bias.len())?;
        // Transposed, so that a block of outputs is one piece of memory.
        let y = product(outputs, batch, |start, rows, out| {
            multiply(
                Product { rows, columns: batch, depth: inputs, adds: false },
                &mut MatrixMut { values: out, row_stride: batch, column_stride: 1 },
                Matrix { values: &weight[start * inputs..], row_stride: inputs, column_stride: 1 },
                Matrix { values: x, row_stride: 1, column_stride: inputs },
            );
            for (row, bias) in out.chunks_mut(batch).zip(&bias[start..]) {
                row.iter_mut().for_each(|y| *y += bias);
            }
        });
        Ok((CpuStorage::F32(transposed(&y, outputs, batch)), Shape::from((batch, outputs))))
    }
}

struct GradientInput;

impl CustomOp2 for GradientInput {
    fn name(&self) -> &'static str {
        "linear-backward-input"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (dy, weight) = (values(s1, l1)?, values(s2, l2)?);
        let ((batch, outputs), (height, inputs)) = (l1.shape().dims2()?, l2.shape().dims2()?);
        same("outputs", outputs, height)?;
        let dx = product(inputs, batch, |start, rows, out| {
            multiply(
                Product { rows, columns: batch, depth: outputs, adds: false },
                &mut MatrixMut { values: out, row_stride: batch, column_stride: 1 },
                Matrix { values: &weight[start..], row_stride: 1, column_stride: inputs },
                Matrix { values: dy, row_stride: 1, column_stride: outputs },
            );
        });
        Ok((CpuStorage::F32(transposed(&dx, inputs, batch)), Shape::from((batch, inputs))))
    }
}

struct GradientWeight;

impl CustomOp2 for GradientWeight {
    fn name(&self) -> &'static str {
        "linear-backward-weight"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (dy, x) = (values(s1, l1)?, values(s2, l2)?);
        let ((batch, outputs), (images, inputs)) = (l1.shape().dims2()?, l2.shape().dims2()?);
        same("images", batch, images)?;
        let dw = product(outputs, inputs, |start, rows, out| {
            multiply(
                Product { rows, columns: inputs, depth: batch, adds: false },
                &mut MatrixMut { values: out, row_stride: inputs, column_stride: 1 },
                Matrix { values: &dy[start..], row_stride: 1, column_stride: outputs },
                Matrix { values: x, row_stride: inputs, column_stride: 1 },
            );
        });
        Ok((CpuStorage::F32(dw), Shape::from((outputs, inputs))))
    }
}

struct GradientBias;

impl CustomOp1 for GradientBias {
    fn name(&self) -> &'static str {
        "bias-backward"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let dy = values(storage, layout)?;
        let outputs = layout.shape().dim(candle_core::D::Minus1)?;
        let lane = super::lanes::lane_images(layout.shape().dims()[0]);
        let values_of_lane = lane * (dy.len() / layout.shape().dims()[0].max(1));
        let sums = dy.par_chunks(values_of_lane.max(1)).map(|lane| sum_rows(lane, outputs)).collect();
        Ok((CpuStorage::F32(super::lanes::sum_in_order(sums)), Shape::from(outputs)))
    }
}

fn sum_rows(rows: &[f32], width: usize) -> Vec<f32> {
    let mut sums = vec![0.0; width];
    super::vectors::wide(|| {
        for row in rows.chunks_exact(width) {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += value;
            }
        }
    });
    sums
}
