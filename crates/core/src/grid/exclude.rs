//! `exclude`: entries that drop the cells they describe.
//!
//! An entry drops a cell that has one of the listed values on every axis the entry names.
//! A cell that ignores an axis has no value there: an entry with `n` never drops a base.
//! A dropped base comes back as a source if a network that stays is copied from it.

use std::collections::HashSet;

use super::{
    axes::{AXES, Axes, Coordinates},
    error::{Located, Problems, Span},
    problem::Problem,
    reader,
    treatment::NamedTreatment,
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
    treatments: Option<HashSet<NamedTreatment>>,
    n: Option<HashSet<u64>>,
    targets: Option<HashSet<Half>>,
    seeds: Option<HashSet<u64>>,
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
    let axes = Axes::read(&fields, network, problems);
    let named = |key: &str| fields.get(key).is_some();
    Some(Exclusion {
        splits: named("split").then(|| values(axes.splits)),
        treatments: named("treatment").then(|| values(axes.treatments)),
        n: named("n").then(|| values(axes.n)),
        targets: named("direction")
            .then(|| axes.directions.iter().map(|direction| direction.value.target()).collect()),
        seeds: named("seed").then(|| values(axes.seeds)),
        images_per_class: named("images_per_class").then(|| values(axes.images_per_class)),
    })
}

fn values<T: Eq + std::hash::Hash>(located: Vec<Located<T>>) -> HashSet<T> {
    located.into_iter().map(|located| located.value).collect()
}

impl Exclusion {
    /// Whether this entry drops the cell; `split` is the rule of its split.
    pub(super) fn drops(&self, cell: &Coordinates, split: &SplitRule) -> bool {
        let allows = |n: &HashSet<u64>| cell.n.is_some_and(|layers| n.contains(&u64::from(layers)));
        self.treatments.as_ref().is_none_or(|treatments| treatments.contains(&cell.treatment))
            && self.n.as_ref().is_none_or(allows)
            && self.targets.as_ref().is_none_or(|targets| targets.contains(&cell.target))
            && self.seeds.as_ref().is_none_or(|seeds| seeds.contains(&cell.seed))
            && self.images_per_class.as_ref().is_none_or(|images| images.contains(&cell.images_per_class))
            && self.splits.as_ref().is_none_or(|splits| splits.contains(split))
    }
}
