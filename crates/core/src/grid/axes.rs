//! The axes of a grid: what one network differs from another by.
//!
//! The same readers serve the axes themselves and the entries of `exclude`.

use super::{
    error::{Located, Problems},
    problem::Problem,
    ranges,
    reader::{self, Bounds, Fields},
    treatment::{DIRECTIONS, Direction, NamedTreatment, TREATMENTS},
    tree::{Node, Value},
};
use crate::{
    network::Network,
    spec::{Half, ImagesPerClass},
    split::SplitRule,
};

/// Keys that name axes; the only ones an entry of `exclude` may have.
pub(super) const AXES: &[&str] = &["split", "treatment", "n", "direction", "seed", "images_per_class"];

/// Values of every axis, each once. An axis that could not be read is empty.
#[derive(Clone, Debug, Default)]
pub(super) struct Axes {
    pub(super) splits: Vec<Located<SplitRule>>,
    pub(super) treatments: Vec<Located<NamedTreatment>>,
    pub(super) n: Vec<Located<u64>>,
    pub(super) directions: Vec<Located<Direction>>,
    pub(super) seeds: Vec<Located<u64>>,
    pub(super) images_per_class: Vec<Located<ImagesPerClass>>,
}

/// One network by its coordinates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Coordinates {
    /// Index into the grid's splits.
    pub(super) split: usize,
    pub(super) treatment: NamedTreatment,
    /// None for base.
    pub(super) n: Option<u8>,
    pub(super) target: Half,
    pub(super) seed: u64,
    pub(super) images_per_class: ImagesPerClass,
}

impl Axes {
    /// Reads the axes among these fields; absent ones stay empty.
    pub(super) fn read(fields: &Fields<'_>, network: Option<&Network>, problems: &mut Problems) -> Self {
        let mut axes = Self::default();
        if let Some(node) = fields.get("split") {
            axes.splits = once(reader::list(node, "split", problems, split));
        }
        if let Some(node) = fields.get("treatment") {
            axes.treatments = once(reader::list(node, "treatment", problems, treatment));
        }
        if let Some(node) = fields.get("n") {
            axes.n = ranges::numbers(node, "n", &layers(network), problems);
        }
        if let Some(node) = fields.get("direction") {
            axes.directions = once(reader::list(node, "direction", problems, |node, problems| {
                reader::choice(node, "direction", "direction", DIRECTIONS, problems)
            }));
        }
        if let Some(node) = fields.get("seed") {
            axes.seeds = ranges::numbers(node, "seed", &seeds(), problems);
        }
        if let Some(node) = fields.get("images_per_class") {
            axes.images_per_class =
                once(reader::list(node, "images_per_class", problems, |node, problems| {
                    images_per_class(node, "images_per_class", problems)
                }));
        }
        axes
    }
}

/// Seeds that `seed` and `source_seed` accept.
pub(super) fn seeds() -> Bounds {
    Bounds::new(0..=u64::from(u32::MAX))
}

/// Reads `all` or a number of images.
pub(super) fn images_per_class(node: &Node, path: &str, problems: &mut Problems) -> Option<ImagesPerClass> {
    if matches!(&node.value, Value::Scalar { text, .. } if text == "all") {
        return Some(ImagesPerClass::All);
    }
    let bounds = Bounds { expected: "a whole number or `all`", ..Bounds::new(1..=1_000_000_000) };
    let images = reader::number(node, path, &bounds, problems)?;
    u32::try_from(images).ok().map(ImagesPerClass::First)
}

fn layers(network: Option<&Network>) -> Bounds {
    let Some(network) = network else {
        return Bounds::new(1..=u64::from(u8::MAX));
    };
    let layer_count = network.layer_count() as u64;
    let name = &network.name;
    let copied = layer_count - 1;
    let reason = format!("{name} has {layer_count} layers, of which 1 to {copied} can be copied");
    Bounds { reason: Some(reason), ..Bounds::new(1..=copied) }
}

fn split(node: &Node, problems: &mut Problems) -> Option<SplitRule> {
    const EXPECTED: &str = "the name of a split such as random-0, a grouping or whole";
    let given = reader::text(node, "split", EXPECTED, problems)?;
    match given.parse() {
        Ok(rule) => Some(rule),
        Err(error) => {
            let (given, problem) = (reader::shown(given), reader::shown_sentence(&error));
            let known = ["random-0", "whole"].map(str::to_owned).into();
            problems.push(node.span, Problem::BadSplit { given, problem, known });
            None
        }
    }
}

fn treatment(node: &Node, problems: &mut Problems) -> Option<NamedTreatment> {
    if let Value::Map(_) = node.value {
        let what = "the long form of a treatment".to_owned();
        problems.push(node.span, Problem::Unsupported { what });
        return None;
    }
    reader::choice(node, "treatment", "treatment", TREATMENTS, problems)
}

/// Keeps the first of equal values: the same cell from two places is one cell.
fn once<T: Ord + Clone>(values: Vec<Located<T>>) -> Vec<Located<T>> {
    let mut seen = std::collections::BTreeSet::new();
    values.into_iter().filter(|located| seen.insert(located.value.clone())).collect()
}
