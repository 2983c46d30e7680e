//! Rectifier: `y = max(0, x)`, and `dx = dy where y > 0`, else 0.
//!
//! The gradient at exactly 0 is 0, as in Caffe and PyTorch. Both directions work in place:
//! the input of a rectifier is needed by nobody else.

use candle_core::{CpuStorage, InplaceOp1, InplaceOp2, Layout, Result, Tensor};

use super::{for_each_piece, values, values_mut};

/// Replaces `x` by `max(0, x)`; not-a-number stays.
///
/// # Errors
/// When the tensor is not contiguous f32.
pub fn forward_in_place(x: &Tensor) -> Result<()> {
    x.inplace_op1(&Forward)
}

/// Replaces the gradient of `y` by that of `x`. `y`: the result of the forward pass, or
/// that after dropout: where that is 0, the gradient is 0 already.
///
/// # Errors
/// When the tensors are not contiguous f32 of one shape.
pub fn backward_in_place(gradient: &Tensor, y: &Tensor) -> Result<()> {
    gradient.inplace_op2(y, &Backward)
}

/// 0 where a value is 0 or less, else the value. Written so that not-a-number passes and is
/// noticed in the loss.
#[inline(always)]
pub(super) fn rectified(value: f32) -> f32 {
    if value <= 0.0 { 0.0 } else { value }
}

struct Forward;

impl InplaceOp1 for Forward {
    fn name(&self) -> &'static str {
        "relu"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        for_each_piece(values_mut(storage, layout)?, |_, piece| {
            for value in piece {
                *value = rectified(*value);
            }
        });
        Ok(())
    }
}

struct Backward;

impl InplaceOp2 for Backward {
    fn name(&self) -> &'static str {
        "relu-backward"
    }

    fn cpu_fwd(&self, s1: &mut CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<()> {
        let y = values(s2, l2)?;
        for_each_piece(values_mut(s1, l1)?, |start, piece| {
            for (gradient, &y) in piece.iter_mut().zip(&y[start..]) {
                *gradient = if y > 0.0 { *gradient } else { 0.0 };
            }
        });
        Ok(())
    }
}
