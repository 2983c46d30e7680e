//! Everything that can be wrong with a grid, and the words for it.
//!
//! A message names the key, the value and what was expected; `help` says what to do.

use super::error::Span;
use crate::{
    limits::{CELLS_MAX, GRID_BYTES_MAX, GRID_DEPTH_MAX},
    spec::Half,
};

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(super) enum Problem {
    #[error("file has {bytes} bytes, but a grid may have at most {GRID_BYTES_MAX}")]
    FileTooLarge { bytes: usize },
    #[error("file is empty")]
    EmptyFile,
    #[error("this is not YAML: {message}")]
    Syntax { message: String },
    #[error("a second document begins here, but a grid file holds one")]
    ManyDocuments,
    #[error("nested more than {GRID_DEPTH_MAX} deep")]
    TooDeep,
    #[error("alias refers to the value it stands in")]
    AliasOfItself,
    #[error("anchors and aliases blow this file up beyond reason")]
    AliasBomb,
    #[error("{what} is not supported by this version")]
    Unsupported { what: String },

    #[error("unknown key {key:?}{}", inside(.within))]
    UnknownKey { within: String, key: String, known: &'static [&'static str] },
    #[error("key {key:?} is doubled{}", inside(.within))]
    DoubledKey { within: String, key: String, first: Span },
    #[error("key `{key}` is missing{}", inside(.within))]
    MissingKey { within: String, key: &'static str, example: &'static str },

    #[error("{path}: {found} is not {expected}")]
    WrongType { path: String, found: String, expected: &'static str },
    #[error("{path}: nothing is given, but {expected} is expected")]
    Nothing { path: String, expected: &'static str },
    #[error("{path}: {given} is not in {range}{}", because(.reason))]
    OutOfRange { path: String, given: String, range: String, reason: Option<String> },
    #[error("{path}: unknown {what} {given:?}")]
    UnknownChoice { path: String, what: &'static str, given: String, known: &'static [&'static str] },
    #[error("{path}: the list is empty")]
    EmptyList { path: String },
    #[error("{path}: the range {given} is empty, its first number must not be larger than its last")]
    EmptyRange { path: String, given: String },
    #[error("{path}: {given:?} is not {expected}")]
    BadName { path: String, given: String, expected: &'static str },
    #[error("split: {problem}")]
    BadSplit { given: String, problem: String, known: Vec<String> },
    #[error("recipe.drops: drops come in increasing order of `at`, but {at} follows {before}")]
    DropsOutOfOrder { before: f64, at: f64 },
    #[error("exclude: this entry names no key, so it would drop every cell")]
    ExcludesAll,
    #[error("{cells} cells, but a study may have at most {CELLS_MAX}")]
    TooManyCells { cells: u128 },

    #[error("treatment {treatment} copies layers, but no `n` says how many")]
    NeedsN { treatment: &'static str },
    #[error("treatment {treatment} needs two halves, but the split whole has none")]
    NeedsHalves { treatment: &'static str },
    #[error("dataset: no pack is named {given:?}")]
    UnknownPack { given: String, known: Vec<String> },
    #[error("dataset: images of {height}×{width} pixels are not square, and the recipe does not crop them")]
    NotSquare { height: u32, width: u32 },
    #[error("recipe.crop: {crop} pixels do not fit into images of {height}×{width}")]
    CropTooLarge { crop: u32, height: u32, width: u32 },
    #[error("network: {network} takes {side}×{side} pixels, but {what} {given}×{given}")]
    WrongSide { network: String, side: u32, what: &'static str, given: u32 },
    #[error("network: {network} does not fit these images: {problem}")]
    DoesNotFit { network: String, problem: String },
    #[error(
        "recipe.outputs: {outputs} outputs are too few for the {classes} classes of {split}, half {half}"
    )]
    TooFewOutputs { outputs: u32, classes: usize, split: String, half: Half },
    #[error(
        "split: {split} leaves {classes} of {all} classes in half {half}, but a network needs two to tell apart"
    )]
    TooFewClasses { split: String, half: Half, classes: usize, all: u32 },
    #[error("the grid has no cells: `exclude` drops every one")]
    NoCells,
}

impl Problem {
    /// What to do about it, where that is not plain from the message.
    pub(super) fn help(&self) -> Option<String> {
        match self {
            Self::UnknownKey { key: given, known, .. } | Self::UnknownChoice { given, known, .. } => {
                Some(suggestion(given, known.iter().copied()))
            }
            Self::BadSplit { given, known, .. } => Some(suggestion(given, known.iter().map(String::as_str))),
            Self::UnknownPack { given, known } if !known.is_empty() => {
                Some(suggestion(given, known.iter().map(String::as_str)))
            }
            Self::UnknownPack { given, .. } => {
                Some(format!("no pack is stored yet; import it with `jobctl data import … --name {given}`"))
            }
            Self::MissingKey { example, .. } => Some(format!("for example `{example}`")),
            Self::NeedsN { .. } => Some("for example `n: 1..7`".to_owned()),
            Self::NeedsHalves { .. } => Some(
                "on the whole set there are only base and RnB; leave the others out or `exclude` them"
                    .to_owned(),
            ),
            Self::NotSquare { .. } => Some("set `crop` in the recipe".to_owned()),
            Self::WrongSide { side, .. } => {
                Some(format!("crop to {side} in the recipe, or take another network"))
            }
            Self::TooFewOutputs { .. } => Some("`outputs: classes` always fits".to_owned()),
            Self::TooManyCells { .. } => Some("divide the grid into several studies".to_owned()),
            _ => None,
        }
    }

    /// Another place to show, with the words for it.
    pub(super) fn related(&self) -> Option<(Span, &'static str)> {
        match self {
            Self::DoubledKey { first, .. } => Some((*first, "first given here")),
            _ => None,
        }
    }
}

fn inside(within: &str) -> String {
    if within.is_empty() { String::new() } else { format!(" in `{within}`") }
}

fn because(reason: &Option<String>) -> String {
    reason.as_ref().map_or_else(String::new, |reason| format!(" ({reason})"))
}

fn suggestion<'a>(given: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    match nearest(given, known.clone()) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => format!("known are {}", known.collect::<Vec<_>>().join(", ")),
    }
}

/// The known word that was probably meant: the same but for case, or few letters away.
fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Distances grow with the square of the length; nobody mistypes a word this long.
    if given.chars().count() > 64 {
        return None;
    }
    let lower = given.to_lowercase();
    known
        .into_iter()
        .map(|word| (strsim::damerau_levenshtein(&lower, &word.to_lowercase()), word))
        .filter(|(distance, word)| *distance <= (word.chars().count() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_miss_is_recognised_and_a_far_one_is_not() {
        let known = ["seed", "split", "source_seed", "caffenet-28", "caffenet-28-slim"];
        let nearest = |given| nearest(given, known);
        assert_eq!(nearest("sede"), Some("seed"));
        assert_eq!(nearest("SPLIT"), Some("split"));
        assert_eq!(nearest("cafenet-28-slim"), Some("caffenet-28-slim"));
        assert_eq!(nearest("learning_rate"), None);
        assert_eq!(nearest(&"x".repeat(1 << 20)), None);
    }
}
