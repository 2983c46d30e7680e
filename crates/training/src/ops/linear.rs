//! Fully connected: `y = x · Wᵀ + b`. N = batch, I = inputs, O = outputs.
//!
//! Products are cut into blocks of outputs or inputs, each computed by one thread. The
//! weights, which are many, are read once and where they lie; images and gradients are packed.

use candle_core::{
    CpuStorage, CustomOp2, CustomOp3, InplaceOp2, InplaceOp3, Layout, Result, Shape, Tensor, bail,
};
use rayon::prelude::*;

use super::{
    Activation,
    lanes::{lane_images, sum_in_order},
    panels::{Panels, pack_terms},
    scratch::lend_zeros,
    tile::{Finish, Left, Out, PANEL, Right, Start, Sums, sum_products},
    values, values_mut,
};

/// Forward: outputs that one thread computes at a time, and terms whose sum is taken by
/// itself; a block's weights stay in a second-level cache.
const OUTPUTS: usize = 64;
const TERMS: usize = 256;
/// Gradient of the inputs: how many one thread computes at a time, and terms of a sum; long
/// rows, because the weights are read row by row.
const INPUTS: usize = 512;
const INPUT_TERMS: usize = 64;
/// Gradient of the weights: rows that are written at a time, few enough for the processor to
/// follow each.
const ROWS: usize = 24;

/// `y`, `[N, O]`, from `x` `[N, I]`, `weight` `[O, I]` and `bias` `[O]`.
///
/// # Errors
/// When shapes do not belong together, or a tensor is not contiguous f32.
pub fn forward(x: &Tensor, weight: &Tensor, bias: &Tensor, activation: Activation) -> Result<Tensor> {
    x.apply_op3_no_bwd(weight, bias, &Forward(activation))
}

/// The gradient of `x`, `[N, I]`, given that of `y`, `[N, O]`.
///
/// # Errors
/// As [`forward`].
pub fn gradient_input(gradient: &Tensor, weight: &Tensor) -> Result<Tensor> {
    gradient.apply_op2_no_bwd(weight, &GradientInput)
}

/// Replaces `into`, `[O, I]`, by the gradient of the weight.
///
/// # Errors
/// As [`forward`].
pub fn gradient_weight(into: &Tensor, gradient: &Tensor, x: &Tensor) -> Result<()> {
    into.inplace_op3(gradient, x, &GradientWeight)
}

/// Replaces `into`, `[O]`, by the gradient of the bias: the sum over all but the last
/// dimension, in order.
///
/// # Errors
/// As [`forward`].
pub fn gradient_bias(into: &Tensor, gradient: &Tensor) -> Result<()> {
    into.inplace_op2(gradient, &GradientBias)
}

/// `[rows, columns]` as `[columns, rows]`.
fn transposed(values: &[f32], columns: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(values.len());
    for column in 0..columns {
        out.extend(values[column..].iter().step_by(columns));
    }
    out
}

fn same(what: &str, left: usize, right: usize) -> Result<()> {
    if left == right {
        return Ok(());
    }
    bail!("{what} differ: {left} and {right}")
}

