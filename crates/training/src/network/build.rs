//! From the description of a network to operators with sizes.

use selffer_core::{network as description, spec::JobSpec};

use crate::{
    error::TrainError,
    ops::{conv2d::Conv2d, lrn::LocalResponseNorm, max_pool::MaxPool},
};

/// One operator, ready to run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Operator {
    /// Learned.
    Convolution(Conv2d),
    /// Learned; flattens `[C, H, W]` in that order.
    Linear,
    /// See [`crate::ops::relu`].
    Relu,
    /// See [`crate::ops::max_pool`].
    MaxPool(MaxPool),
    /// See [`crate::ops::lrn`].
    LocalResponseNorm(LocalResponseNorm),
    /// See [`crate::ops::dropout`].
    Dropout,
}

impl Operator {
    /// Whether it has parameters.
    #[must_use]
    pub fn is_learned(&self) -> bool {
        matches!(self, Self::Convolution(_) | Self::Linear)
    }
}

impl From<&description::Operator> for Operator {
    fn from(operator: &description::Operator) -> Self {
        match *operator {
            description::Operator::Convolution { kernel, stride, pad, groups, .. } => {
                Self::Convolution(Conv2d {
                    kernel: kernel as usize,
                    stride: stride as usize,
                    pad: pad as usize,
                    groups: groups as usize,
                })
            }
            description::Operator::Linear { .. } => Self::Linear,
            description::Operator::Relu => Self::Relu,
            description::Operator::MaxPool { kernel, stride } => {
                Self::MaxPool(MaxPool { kernel: kernel as usize, stride: stride as usize })
            }
            description::Operator::LocalResponseNorm { size, alpha, beta, k } => {
                Self::LocalResponseNorm(LocalResponseNorm {
                    size: size as usize,
                    alpha: alpha as f32,
                    beta: beta as f32,
                    k: k as f32,
                })
            }
            description::Operator::Dropout => Self::Dropout,
        }
    }
}

/// Each layer's name and operators.
///
/// # Errors
/// When shapes do not fit, or a layer does not begin with its one learned operator.
pub fn build_operators(spec: &JobSpec) -> Result<Vec<(String, Vec<Operator>)>, TrainError> {
    spec.network.shapes(spec.image.channels, spec.outputs())?;
    spec.network
        .layers
        .iter()
        .map(|layer| {
            let operators: Vec<Operator> = layer.operators.iter().map(Operator::from).collect();
            let learned = operators.iter().filter(|operator| operator.is_learned()).count();
            if learned != 1 || !operators[0].is_learned() {
                return Err(TrainError::LearnedOperator { layer: layer.name.clone() });
            }
            Ok((layer.name.clone(), operators))
        })
        .collect()
}
