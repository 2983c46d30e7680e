//! The operators: what a network computes, forward and backward, on candle tensors.
//!
//! Each operator is one file: formula and shapes in its header, and one candle custom op
//! for the forward pass and for each gradient. Only gradients that somebody needs are
//! computed: the step in [`crate::network`] asks for them one by one, so nothing here hangs
//! on candle's gradient store.
//!
//! Images between operators are channels-last, `[N, H, W, C]`, f32 and contiguous, so that a
//! position's channels are one run of memory. Weights keep the usual order, `[O, C, K, K]`.
//!
//! Results do not depend on the number of threads, nor on the instruction set: a sum has its
//! terms in one order ([`tile`]), sums over a batch are cut into pieces that depend on shapes
//! alone ([`lanes`]), and functions beyond the four operations come from `libm`.

mod activation;
pub mod conv2d;
pub mod dropout;
mod lanes;
pub mod linear;
pub mod lrn;
pub mod max_pool;
mod panels;
mod peak;
pub mod relu;
mod scratch;
mod simd;
pub mod softmax_loss;
mod storage;
mod tile;

pub use activation::Activation;
pub(crate) use lanes::{for_each_pair_of_pieces, for_each_piece};
pub use peak::peak_flops_per_s;
pub(crate) use storage::{values, values_mut};

/// The instruction set that operators use on this machine, e.g. `x86-64-v3`.
#[must_use]
pub fn instruction_set() -> &'static str {
    simd::Level::best().name()
}
