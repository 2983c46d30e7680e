//! Convolution (cross-correlation) with groups, stride and zero padding.
//!
//! `y[n, p, o] = b[o] + Σ w[o, c, i, j] · x[n, p·stride + (i, j) − pad, c]` over the channels
//! `c` of `o`'s group. N = batch, H, W = pixels, C = channels, O = outputs, G = groups,
//! K = side of the kernel. Images are `[N, H, W, C]`, weights `[O, C/G, K, K]`.
//!
//! All three passes are sums of products over bordered images (see [`super::tile`]); no
//! matrix of patches is made.

mod forward;
mod geometry;
mod gradient_input;
mod gradient_weight;

use candle_core::{CpuStorage, CustomOp2, CustomOp3, InplaceOp3, Layout, Result, Shape, Tensor, bail};

use self::geometry::Geometry;
use super::{Activation, values, values_mut};

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
    pub fn forward(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        activation: Activation,
    ) -> Result<Tensor> {
        x.apply_op3_no_bwd(weight, bias, &Forward { conv: *self, activation })
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

    /// Replaces `into`, `[O, C/G, K, K]`, by the gradient of the weights, given that of `y`.
    ///
    /// # Errors
    /// As [`Conv2d::forward`].
    pub fn gradient_weight(&self, into: &Tensor, gradient: &Tensor, x: &Tensor) -> Result<()> {
        into.inplace_op3(gradient, x, &GradientWeight(*self))
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

struct Forward {
    conv: Conv2d,
    activation: Activation,
}

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
        let geometry = self.conv.geometry((height, width, channels), bias.len())?;
        check_weight(geometry, l2)?;
        let y = forward::convolve(geometry, x, (weight, bias), self.activation.finish());
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

fn check_gradient(geometry: Geometry, batch: usize, dy: &[f32]) -> Result<()> {
    if dy.len() == batch * geometry.output_values() {
        return Ok(());
    }
    bail!("gradient has {} values, expected {batch} × {}", dy.len(), geometry.output_values())
}

struct GradientWeight(Conv2d);

impl InplaceOp3 for GradientWeight {
    fn name(&self) -> &'static str {
        "conv2d-backward-weight"
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
        let (batch, height, width, channels) = l3.shape().dims4()?;
        let geometry = self.0.geometry((height, width, channels), l2.shape().dims4()?.3)?;
        check_weight(geometry, l1)?;
        check_gradient(geometry, batch, dy)?;
        gradient_weight::correlate(geometry, dy, x, dw);
        Ok(())
    }
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
        let dx = gradient_input::spread(geometry, dy, weight);
        Ok((CpuStorage::F32(dx), Shape::from((batch, self.height, self.width, channels))))
    }
}
