//! What a person should know about a study though nothing in it is wrong.

use serde::Serialize;

use super::{draft::Draft, expand::Cell};
use crate::{pack::PackFacts, spec::ImagesPerClass};

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

/// All warnings about a study; `dropped` counts the cells that each entry of `exclude` dropped.
pub(super) fn of(draft: &Draft, pack: &PackFacts, cells: &[Cell], dropped: &[usize]) -> Vec<Warning> {
    let added = added_sources(cells);
    added.into_iter().chain(images_beyond_pack(draft, pack)).chain(unused_exclusions(dropped)).collect()
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

fn images_beyond_pack(draft: &Draft, pack: &PackFacts) -> Vec<Warning> {
    let most = pack.train_per_class.iter().copied().max().unwrap_or(0);
    let beyond = draft.axes.images_per_class.iter().filter_map(|images| match images.value {
        ImagesPerClass::First(limit) if u64::from(limit) > most => Some(limit),
        _ => None,
    });
    let dataset = draft.dataset().unwrap_or_default();
    let warning = |limit| Warning {
        code: "images_beyond_pack",
        message: format!(
            "images_per_class: {limit} limits nothing, no class of {dataset} has more than {most} images"
        ),
    };
    beyond.map(warning).collect()
}

fn unused_exclusions(dropped: &[usize]) -> Vec<Warning> {
    let unused = dropped.iter().enumerate().filter(|(_, dropped)| **dropped == 0);
    let warning =
        |index| Warning { code: "exclude_drops_nothing", message: format!("exclude[{index}] drops no cell") };
    unused.map(|(index, _)| warning(index)).collect()
}
