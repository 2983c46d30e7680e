//! The axes of a grid: what one network differs from another by.
//!
//! The same readers serve the axes themselves and the entries of `exclude`.

use std::sync::Arc;

use super::{
    error::{Located, Problems},
    long_form,
    problem::Problem,
    ranges,
    reader::{self, Bounds, Fields},
    treatment::{DIRECTIONS, Direction, TreatmentRule},
    tree::{Node, Value},
};
use crate::{
    network::Network,
    spec::{Half, ImagesPerClass, Treatment},
    split::SplitRule,
};

/// Keys that name axes; the only ones an entry of `exclude` may have.
pub(super) const AXES: &[&str] = &["split", "treatment", "n", "direction", "seed", "images_per_class"];

/// Values of one axis, each once; entries that inherit an axis share it.
pub(super) type Axis<T> = Arc<Vec<Located<T>>>;

/// The axes that a mapping gives. One that could not be read is there, but empty.
#[derive(Clone, Debug, Default)]
pub(super) struct Axes {
    pub(super) splits: Option<Axis<SplitRule>>,
    pub(super) treatments: Option<Axis<TreatmentRule>>,
    pub(super) n: Option<Axis<u64>>,
    pub(super) directions: Option<Axis<Direction>>,
    pub(super) seeds: Option<Axis<u64>>,
    pub(super) images_per_class: Option<Axis<ImagesPerClass>>,
}

/// One network by its coordinates within one product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Coordinates {
    /// Index into the product's splits.
    pub(super) split: usize,
    pub(super) treatment: Treatment,
    pub(super) target: Half,
    pub(super) seed: u64,
    pub(super) images_per_class: ImagesPerClass,
}

impl Axes {
    /// Reads the axes among these fields.
    pub(super) fn read(fields: &Fields<'_>, network: Option<&Network>, problems: &mut Problems) -> Self {
        let layers = layers(network);
        Self {
            splits: fields.get("split").map(|node| splits(node, problems)),
            treatments: fields
                .get("treatment")
                .map(|node| once(long_form::treatments(node, &layers, problems))),
            n: fields.get("n").map(|node| ranges::numbers(node, "n", &layers, problems).into()),
            directions: fields.get("direction").map(|node| directions(node, problems)),
            seeds: fields.get("seed").map(|node| ranges::numbers(node, "seed", &seeds(), problems).into()),
            images_per_class: fields.get("images_per_class").map(|node| images_axis(node, problems)),
        }
    }

    /// These axes, and those of `other` where these have none.
    pub(super) fn or(self, other: &Self) -> Self {
        Self {
            splits: self.splits.or_else(|| other.splits.clone()),
            treatments: self.treatments.or_else(|| other.treatments.clone()),
            n: self.n.or_else(|| other.n.clone()),
            directions: self.directions.or_else(|| other.directions.clone()),
            seeds: self.seeds.or_else(|| other.seeds.clone()),
            images_per_class: self.images_per_class.or_else(|| other.images_per_class.clone()),
        }
    }

    /// How many values they hold: the memory that they take.
    pub(super) fn values(&self) -> usize {
        fn of<T>(axis: &Option<Axis<T>>) -> usize {
            axis.as_ref().map_or(0, |axis| axis.len())
        }
        let counts = [of(&self.splits), of(&self.treatments), of(&self.n), of(&self.directions)];
        counts.iter().sum::<usize>() + of(&self.seeds) + of(&self.images_per_class)
    }
}

/// Reads the value of `split`.
pub(super) fn splits(node: &Node, problems: &mut Problems) -> Axis<SplitRule> {
    once(reader::list(node, "split", problems, split))
}

/// Reads the value of `direction`.
pub(super) fn directions(node: &Node, problems: &mut Problems) -> Axis<Direction> {
    once(reader::list(node, "direction", problems, |node, problems| {
        reader::choice(node, "direction", "direction", DIRECTIONS, problems)
    }))
}

/// Reads the value of the axis `images_per_class`.
pub(super) fn images_axis(node: &Node, problems: &mut Problems) -> Axis<ImagesPerClass> {
    once(reader::list(node, "images_per_class", problems, |node, problems| {
        images_per_class(node, "images_per_class", problems)
    }))
}

/// The largest limit that `images_per_class` accepts.
pub(super) const IMAGES_MAX: u64 = 1_000_000_000;
/// The largest seed.
pub(super) const SEED_MAX: u64 = u32::MAX as u64;

/// Seeds that `seed` and `source_seed` accept.
pub(super) fn seeds() -> Bounds {
    Bounds::new(0..=SEED_MAX)
}

/// Reads `all` or a number of images.
pub(super) fn images_per_class(node: &Node, path: &str, problems: &mut Problems) -> Option<ImagesPerClass> {
    if matches!(&node.value, Value::Scalar { text, .. } if text == "all") {
        return Some(ImagesPerClass::All);
    }
    let bounds = Bounds { expected: "a whole number or `all`", ..Bounds::new(1..=IMAGES_MAX) };
    let images = reader::number(node, path, &bounds, problems)?;
    u32::try_from(images).ok().map(ImagesPerClass::First)
}

/// Numbers of layers that can be copied.
pub(super) fn layers(network: Option<&Network>) -> Bounds {
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
            let mut known: Vec<String> = ["random-0", "whole"].map(str::to_owned).into();
            if given.starts_with("similar-") {
                known.push(format!("{given}-0"));
            }
            problems.push(node.span, Problem::BadSplit { given, problem, known });
            None
        }
    }
}

/// Keeps the first of equal values: the same cell from two places is one cell.
fn once<T: Ord + Clone>(values: Vec<Located<T>>) -> Axis<T> {
    let mut seen = std::collections::BTreeSet::new();
    let first: Vec<_> = values.into_iter().filter(|located| seen.insert(located.value.clone())).collect();
    first.into()
}
