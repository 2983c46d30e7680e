//! Two networks of one study under one name: what they differ in, and whose mistake it is.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{draft::Draft, error::Span, expand::Cell, problem::Problem, product::Product, recipe};
use crate::spec::JobSpec;

/// The names that several cells have, told once for each pair of products; `products` says
/// where each cell came from.
pub(super) fn find(draft: &Draft, cells: &[Cell], products: &[usize]) -> Vec<(Span, Problem)> {
    let mut by_name: Vec<usize> = (0..cells.len()).collect();
    by_name.sort_unstable_by_key(|index| (cells[*index].name.as_str(), *index));
    // For each pair of products their first two cells of one name, and how many follow.
    let mut pairs: BTreeMap<(usize, usize), ([usize; 2], usize)> = BTreeMap::new();
    for [first, second] in by_name.array_windows() {
        if cells[*first].name != cells[*second].name {
            continue;
        }
        let pair = (products[*second], products[*first]);
        pairs
            .entry(pair)
            .and_modify(|(example, more)| {
                *more += 1;
                // In the order of the grid, not of the alphabet.
                *example = (*example).min([*first, *second]);
            })
            .or_insert(([*first, *second], 0));
    }
    let told = |((later, earlier), ([first, second], more)): ((usize, usize), ([usize; 2], usize))| {
        let (first, second) = (&cells[first], &cells[second]);
        let other = (later != earlier).then(|| draft.products[earlier].span);
        let differ = differences(&first.spec, &second.spec);
        let problem = Problem::SameName { name: second.name.clone(), more, differ, other };
        (place(&draft.products[later], other.is_none()), problem)
    };
    pairs.into_iter().map(told).collect()
}

/// Where the mistake is: the entry, or, within one product, the second weights that it names.
fn place(product: &Product, within_one: bool) -> Span {
    let weights = || product.treatments.iter().filter(|rule| rule.value.weights().is_some());
    let first = weights().next();
    let second = weights().find(|rule| rule.value.weights() != first.and_then(|first| first.value.weights()));
    second.filter(|_| within_one).map_or(product.span, |rule| rule.span)
}

/// The grid's keys that make two jobs of one name different.
fn differences(one: &JobSpec, other: &JobSpec) -> String {
    let fields = |spec: &JobSpec| match serde_json::to_value(&spec.recipe) {
        Ok(Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let (ours, theirs) = (fields(one), fields(other));
    let keys = recipe::KEYS.iter().filter(|key| ours.get(**key) != theirs.get(**key));
    let mut differ: Vec<String> = keys.map(|key| format!("recipe.{key}")).collect();
    if one.imported != other.imported {
        differ.push("treatment.source".to_owned());
    }
    let images = |spec: &JobSpec| spec.source.as_ref().map(|source| source.images_per_class);
    if images(one) != images(other) {
        differ.push("source_images_per_class".to_owned());
    }
    if differ.is_empty() {
        // The same in all else, so their sources were trained with different seeds.
        differ.push("source_seed".to_owned());
    }
    differ.join(", ")
}
