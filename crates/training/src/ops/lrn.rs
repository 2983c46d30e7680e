//! Local response normalisation across channels (Krizhevsky et al. 2012, section 3.3).
//!
//! `y_i = x_i · s_i^−β` with `s_i = k + α/size · Σ x_j²` over the `size` channels around
//! `i`; channels beyond the ends count as 0. `α` is divided by the size, as in Caffe and
//! PyTorch. Backward: `dx_i = dy_i · s_i^−β − 2αβ/size · x_i · Σ dy_j · x_j · s_j^(−β−1)`.
//! Tensors are `[…, C]`: channels last.

use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::{simd::wide, values};

/// Positions that one thread takes at a time.
const POSITIONS: usize = 512;

/// The parameters of a normalisation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LocalResponseNorm {
    /// Channels in the sum; odd.
    pub size: usize,
    /// Weight of the sum, before the division by the size.
    pub alpha: f32,
    /// Exponent.
    pub beta: f32,
    /// Constant.
    pub k: f32,
}

impl LocalResponseNorm {
    /// Normalises `x`, `[…, C]`.
    ///
    /// # Errors
    /// When the tensor is not contiguous f32.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.apply_op1_no_bwd(&Forward(*self))
    }

    /// The gradient of `x`, given that of the result.
    ///
    /// # Errors
    /// When the tensors are not contiguous f32 of one shape.
    pub fn gradient(&self, x: &Tensor, gradient: &Tensor) -> Result<Tensor> {
        x.apply_op2_no_bwd(gradient, &Gradient(*self))
    }

    fn weight(&self) -> f32 {
        self.alpha / self.size as f32
    }

    /// `s^−β`. The usual exponent, 3/4, takes two square roots.
    #[inline(always)]
    fn power(&self, scale: f32) -> f32 {
        if self.beta == 0.75 {
            let root = scale.sqrt();
            1.0 / (root * root.sqrt())
        } else {
            libm::powf(scale, -self.beta)
        }
    }
}

/// Sums of `size` neighbours, for one position at a time.
struct Window {
    /// A channel's value, with `size / 2` zeros on both sides.
    padded: Vec<f32>,
    sums: Vec<f32>,
    size: usize,
}

impl Window {
    fn new(channels: usize, size: usize) -> Self {
        Self { padded: vec![0.0; channels + size - 1], sums: vec![0.0; channels], size }
    }

    /// Where the values of a position go.
    #[inline(always)]
    fn values(&mut self) -> &mut [f32] {
        let half = self.size / 2;
        let channels = self.sums.len();
        &mut self.padded[half..half + channels]
    }

    /// Sums over the window around each channel, lowest channel first.
    #[inline(always)]
    fn sums(&mut self) -> &[f32] {
        let channels = self.sums.len();
        self.sums.copy_from_slice(&self.padded[..channels]);
        for offset in 1..self.size {
            for (sum, value) in self.sums.iter_mut().zip(&self.padded[offset..]) {
                *sum += value;
            }
        }
        &self.sums
    }
}

struct Forward(LocalResponseNorm);

impl CustomOp1 for Forward {
    fn name(&self) -> &'static str {
        "lrn"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = values(storage, layout)?;
        let channels = layout.shape().dim(candle_core::D::Minus1)?;
        let mut y = vec![0.0; x.len()];
        let piece = POSITIONS * channels;
        y.par_chunks_mut(piece).zip(x.par_chunks(piece)).for_each(|(y, x)| {
            wide(|| normalise(self.0, x, y, channels));
        });
        Ok((CpuStorage::F32(y), layout.shape().clone()))
    }
}

#[inline(always)]
fn normalise(norm: LocalResponseNorm, x: &[f32], y: &mut [f32], channels: usize) {
    let mut window = Window::new(channels, norm.size);
    for (x, y) in x.chunks_exact(channels).zip(y.chunks_exact_mut(channels)) {
        for (square, x) in window.values().iter_mut().zip(x) {
            *square = x * x;
        }
        for ((y, x), sum) in y.iter_mut().zip(x).zip(window.sums()) {
            *y = x * norm.power(norm.k + norm.weight() * sum);
        }
    }
}

struct Gradient(LocalResponseNorm);

impl CustomOp2 for Gradient {
    fn name(&self) -> &'static str {
        "lrn-backward"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, dy) = (values(s1, l1)?, values(s2, l2)?);
        let channels = l1.shape().dim(candle_core::D::Minus1)?;
        let mut dx = vec![0.0; x.len()];
        let piece = POSITIONS * channels;
        let pieces = dx.par_chunks_mut(piece).zip(x.par_chunks(piece)).zip(dy.par_chunks(piece));
        pieces.for_each(|((dx, x), dy)| wide(|| differentiate(self.0, (x, dy), dx, channels)));
        Ok((CpuStorage::F32(dx), l1.shape().clone()))
    }
}

#[inline(always)]
fn differentiate(norm: LocalResponseNorm, (x, dy): (&[f32], &[f32]), dx: &mut [f32], channels: usize) {
    let mut squares = Window::new(channels, norm.size);
    let mut products = Window::new(channels, norm.size);
    let mut powers = vec![0.0; channels];
    let factor = 2.0 * norm.weight() * norm.beta;
    let positions = x.chunks_exact(channels).zip(dy.chunks_exact(channels));
    for ((x, dy), dx) in positions.zip(dx.chunks_exact_mut(channels)) {
        for (square, x) in squares.values().iter_mut().zip(x) {
            *square = x * x;
        }
        let terms = products.values().iter_mut().zip(&mut powers).zip(squares.sums());
        for (((product, power), sum), (x, dy)) in terms.zip(x.iter().zip(dy)) {
            let scale = norm.k + norm.weight() * sum;
            *power = norm.power(scale);
            *product = dy * x * *power / scale;
        }
        let terms = dx.iter_mut().zip(&powers).zip(products.sums());
        for (((dx, power), sum), (x, dy)) in terms.zip(x.iter().zip(dy)) {
            *dx = dy * power - factor * x * sum;
        }
    }
}
