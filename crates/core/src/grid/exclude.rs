//! `exclude`: entries that drop the cells they describe.
//!
//! An entry drops a cell that has one of the listed values on every axis the entry names.
//! `n` is the number of layers copied, so an entry with `n` never drops a base. Treatments
//! are named as plans name them. A dropped base comes back as a source if a network that
//! stays is copied from it.

use std::collections::HashSet;

use super::{
    axes::{self, AXES, Axis, Coordinates},
    error::{Located, Problems, Span},
    problem::Problem,
    ranges::RangeSet,
    reader,
    treatment::{self, NAMES},
    tree::{Node, Value},
};
use crate::{
    limits::GRID_EXCLUSIONS_MAX,
    network::Network,
    spec::{Half, ImagesPerClass},
    split::SplitRule,
};

/// One entry; an axis that it does not name is none.
#[derive(Clone, Debug)]
pub(super) struct Exclusion {
    splits: Option<HashSet<SplitRule>>,
    treatments: Option<HashSet<&'static str>>,
    n: Option<RangeSet>,
    targets: Option<HashSet<Half>>,
    seeds: Option<RangeSet>,
    images_per_class: Option<HashSet<ImagesPerClass>>,
}

/// Reads the value of `exclude`: one entry or a list of them.
pub(super) fn read(
    node: &Node,
    network: Option<&Network>,
    problems: &mut Problems,
) -> Vec<Located<Exclusion>> {
    let items = match &node.value {
        Value::List(items) if items.is_empty() => return Vec::new(),
        Value::List(items) => items.len(),
        _ => 1,
    };
    if items > GRID_EXCLUSIONS_MAX {
        let (path, range) = ("exclude".to_owned(), format!("1..{GRID_EXCLUSIONS_MAX}"));
        let given = format!("a list of {items} entries");
        problems.push(Span::at(node.span.start), Problem::OutOfRange { path, given, range, reason: None });
        return Vec::new();
    }
    reader::list(node, "exclude", problems, |node, problems| entry(node, network, problems))
}

fn entry(node: &Node, network: Option<&Network>, problems: &mut Problems) -> Option<Exclusion> {
    let fields = reader::mapping(node, "exclude", AXES, &[], problems)?;
    if matches!(&node.value, Value::Map(entries) if entries.is_empty()) {
        problems.push(node.span, Problem::ExcludesAll);
        return None;
    }
    Some(Exclusion {
        splits: fields.get("split").map(|node| values(&axes::splits(node, problems))),
        treatments: fields.get("treatment").map(|node| treatments(node, problems)),
        n: fields.get("n").map(|node| RangeSet::read(node, "n", &axes::layers(network), problems)),
        targets: fields
            .get("direction")
            .map(|node| axes::directions(node, problems).iter().map(|way| way.value.target()).collect()),
        seeds: fields.get("seed").map(|node| RangeSet::read(node, "seed", &axes::seeds(), problems)),
        images_per_class: fields
            .get("images_per_class")
            .map(|node| values(&axes::images_axis(node, problems))),
    })
}

fn treatments(node: &Node, problems: &mut Problems) -> HashSet<&'static str> {
    let name = |item: &Node, problems: &mut Problems| match item.value {
        Value::Map(_) => {
            problems.push(item.span, Problem::ExcludesByLongForm);
            None
        }
        _ => reader::choice(item, "exclude.treatment", "treatment", (NAMES, NAMES), problems)
            .map(treatment::plan_name),
    };
    let names = reader::list(node, "exclude.treatment", problems, name);
    names.into_iter().map(|located| located.value).collect()
}

fn values<T: Eq + std::hash::Hash + Clone>(axis: &Axis<T>) -> HashSet<T> {
    axis.iter().map(|located| located.value.clone()).collect()
}

impl Exclusion {
    /// Whether this entry drops the cell; `split` is the rule of its split.
    pub(super) fn drops(&self, cell: &Coordinates, split: &SplitRule) -> bool {
        let copied = u64::from(cell.treatment.layers_copied);
        self.treatments.as_ref().is_none_or(|names| names.contains(treatment::name(cell.treatment)))
            && self.n.as_ref().is_none_or(|n| n.contains(copied))
            && self.targets.as_ref().is_none_or(|targets| targets.contains(&cell.target))
            && self.seeds.as_ref().is_none_or(|seeds| seeds.contains(cell.seed))
            && self.images_per_class.as_ref().is_none_or(|images| images.contains(&cell.images_per_class))
            && self.splits.as_ref().is_none_or(|splits| splits.contains(split))
    }
}
