//! Reads treatments: a word of the paper, or `{source, copy, freeze}`.
//!
//! One long form may stand for several treatments, because `copy` and `freeze` take lists
//! and ranges.

use super::{
    error::{Located, Problems, Span},
    problem::Problem,
    ranges,
    reader::{self, Bounds, Fields},
    treatment::{self, Copied, Frozen, LayersFrom, NAMES, SHORTHANDS, TreatmentRule},
    tree::{Node, Value},
};
use crate::ids::Name;

/// Keys of the long form.
pub(super) const KEYS: &[&str] = &["source", "copy", "freeze"];
/// Words that `source` accepts beside the name of imported weights.
pub(super) const SOURCES: &[&str] = &["self", "other", "random"];

/// Reads the value of `treatment`: words, long forms, or a list of both. `layers` are the
/// numbers of layers that can be copied.
pub(super) fn treatments(
    node: &Node,
    layers: &Bounds,
    problems: &mut Problems,
) -> Vec<Located<TreatmentRule>> {
    let items = reader::list(node, "treatment", problems, |item, problems| match item.value {
        Value::Map(_) => Some(long_form(item, layers, problems)),
        _ => word(item, problems).map(|rule| vec![rule]),
    });
    let located = |item: Located<Vec<TreatmentRule>>| {
        item.value.into_iter().map(move |value| Located { value, span: item.span })
    };
    items.into_iter().flat_map(located).collect()
}

fn word(node: &Node, problems: &mut Problems) -> Option<TreatmentRule> {
    let given =
        reader::text(node, "treatment", "the name of a treatment, or {source, copy, freeze}", problems)?;
    let rule = treatment::shorthand(given);
    if rule.is_none() {
        let known_in_plans = NAMES.contains(&given);
        let given = reader::shown(given);
        let problem = if known_in_plans {
            let (lacks, example) = match given.starts_with("InB") {
                true => ("which weights", "{source: my-weights, copy: n}"),
                false => ("how many layers are frozen", "{source: other, copy: n, freeze: 1}"),
            };
            Problem::NeedsLongForm { given, lacks, example }
        } else {
            let path = "treatment".to_owned();
            Problem::UnknownChoice { path, what: "treatment", given, known: SHORTHANDS }
        };
        problems.push(node.span, problem);
    }
    rule
}

fn long_form(node: &Node, layers: &Bounds, problems: &mut Problems) -> Vec<TreatmentRule> {
    let Some(fields) = reader::mapping(node, "treatment", KEYS, &[], problems) else { return Vec::new() };
    let source = fields.require("source", "source: other", problems);
    let from = source.and_then(|node| layers_from(node, problems));
    let copied = copied(&fields, layers, problems);
    let frozen = frozen(&fields, layers, problems);
    check_freezes(&copied, &frozen, problems);
    let Some(from) = from else { return Vec::new() };
    let of = |copied: Copied| {
        let from = &from;
        frozen.iter().map(move |frozen| TreatmentRule::new(from.clone(), copied, frozen.value))
    };
    copied.into_iter().flat_map(of).collect()
}

fn layers_from(node: &Node, problems: &mut Problems) -> Option<LayersFrom> {
    const EXPECTED: &str = "self, other, random, or the name of imported weights";
    let given = reader::text(node, "treatment.source", EXPECTED, problems)?;
    match given {
        "self" => Some(LayersFrom::Own),
        "other" => Some(LayersFrom::Other),
        "random" => Some(LayersFrom::Random),
        name if name.parse::<Name>().is_ok() => Some(LayersFrom::Imported(name.into())),
        file if file.contains('/') => {
            problems.push(node.span, Problem::WeightsFile { given: reader::shown(file) });
            None
        }
        _ => {
            let (path, given) = ("treatment.source".to_owned(), reader::shown(given));
            problems.push(node.span, Problem::BadName { path, given, expected: EXPECTED });
            None
        }
    }
}

fn copied(fields: &Fields<'_>, layers: &Bounds, problems: &mut Problems) -> Vec<Copied> {
    let Some(node) = fields.get("copy") else { return vec![Copied::N] };
    let expected = "a number of layers, a range such as 1..7, or `n`";
    let bounds = Bounds { expected, ..layers.clone() };
    let of_item = |item: &Node, problems: &mut Problems| match word_of(item) {
        Some("n") => Some(vec![Copied::N]),
        _ => numbers(item, "treatment.copy", &bounds, problems, Copied::Layers),
    };
    let items = reader::list(node, "treatment.copy", problems, of_item);
    items.into_iter().flat_map(|item| item.value).collect()
}

fn frozen(fields: &Fields<'_>, layers: &Bounds, problems: &mut Problems) -> Vec<Located<Frozen>> {
    let Some(node) = fields.get("freeze") else {
        return vec![Located { value: Frozen::All, span: fields.span() }];
    };
    let expected = "a number of layers, a range such as 0..3, `all`, `none` or `n`";
    let bounds = Bounds { expected, allowed: 0..=*layers.allowed.end(), ..layers.clone() };
    let of_item = |item: &Node, problems: &mut Problems| match word_of(item) {
        Some("all") => Some(vec![Frozen::All]),
        Some("none") => Some(vec![Frozen::Layers(0)]),
        Some("n") => Some(vec![Frozen::N]),
        _ => numbers(item, "treatment.freeze", &bounds, problems, Frozen::Layers),
    };
    let items = reader::list(node, "treatment.freeze", problems, of_item);
    let located = |item: Located<Vec<Frozen>>| {
        item.value.into_iter().map(move |value| Located { value, span: item.span })
    };
    items.into_iter().flat_map(located).collect()
}

/// Numbers of layers, each as whatever stands for it.
fn numbers<T>(
    item: &Node,
    path: &str,
    bounds: &Bounds,
    problems: &mut Problems,
    of: impl Fn(u8) -> T,
) -> Option<Vec<T>> {
    let (first, last) = ranges::range(item, path, bounds, problems)?;
    Some((first..=last).filter_map(|layers| u8::try_from(layers).ok()).map(of).collect())
}

fn word_of(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Scalar { text, .. } => Some(text),
        _ => None,
    }
}

/// Reports where more would be frozen than is copied; what `n` decides is checked with it.
fn check_freezes(copied: &[Copied], frozen: &[Located<Frozen>], problems: &mut Problems) {
    let fewest = copied.iter().filter_map(|copied| match copied {
        Copied::Layers(layers) => Some(*layers),
        Copied::N => None,
    });
    let Some(copied) = fewest.min() else { return };
    let mut told: Option<Span> = None;
    for located in frozen {
        let Frozen::Layers(frozen) = located.value else { continue };
        if frozen > copied && told != Some(located.span) {
            told = Some(located.span);
            problems.push(located.span, Problem::FreezesMore { frozen, copied });
        }
    }
}
