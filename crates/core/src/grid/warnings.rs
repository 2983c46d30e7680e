//! What a person should know about a study though nothing in it is wrong.

use std::collections::{BTreeSet, HashSet};

use serde::Serialize;

use super::{draft::Draft, expand::Cell, known::Known};
use crate::spec::ImagesPerClass;

/// How many names a warning lists.
const NAMED: usize = 4;

/// Something to know about a study, or about the plan of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// For machines; does not change.
    pub code: &'static str,
    /// For people.
    pub message: String,
}

/// All warnings about a study; `products` says where each cell came from, `dropped` are
/// the entries of `exclude` that dropped a cell, by where they stand.
pub(super) fn of(
    draft: &Draft,
    known: &Known<'_>,
    cells: &[Cell],
    products: &[usize],
    dropped: &HashSet<usize>,
) -> Vec<Warning> {
    let mut warnings: Vec<_> = added_sources(cells).into_iter().collect();
    warnings.extend(weights_unknown(draft, known));
    warnings.extend(images_beyond_pack(draft, known));
    warnings.extend(unused_exclusions(draft, dropped));
    warnings.extend(entries_without_cells(draft, products));
    warnings
}

fn added_sources(cells: &[Cell]) -> Option<Warning> {
    let added: Vec<_> = cells.iter().filter(|cell| cell.added_as_source).collect();
    let networks = match added.len() {
        0 => return None,
        1 => "1 base network was".to_owned(),
        count => format!("{count} base networks were"),
    };
    let names: Vec<_> = added.iter().take(NAMED).map(|cell| cell.name.as_str()).collect();
    let more = match added.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let names = names.join(", ");
    let message = format!("{networks} added because others copy from it: {names}{more}");
    Some(Warning { code: "sources_added", message })
}

fn weights_unknown(draft: &Draft, known: &Known<'_>) -> Option<Warning> {
    let has_digest = |name: &str| known.weights.get(name).is_some_and(|facts| facts.digest.is_some());
    let unknown: Vec<_> = draft.weights().into_iter().filter(|name| !has_digest(name)).collect();
    if unknown.is_empty() {
        return None;
    }
    let names = unknown.join(", ");
    let message = format!(
        "keys of networks with imported layers are null: only a coordinator knows the weights {names}"
    );
    Some(Warning { code: "weights_unknown", message })
}

fn images_beyond_pack(draft: &Draft, known: &Known<'_>) -> Vec<Warning> {
    let most = known.pack.train_per_class.iter().copied().max().unwrap_or(0);
    let images = draft.products.iter().flat_map(|product| product.images_per_class.iter());
    let beyond: BTreeSet<u32> = images
        .filter_map(|images| match images.value {
            ImagesPerClass::First(limit) if u64::from(limit) > most => Some(limit),
            _ => None,
        })
        .collect();
    let dataset = draft.dataset().unwrap_or_default();
    let warning = |limit| Warning {
        code: "images_beyond_pack",
        message: format!(
            "images_per_class: {limit} limits nothing, no class of {dataset} has more than {most} images"
        ),
    };
    beyond.into_iter().map(warning).collect()
}

fn unused_exclusions(draft: &Draft, dropped: &HashSet<usize>) -> Vec<Warning> {
    let mut told = BTreeSet::new();
    let mut warnings = Vec::new();
    for exclusions in draft.products.iter().filter_map(|product| product.exclusions.as_ref()) {
        for (index, entry) in exclusions.entries.iter().enumerate() {
            let start = entry.span.start;
            if !dropped.contains(&start) && told.insert(start) {
                let message = format!("{}[{index}] drops no cell", exclusions.path);
                warnings.push(Warning { code: "exclude_drops_nothing", message });
            }
        }
    }
    warnings
}

fn entries_without_cells(draft: &Draft, products: &[usize]) -> Vec<Warning> {
    let mut has_cells = vec![false; draft.products.len()];
    for &product in products {
        has_cells[product] = true;
    }
    let empty = draft.products.iter().zip(has_cells).filter(|(_, has_cells)| !has_cells);
    let warning = |path: &str| Warning {
        code: "entry_adds_nothing",
        message: format!("{path} adds no network: all of them are excluded, or in entries before it"),
    };
    empty.map(|(product, _)| warning(&product.path)).collect()
}
