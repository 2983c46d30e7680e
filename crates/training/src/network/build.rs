//! From the description of a network to operators with sizes.

use selffer_core::{network as description, spec::JobSpec};

use crate::{
    error::TrainError,
    ops::{Activation, conv2d::Conv2d, lrn::LocalResponseNorm, max_pool::MaxPool},
};

/// One operator, ready to run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Operator {
    /// Learned.
    Convolution(Conv2d, Activation),
    /// Learned; flattens `[C, H, W]` in that order.
    Linear(Activation),
    /// A rectifier that does not follow a learned operator; see [`crate::ops::relu`].
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
        self.activation().is_some()
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Convolution(..) => "convolution",
            Self::Linear(_) => "linear",
            Self::Relu => "relu",
            Self::MaxPool(_) => "max-pool",
            Self::LocalResponseNorm(_) => "lrn",
            Self::Dropout => "dropout",
        }
    }

    /// What a learned operator does to its result.
    #[must_use]
    pub fn activation(&self) -> Option<Activation> {
        match *self {
            Self::Convolution(_, activation) | Self::Linear(activation) => Some(activation),
            _ => None,
        }
    }

    /// The operator with a rectifier at its end, where it can have one.
    fn rectified(self) -> Option<Self> {
        match self {
            Self::Convolution(conv, Activation::Identity) => {
                Some(Self::Convolution(conv, Activation::Rectifier))
            }
            Self::Linear(Activation::Identity) => Some(Self::Linear(Activation::Rectifier)),
            _ => None,
        }
    }
}

impl From<&description::Operator> for Operator {
    fn from(operator: &description::Operator) -> Self {
        match *operator {
            description::Operator::Convolution { kernel, stride, pad, groups, .. } => {
                let conv = Conv2d {
                    kernel: kernel as usize,
                    stride: stride as usize,
                    pad: pad as usize,
                    groups: groups as usize,
                };
                Self::Convolution(conv, Activation::Identity)
            }
            description::Operator::Linear { .. } => Self::Linear(Activation::Identity),
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
            let operators = fused(layer.operators.iter().map(Operator::from));
            let learned = operators.iter().filter(|operator| operator.is_learned()).count();
            if learned != 1 || !operators[0].is_learned() {
                return Err(TrainError::LearnedOperator { layer: layer.name.clone() });
            }
            Ok((layer.name.clone(), operators))
        })
        .collect()
}

/// The operators with each rectifier that follows a learned operator made part of it.
fn fused(operators: impl Iterator<Item = Operator>) -> Vec<Operator> {
    let mut fused: Vec<Operator> = Vec::new();
    for operator in operators {
        let rectified = fused.last().and_then(|last| last.rectified()).filter(|_| operator == Operator::Relu);
        match (rectified, fused.last_mut()) {
            (Some(rectified), Some(last)) => *last = rectified,
            _ => fused.push(operator),
        }
    }
    fused
}
