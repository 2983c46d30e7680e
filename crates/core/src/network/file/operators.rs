//! One operator of a network file: its name, and its numbers within their bounds.

use std::ops::RangeInclusive;

use super::NetworkProblem;
use crate::{
    grid::{
        error::{Problems, Span},
        reader::{self, Bounds, Fields, RealBounds},
        tree::{Node, Value},
    },
    limits::{OPERATOR_OUTPUTS_MAX, WINDOW_MAX},
    network::{LinearOutputs, Operator, Start},
};

/// What an operator is, whether or not its numbers are right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Convolution,
    Linear,
    Relu,
    MaxPool,
    LocalResponseNorm,
    Dropout,
}

const NAMES: &[&str] = &["convolution", "linear", "relu", "max_pool", "local_response_norm", "dropout"];
const KINDS: [Kind; 6] =
    [Kind::Convolution, Kind::Linear, Kind::Relu, Kind::MaxPool, Kind::LocalResponseNorm, Kind::Dropout];

/// An operator as far as it could be read.
pub(super) struct ReadOperator {
    pub(super) span: Span,
    /// None for an operator that we do not have.
    pub(super) kind: Option<Kind>,
    pub(super) operator: Option<Operator>,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        let index = KINDS.iter().position(|kind| *kind == self);
        index.and_then(|index| NAMES.get(index)).expect("every kind has a name")
    }

    pub(super) fn is_learned(self) -> bool {
        matches!(self, Self::Convolution | Self::Linear)
    }
}

/// Reads one operator: its name alone, or `name: {its numbers}`.
pub(super) fn read(node: &Node, path: &str, problems: &mut Problems) -> ReadOperator {
    let nothing = Node { span: node.span, value: Value::Map(Vec::new()) };
    let (name, numbers) = match &node.value {
        Value::Scalar { .. } => (node, &nothing),
        Value::Map(entries) if entries.len() == 1 => {
            let (name, numbers) = &entries[0];
            (name, if is_nothing(numbers) { &nothing } else { numbers })
        }
        _ => {
            problems.push(node.span, NetworkProblem::NotAnOperator { path: path.to_owned() }.into());
            return ReadOperator { span: node.span, kind: None, operator: None };
        }
    };
    let kind = kind(name, path, problems);
    let operator = kind.and_then(|kind| {
        let path = format!("{path}.{}", kind.name());
        numbers_of(kind, numbers, path, problems)
    });
    ReadOperator { span: name.span, kind, operator }
}

fn is_nothing(node: &Node) -> bool {
    matches!(&node.value, Value::Scalar { text, plain: true } if reader::is_null(text))
}

fn kind(name: &Node, path: &str, problems: &mut Problems) -> Option<Kind> {
    let given = reader::text(name, path, "the name of an operator", problems)?;
    let kind = NAMES.iter().position(|name| *name == given).and_then(|index| KINDS.get(index)).copied();
    if kind.is_none() {
        let (path, given) = (path.to_owned(), reader::shown(given));
        problems.push(name.span, NetworkProblem::UnknownOperator { path, given, known: NAMES }.into());
    }
    kind
}

fn numbers_of(kind: Kind, node: &Node, path: String, problems: &mut Problems) -> Option<Operator> {
    let keys: &'static [&'static str] = match kind {
        Kind::Convolution => &["outputs", "kernel", "stride", "pad", "groups", "weight_deviation", "bias"],
        Kind::Linear => &["outputs", "weight_deviation", "bias"],
        Kind::MaxPool => &["kernel", "stride"],
        Kind::LocalResponseNorm => &["size", "alpha", "beta", "k"],
        Kind::Relu | Kind::Dropout => return without_numbers(kind, node, path, problems),
    };
    let fields = reader::mapping(node, &path, keys, &[], problems)?;
    let mut numbers = Numbers { fields, path, problems };
    match kind {
        Kind::Convolution => numbers.convolution(),
        Kind::Linear => numbers.linear(),
        Kind::MaxPool => numbers.max_pool(),
        _ => numbers.local_response_norm(),
    }
}

fn without_numbers(kind: Kind, node: &Node, path: String, problems: &mut Problems) -> Option<Operator> {
    if !matches!(&node.value, Value::Map(entries) if entries.is_empty()) {
        problems.push(node.span, NetworkProblem::TakesNothing { path, operator: kind.name() }.into());
        return None;
    }
    Some(if kind == Kind::Relu { Operator::Relu } else { Operator::Dropout })
}

/// The numbers of one operator.
struct Numbers<'r, 'n> {
    fields: Fields<'n>,
    path: String,
    problems: &'r mut Problems,
}

