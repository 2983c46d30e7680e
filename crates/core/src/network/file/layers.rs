//! The layers of a network file, and what must hold between their operators.

use std::collections::HashMap;

use super::{
    NetworkProblem,
    operators::{self, Kind, ReadOperator},
};
use crate::{
    grid::{
        error::{Located, Problems, Span},
        problem::Problem,
        reader,
        tree::{Node, Value},
    },
    limits::{LAYER_OPERATORS_MAX, NETWORK_LAYERS_MAX},
    network::{Layer, LinearOutputs, Operator},
};

/// A layer as far as it could be read.
struct ReadLayer {
    path: String,
    /// Of its name, or of the whole layer without one.
    span: Span,
    name: Option<String>,
    operators: Vec<ReadOperator>,
}

/// Reads all layers, each with the place of its name. Wrong ones are left out.
pub(super) fn read(node: &Node, problems: &mut Problems) -> Vec<(Layer, Span)> {
    let Value::List(items) = &node.value else {
        reader::wrong_type(node, "layers", "a list of layers", problems);
        return Vec::new();
    };
    if !(2..=NETWORK_LAYERS_MAX).contains(&items.len()) {
        let first_beyond = items.get(NETWORK_LAYERS_MAX).map_or(node.span, |item| Span::at(item.span.start));
        problems.push(first_beyond, NetworkProblem::LayerCount { count: items.len() }.into());
    }
    let layers = items.iter().take(NETWORK_LAYERS_MAX).enumerate();
    let layers: Vec<_> =
        layers.map(|(index, item)| layer(item, format!("layers[{index}]"), problems)).collect();
    check_names(&layers, problems);
    for layer in &layers {
        check_operators(layer, problems);
    }
    if let Some((last, below)) = layers.split_last() {
        below.iter().for_each(|layer| check_below(layer, problems));
        check_last(last, problems);
    }
    layers.into_iter().filter_map(finished).collect()
}

fn layer(node: &Node, path: String, problems: &mut Problems) -> ReadLayer {
    let mut layer = ReadLayer { path, span: node.span, name: None, operators: Vec::new() };
    let Some(fields) = reader::mapping(node, &layer.path, &["name", "operators"], &[], problems) else {
        return layer;
    };
    if let Some(node) = fields.require("name", "name: conv1", problems) {
        layer.span = node.span;
        layer.name = name(node, &format!("{}.name", layer.path), problems);
    }
    let example = "operators: [{linear: {outputs: 256}}, relu]";
    if let Some(node) = fields.require("operators", example, problems) {
        layer.operators = operators(node, &layer.path, problems);
    }
    layer
}

fn name(node: &Node, path: &str, problems: &mut Problems) -> Option<String> {
    const EXPECTED: &str = "a layer's name: 1 to 64 of A-Z a-z 0-9 . _ -";
    let given = reader::text(node, path, EXPECTED, problems)?;
    let allowed = |c: u8| c.is_ascii_alphanumeric() || b"._-".contains(&c);
    if (1..=64).contains(&given.len()) && given.bytes().all(allowed) {
        return Some(given.to_owned());
    }
    let (path, given) = (path.to_owned(), reader::shown(given));
    problems.push(node.span, Problem::BadName { path, given, expected: EXPECTED });
    None
}

fn operators(node: &Node, layer: &str, problems: &mut Problems) -> Vec<ReadOperator> {
    if let Value::List(items) = &node.value
        && items.len() > LAYER_OPERATORS_MAX
    {
        let (path, count) = (format!("{layer}.operators"), items.len());
        problems.push(node.span, NetworkProblem::TooManyOperators { path, count }.into());
        return Vec::new();
    }
    let mut index = 0;
    let read = reader::list(node, &format!("{layer}.operators"), problems, |item, problems| {
        let path = format!("{layer}.operators[{index}]");
        index += 1;
        Some(operators::read(item, &path, problems))
    });
    read.into_iter().map(|Located { value, .. }| value).collect()
}

fn check_names(layers: &[ReadLayer], problems: &mut Problems) {
    let mut firsts = HashMap::new();
    for layer in layers {
        let Some(name) = &layer.name else { continue };
        match firsts.get(name) {
            Some(&first) => {
                let name = name.clone();
                problems.push(layer.span, NetworkProblem::DoubledLayer { name, first }.into());
            }
            None => {
                firsts.insert(name.clone(), layer.span);
            }
        }
    }
}

fn check_operators(layer: &ReadLayer, problems: &mut Problems) {
    let path = |index: usize| format!("{}.operators[{index}]", layer.path);
    let known =
        || layer.operators.iter().enumerate().filter_map(|(i, read)| Some((i, read.span, read.kind?)));
    let Some(first) = layer.operators.first() else { return };
    match first.kind {
        Some(kind) if !kind.is_learned() => {
            let found = kind.name();
            problems.push(first.span, NetworkProblem::BeginsWith { path: path(0), found }.into());
        }
        _ => {
            // The first one is learned, or may have been meant to be.
            for (index, span, _) in known().filter(|(index, _, kind)| *index > 0 && kind.is_learned()) {
                problems.push(span, NetworkProblem::SecondLearned { path: path(index) }.into());
            }
        }
    }
    for (index, span, _) in known().filter(|(_, _, kind)| *kind == Kind::Dropout).skip(1) {
        problems.push(span, NetworkProblem::SecondDropout { path: path(index) }.into());
    }
}

fn takes_outputs_from_recipe(read: &ReadOperator) -> bool {
    matches!(read.operator, Some(Operator::Linear { outputs: LinearOutputs::Recipe, .. }))
}

fn check_below(layer: &ReadLayer, problems: &mut Problems) {
    for (index, read) in layer.operators.iter().enumerate() {
        if takes_outputs_from_recipe(read) {
            let path = format!("{}.operators[{index}]", layer.path);
            problems.push(read.span, NetworkProblem::RecipeBelow { path }.into());
        }
    }
}

fn check_last(layer: &ReadLayer, problems: &mut Problems) {
    let wrong = match layer.operators.as_slice() {
        // What could not be read was reported.
        [] => None,
        [only] => {
            let is_unread = only.operator.is_none() && matches!(only.kind, None | Some(Kind::Linear));
            (!is_unread && !takes_outputs_from_recipe(only)).then_some(only.span)
        }
        [_, after, ..] => Some(after.span),
    };
    if let Some(span) = wrong {
        problems.push(span, NetworkProblem::LastLayer { path: layer.path.clone() }.into());
    }
}

fn finished(layer: ReadLayer) -> Option<(Layer, Span)> {
    let operators: Option<Vec<_>> = layer.operators.into_iter().map(|read| read.operator).collect();
    Some((Layer { name: layer.name?, operators: operators? }, layer.span))
}