struct Forward(Activation);

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
        let images = Panels::of_columns(x, inputs);
        // Transposed, so that a block of outputs is one piece of memory.
        let mut y = vec![0.0; outputs * batch];
        y.par_chunks_mut((OUTPUTS * batch).max(1)).enumerate().for_each(|(index, y)| {
            let rows: Vec<_> =
                (index * OUTPUTS..outputs).take(OUTPUTS).map(|output| output * inputs).collect();
            let results: Vec<_> = (0..rows.len()).map(|row| row * batch).collect();
            for first in (0..inputs).step_by(TERMS) {
                let run_terms = TERMS.min(inputs - first);
                let left = Left { values: weight, rows: &rows, runs: &[first], run_terms, step: 1 };
                let sums = Sums::added(left, images.right_from(first));
                sum_products(sums, &mut Out { values: y, rows: &results, columns: batch });
            }
        });
        let mut y = transposed(&y, batch);
        y.chunks_exact_mut(outputs).for_each(|y| self.0.apply(y, bias));
        Ok((CpuStorage::F32(y), Shape::from((batch, outputs))))
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
        let rows: Vec<_> = (0..batch).map(|image| image * outputs).collect();
        // By blocks of inputs, `[blocks, N, 512]`, so that each is one piece of memory.
        let mut blocks = vec![0.0; inputs.div_ceil(INPUTS) * batch * INPUTS];
        blocks.par_chunks_mut((batch * INPUTS).max(1)).enumerate().for_each(|(index, dx)| {
            let (first, columns) = (index * INPUTS, INPUTS.min(inputs - index * INPUTS));
            let results: Vec<_> = (0..batch).map(|image| image * INPUTS).collect();
            lend_zeros(INPUT_TERMS * INPUTS, |panels| {
                for term in (0..outputs).step_by(INPUT_TERMS) {
                    let run_terms = INPUT_TERMS.min(outputs - term);
                    for (panel, to) in panels.chunks_exact_mut(INPUT_TERMS * PANEL).enumerate() {
                        let place = panel * PANEL;
                        if place < columns {
                            let from = &weight[term * inputs + first + place..];
                            pack_terms(from, inputs, columns - place, &mut to[..run_terms * PANEL]);
                        }
                    }
                    let left = Left { values: dy, rows: &rows, runs: &[term], run_terms, step: 1 };
                    let right = Right { values: panels, panel_step: INPUT_TERMS * PANEL };
                    sum_products(Sums::added(left, right), &mut Out { values: dx, rows: &results, columns });
                }
            });
        });
        let mut dx = vec![0.0; batch * inputs];
        dx.par_chunks_mut(inputs.max(1)).enumerate().for_each(|(image, dx)| {
            for (block, dx) in dx.chunks_mut(INPUTS).enumerate() {
                dx.copy_from_slice(&blocks[(block * batch + image) * INPUTS..][..dx.len()]);
            }
        });
        Ok((CpuStorage::F32(dx), Shape::from((batch, inputs))))
    }
}

struct GradientWeight;

impl InplaceOp3 for GradientWeight {
    fn name(&self) -> &'static str {
        "linear-backward-weight"
    }

    fn cpu_fwd(
        &self,
        s1: &mut CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
        s3: &CpuStorage,
        l3: &Layout,
    ) -> Result<()> {
        let (dw, dy, x) = (values_mut(s1, l1)?, values(s2, l2)?, values(s3, l3)?);
        let ((batch, outputs), (images, inputs)) = (l2.shape().dims2()?, l3.shape().dims2()?);
        same("images", batch, images)?;
        same("weights", dw.len(), outputs * inputs)?;
        let (gradient, images) = (transposed(dy, outputs), Panels::of_terms(x, inputs));
        dw.par_chunks_mut((ROWS * inputs).max(1)).enumerate().for_each(|(index, dw)| {
            let rows: Vec<_> = (index * ROWS..outputs).take(ROWS).map(|output| output * batch).collect();
            let results: Vec<_> = (0..rows.len()).map(|row| row * inputs).collect();
            let left = Left { values: &gradient, rows: &rows, runs: &[0], run_terms: batch, step: 1 };
            let sums = Sums { left, right: images.right(), start: Start::Zero, finish: Finish::Plain };
            sum_products(sums, &mut Out { values: dw, rows: &results, columns: inputs });
        });
        Ok(())
    }
}

struct GradientBias;

impl InplaceOp2 for GradientBias {
    fn name(&self) -> &'static str {
        "bias-backward"
    }

    fn cpu_fwd(&self, s1: &mut CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<()> {
        let (db, dy) = (values_mut(s1, l1)?, values(s2, l2)?);
        same("outputs", db.len(), l2.shape().dim(candle_core::D::Minus1)?)?;
        let batch = l2.shape().dims()[0];
        let values_of_lane = lane_images(batch) * (dy.len() / batch.max(1));
        let sums = dy.par_chunks(values_of_lane.max(1)).map(|lane| sum_rows(lane, db.len())).collect();
        db.copy_from_slice(&sum_in_order(sums));
        Ok(())
    }
}

fn sum_rows(rows: &[f32], width: usize) -> Vec<f32> {
    let mut sums = vec![0.0; width];
    super::simd::wide(|| {
        for row in rows.chunks_exact(width) {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += value;
            }
        }
    });
    sums
}
