//! Everything that can be wrong with a grid, and the words for it.
//!
//! A message names the key, the value and what was expected; `help` says what to do.

use super::error::Span;
use crate::{
    limits::{CELLS_MAX, GRID_BYTES_MAX, GRID_DEPTH_MAX},
    network::file::NetworkProblem,
    spec::Half,
};

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(crate) enum Problem {
    #[error("file has {bytes} bytes, but may have at most {GRID_BYTES_MAX}")]
    FileTooLarge { bytes: usize },
    #[error("file is empty")]
    EmptyFile,
    #[error("this is not YAML: {message}")]
    Syntax { message: String },
    #[error("a second document begins here, but a file holds one")]
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
    #[error("key `{key}` stands only at the top level, not in `{within}`")]
    MisplacedKey { within: String, key: String },
    #[error("key `{key}` is missing{}", inside(.within))]
    MissingKey { within: String, key: &'static str, example: &'static str },

    #[error("recipe: {given} is not a mapping of keys to values")]
    RecipeIsAWord { given: String },
    #[error("treatment.source: {given} is a file, not the name of imported weights")]
    WeightsFile { given: String },
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
    #[error("exclude.treatment: a mapping is not the name of a treatment")]
    ExcludesByLongForm,
    #[error("{cells} cells, but a study may have at most {CELLS_MAX}")]
    TooManyCells { cells: u128 },

    #[error("treatment {treatment} copies layers, but no `n` says how many")]
    NeedsN { treatment: String },
    #[error("treatment {treatment} needs two halves, but the split whole has none")]
    NeedsHalves { treatment: String },
    #[error("treatment: {given:?} is only a name in plans and reports, it does not say {lacks}")]
    NeedsLongForm { given: String, lacks: &'static str, example: &'static str },
    #[error("treatment.freeze: {frozen} of {copied} copied layers cannot be frozen")]
    FreezesMore { frozen: u8, copied: u8 },
    #[error("treatment.source: no imported weights are named {given:?}")]
    UnknownWeights { given: String, known: Vec<String> },
    #[error("treatment.source: the weights {weights:?} do not fit {network}: {problem}")]
    WeightsMisfit { weights: String, network: String, problem: String },
    #[error(
        "treatment.source: the images behind the weights {weights:?} are not known, and mean_image is source"
    )]
    MeanOfWeights { weights: String },
    #[error("two networks that differ in {differ} would both be named {name}{}", and_more(.more))]
    SameName { name: String, more: usize, differ: String, other: Option<Span> },
    #[error("network: the file {given} is not there")]
    MissingFile { given: String },
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
    #[error(transparent)]
    InNetworkFile(#[from] NetworkProblem),
}

impl Problem {
    /// Another place to show, with the words for it.
    pub(crate) fn related(&self) -> Option<(Span, &'static str)> {
        match self {
            Self::DoubledKey { first, .. } => Some((*first, "first given here")),
            Self::SameName { other: Some(other), .. } => Some((*other, "the other one is from here")),
            Self::InNetworkFile(problem) => problem.related(),
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

fn and_more(more: &usize) -> String {
    match more {
        0 => String::new(),
        1 => " (and so with 1 more name)".to_owned(),
        more => format!(" (and so with {more} more names)"),
    }
}