impl Numbers<'_, '_> {
    fn convolution(&mut self) -> Option<Operator> {
        let outputs = self.count("outputs", "outputs: 32", 1..=OPERATOR_OUTPUTS_MAX);
        let kernel = self.count("kernel", "kernel: 3", 1..=WINDOW_MAX);
        let stride = self.count_or("stride", 1, 1..=WINDOW_MAX);
        let pad = self.pad(kernel);
        let groups = self.count_or("groups", 1, 1..=OPERATOR_OUTPUTS_MAX);
        let start = self.start();
        Some(Operator::Convolution {
            outputs: outputs?,
            kernel: kernel?,
            stride: stride?,
            pad: pad?,
            groups: groups?,
            start: start?,
        })
    }

    /// More zeros than the window is wide would give positions that see nothing else.
    fn pad(&mut self, kernel: Option<u32>) -> Option<u32> {
        let Some(node) = self.fields.get("pad") else { return Some(0) };
        let most = kernel.map_or(WINDOW_MAX, |kernel| kernel - 1);
        let reason = kernel.map(|kernel| format!("the kernel is {kernel}"));
        let bounds = Bounds { reason, ..Bounds::new(0..=u64::from(most)) };
        reader::number(node, &format!("{}.pad", self.path), &bounds, self.problems).and_then(small)
    }

    fn linear(&mut self) -> Option<Operator> {
        let outputs = match self.fields.get("outputs") {
            Some(Node { value: Value::Scalar { text, .. }, .. }) if text == "recipe" => {
                Some(LinearOutputs::Recipe)
            }
            _ => self.width().map(LinearOutputs::Count),
        };
        let start = self.start();
        Some(Operator::Linear { outputs: outputs?, start: start? })
    }

    fn width(&mut self) -> Option<u32> {
        let node = self.fields.require("outputs", "outputs: 256", self.problems)?;
        let bounds = Bounds::new(1..=u64::from(OPERATOR_OUTPUTS_MAX));
        let bounds = Bounds { expected: "a whole number or `recipe`", ..bounds };
        reader::number(node, &format!("{}.outputs", self.path), &bounds, self.problems).and_then(small)
    }

    fn max_pool(&mut self) -> Option<Operator> {
        let kernel = self.count("kernel", "kernel: 3", 1..=WINDOW_MAX);
        let stride = self.count("stride", "stride: 2", 1..=WINDOW_MAX);
        Some(Operator::MaxPool { kernel: kernel?, stride: stride? })
    }

    fn local_response_norm(&mut self) -> Option<Operator> {
        let size = self.odd_size();
        let alpha = self.real("alpha", 1e-4, RealBounds::closed(0.0, 1_000.0));
        let beta = self.real("beta", 0.75, RealBounds::above(0.0, 10.0));
        let k = self.real("k", 1.0, RealBounds::above(0.0, 1_000.0));
        Some(Operator::LocalResponseNorm { size: size?, alpha: alpha?, beta: beta?, k: k? })
    }

    fn odd_size(&mut self) -> Option<u32> {
        let size = self.count_or("size", 5, 1..=WINDOW_MAX)?;
        if size % 2 == 1 {
            return Some(size);
        }
        let span = self.fields.get("size").map(|node| node.span).unwrap_or_default();
        let (path, given) = (format!("{}.size", self.path), u64::from(size));
        self.problems.push(span, NetworkProblem::EvenSize { path, given }.into());
        None
    }

    /// How weights and biases start under the Gaussian initialiser.
    fn start(&mut self) -> Option<Start> {
        let weight_deviation = self.real("weight_deviation", 0.01, RealBounds::closed(0.0, 10.0));
        let bias = self.real("bias", 0.0, RealBounds::closed(-100.0, 100.0));
        Some(Start { weight_deviation: weight_deviation?, bias: bias? })
    }

    fn count(
        &mut self,
        key: &'static str,
        example: &'static str,
        allowed: RangeInclusive<u32>,
    ) -> Option<u32> {
        let node = self.fields.require(key, example, self.problems)?;
        self.checked(key, node, allowed)
    }

    fn count_or(&mut self, key: &'static str, default: u32, allowed: RangeInclusive<u32>) -> Option<u32> {
        match self.fields.get(key) {
            Some(node) => self.checked(key, node, allowed),
            None => Some(default),
        }
    }

    fn checked(&mut self, key: &str, node: &Node, allowed: RangeInclusive<u32>) -> Option<u32> {
        let bounds = Bounds::new(u64::from(*allowed.start())..=u64::from(*allowed.end()));
        reader::number(node, &format!("{}.{key}", self.path), &bounds, self.problems).and_then(small)
    }

    fn real(&mut self, key: &str, default: f64, bounds: RealBounds) -> Option<f64> {
        let Some(node) = self.fields.get(key) else { return Some(default) };
        let (path, allowed) = (format!("{}.{key}", self.path), |number| bounds.contain(number));
        reader::real(node, &path, &bounds.to_string(), allowed, self.problems)
    }
}

fn small(number: u64) -> Option<u32> {
    u32::try_from(number).ok()
}
