//! What can be wrong with a network file beyond what can be wrong with any file of ours.

use crate::{
    grid::{error::Span, help::suggestion},
    limits::{LAYER_OPERATORS_MAX, NETWORK_LAYERS_MAX},
    network::ShapeError,
};

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(crate) enum NetworkProblem {
    #[error("{path}: there is no operator {given:?}")]
    UnknownOperator { path: String, given: String, known: &'static [&'static str] },
    #[error("{path}: an operator is its name, or its name with its numbers")]
    NotAnOperator { path: String },
    #[error("{path}: {operator} takes no numbers")]
    TakesNothing { path: String, operator: &'static str },
    #[error("{path}: a normalisation sums over an odd number of channels, not {given}")]
    EvenSize { path: String, given: u64 },

    #[error("{path}: a layer begins with its convolution or linear operator, not with {found}")]
    BeginsWith { path: String, found: &'static str },
    #[error("{path}: a layer has one convolution or linear operator, but this is its second")]
    SecondLearned { path: String },
    #[error("{path}: a layer has at most one dropout")]
    SecondDropout { path: String },
    #[error("{path}: a layer has at most {LAYER_OPERATORS_MAX} operators, this one has {count}")]
    TooManyOperators { path: String, count: usize },

    #[error("layers: a second layer is named {name:?}")]
    DoubledLayer { name: String, first: Span },
    #[error("layers: a network has 2 to {NETWORK_LAYERS_MAX} layers, this one has {count}")]
    LayerCount { count: usize },
    #[error("{path}: `outputs: recipe` is for the last layer alone")]
    RecipeBelow { path: String },
    #[error("{path}: the last layer is one linear operator with `outputs: recipe`")]
    LastLayer { path: String },
    #[error(transparent)]
    Shape(#[from] ShapeError),
}

impl NetworkProblem {
    /// What to do about it.
    pub(crate) fn help(&self) -> Option<String> {
        match self {
            Self::UnknownOperator { given, known, .. } => Some(suggestion(given, known.iter().copied())),
            Self::NotAnOperator { .. } => {
                Some("for example `- relu` or `- max_pool: {kernel: 3, stride: 2}`".to_owned())
            }
            Self::TakesNothing { operator, .. } => Some(format!("write `- {operator}`")),
            Self::SecondLearned { .. } => Some("begin another layer with it".to_owned()),
            Self::BeginsWith { .. } => Some("move it to the end of the layer below".to_owned()),
            Self::LastLayer { .. } => Some("`operators: [{linear: {outputs: recipe}}]`".to_owned()),
            Self::RecipeBelow { .. } => Some("state a number, for example `outputs: 256`".to_owned()),
            _ => None,
        }
    }

    /// Another place to show, with the words for it.
    pub(crate) fn related(&self) -> Option<(Span, &'static str)> {
        match self {
            Self::DoubledLayer { first, .. } => Some((*first, "first named here")),
            _ => None,
        }
    }
}
