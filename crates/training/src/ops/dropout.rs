//! Dropout: `y = x / (1 − p)` where a unit is kept, 0 where it is silenced.
//!
//! Whether element `i` of `[N, units]` is kept depends on the stream of (job, layer,
//! iteration) and on `i` alone, so a resumed training silences the same units. The gradient
//! is the same operation on the gradient. (Srivastava et al. 2014; scaled in training, so
//! that tests need nothing.)

use candle_core::{CpuStorage, InplaceOp1, Layout, Result, Tensor};
use selffer_core::stream::Stream;

use super::{for_each_piece, values_mut};

/// Dropout of one layer in one iteration.
#[derive(Clone, Copy)]
pub struct Dropout {
    stream: Stream,
    /// Elements whose 32 bits are below this are silenced.
    threshold: u32,
    scale: f32,
}

impl Dropout {
    /// `share`: of units that are silenced, in `0..1`.
    #[must_use]
    pub fn new(stream: Stream, share: f64) -> Self {
        // Exact: a double holds 2^32 · share to 21 bits behind the point.
        let threshold = (share * 4_294_967_296.0) as u32;
        Self { stream, threshold, scale: (1.0 / (1.0 - share)) as f32 }
    }

    /// Applies it to an activation or to its gradient.
    ///
    /// # Errors
    /// When the tensor is not contiguous f32.
    pub fn apply_in_place(&self, x: &Tensor) -> Result<()> {
        x.inplace_op1(self)
    }

    fn factor(&self, bits: u32) -> f32 {
        if bits < self.threshold { 0.0 } else { self.scale }
    }
}

impl InplaceOp1 for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        // Pieces start at multiples of 4, the elements of one block of the stream.
        for_each_piece(values_mut(storage, layout)?, |start, piece| {
            for (block, values) in piece.chunks_mut(4).enumerate() {
                let bits = self.stream.block((start / 4 + block) as u64);
                for (value, bits) in values.iter_mut().zip(bits) {
                    *value *= self.factor(bits);
                }
            }
        });
        Ok(())
    }
}
