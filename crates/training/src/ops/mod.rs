//! The operators: what a network computes, forward and backward, on candle tensors.
//!
//! Each operator is one file: formula and shapes in its header, and one candle custom op
//! for the forward pass and for each gradient. Only gradients that somebody needs are
//! computed: the step in [`crate::network`] asks for them one by one, so nothing here hangs
//! on candle's gradient store.
//!
//! Activations are channels-last, `[N, H, W, C]`, f32 and contiguous, so that a position's
//! channels are one run of memory. Weights keep the usual order, `[O, C, K, K]`.
//!
//! Results do not depend on the number of threads: work is cut into pieces that depend on
//! shapes alone ([`lanes`]), and sums over pieces are taken in order.

pub mod conv2d;
pub mod dropout;
mod lanes;
pub mod linear;
pub mod lrn;
mod matrix;
pub mod max_pool;
mod patches;
pub mod relu;
pub mod softmax_loss;
mod storage;
mod vectors;

pub(crate) use lanes::for_each_piece;
pub(crate) use storage::{values, values_mut};
