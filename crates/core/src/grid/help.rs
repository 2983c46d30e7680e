//! What to do about a mistake in a grid, where that is not plain from the message.

use super::{problem::Problem, recipe};
use crate::{
    ids::Name,
    nearest::nearest,
    network::{Network, PRESETS},
};

impl Problem {
    /// What to do about it, where that is not plain from the message.
    pub(crate) fn help(&self) -> Option<String> {
        match self {
            Self::Syntax { message } => syntax_help(message).map(str::to_owned),
            Self::UnknownKey { within, key, known } => Some(key_help(within, key, known)),
            Self::UnknownChoice { given, known, .. } => Some(suggestion(given, known.iter().copied())),
            Self::WrongType { path, found, expected } => type_help(path, found, expected),
            Self::BadName { given, expected, .. } => name_like(given, expected),
            Self::RecipeIsAWord { given } => Some(format!("write `recipe: {{preset: {given}}}`")),
            Self::WeightsFile { given } => Some(format!(
                "import it first, `jobctl data import-weights {given} … --name my-weights`, and give that name"
            )),
            Self::BadSplit { given, known, .. } => Some(suggestion(given, known.iter().map(String::as_str))),
            Self::UnknownPack { given, known } if !known.is_empty() => {
                Some(suggestion(given, known.iter().map(String::as_str)))
            }
            Self::UnknownPack { given, .. } => {
                Some(format!("no pack is stored yet; import it with `jobctl data import … --name {given}`"))
            }
            Self::MissingKey { example, within, .. } => {
                let also = if is_entry(within) { ", here or at the top level" } else { "" };
                Some(format!("for example `{example}`{also}"))
            }
            Self::MisplacedKey { key, .. } if key == "grids" => {
                Some("unions do not nest; write its entries beside this one".to_owned())
            }
            Self::MisplacedKey { .. } => Some("a study has one; move the key to the top level".to_owned()),
            Self::NeedsLongForm { example, .. } => {
                Some(format!("write the long form, for example `{example}`"))
            }
            Self::FreezesMore { .. } => Some("freeze fewer, or copy more".to_owned()),
            Self::UnknownWeights { given, known } => Some(weights_like(given, known)),
            Self::WeightsMisfit { .. } => {
                Some("copy fewer layers, or import weights of this network".to_owned())
            }
            Self::MeanOfWeights { .. } => {
                Some("write `recipe: {mean_image: target}`, here or in an entry of `grids`".to_owned())
            }
            Self::SameName { other: Some(_), .. } => {
                Some("give this entry a `label`, which then stands in its networks' names".to_owned())
            }
            Self::SameName { other: None, .. } => {
                Some("divide them into entries of `grids` and give each a `label`".to_owned())
            }
            Self::MissingFile { .. } => Some(
                "paths are relative to the grid file; a preset's name has neither `/` nor `.yaml`".to_owned(),
            ),
            Self::ExcludesByLongForm => Some(
                "name it as the plan does, for example `AnB-partial`, and its number of layers with `n`"
                    .to_owned(),
            ),
            Self::NeedsN { .. } => Some("for example `n: 1..7`".to_owned()),
            Self::NeedsHalves { .. } => Some(
                "on the whole set there are only base, RnB and imported weights; leave the others out or \
                 `exclude` them"
                    .to_owned(),
            ),
            Self::NotSquare { .. } => Some("set `crop` in the recipe".to_owned()),
            Self::WrongSide { side, given, .. } => Some(side_help(*side, *given)),
            Self::TooFewOutputs { .. } => Some("`outputs: classes` always fits".to_owned()),
            Self::TooManyCells { .. } => Some("divide the grid into several studies".to_owned()),
            Self::InNetworkFile(problem) => problem.help(),
            _ => None,
        }
    }
}

/// Whether this path is that of an entry of `grids` itself.
fn is_entry(within: &str) -> bool {
    within.starts_with("grids[") && within.ends_with(']')
}

/// What usually lies behind a message of the YAML parser.
fn syntax_help(message: &str) -> Option<&'static str> {
    let causes = [
        ("tab", "indent with spaces"),
        ("mapping values are not allowed", "text with `: ` in it stands in quotes"),
        ("illegal placement", "is a bracket or a quote not closed in a line above?"),
        ("unclosed", "close it, or put the text in quotes"),
    ];
    causes.iter().find(|(words, _)| message.contains(words)).map(|(_, help)| *help)
}

/// Keys of other programs, and ours for the same thing.
const SYNONYMS: &[(&str, &str)] = &[
    ("batch_size", "batch"),
    ("copied", "copy"),
    ("data", "dataset"),
    ("depth", "n"),
    ("epochs", "iterations"),
    ("filters", "outputs"),
    ("from", "source"),
    ("frozen", "freeze"),
    ("half", "direction"),
    ("kernel_size", "kernel"),
    ("layers", "n"),
    ("lr", "learning_rate"),
    ("model", "network"),
    ("name", "study"),
    ("out_channels", "outputs"),
    ("padding", "pad"),
    ("steps", "iterations"),
    ("units", "outputs"),
    ("weight_decay", "decay"),
];

fn key_help(within: &str, given: &str, known: &[&str]) -> String {
    let meant = SYNONYMS.iter().find(|(theirs, ours)| *theirs == given && known.contains(ours));
    if let Some((_, ours)) = meant {
        return format!("did you mean `{ours}`?");
    }
    let is_of_recipe = recipe::KEYS.contains(&given);
    if is_of_recipe && (within.is_empty() || is_entry(within)) {
        return format!("it belongs into `recipe`: `recipe: {{{given}: …}}`");
    }
    suggestion(given, known.iter().copied())
}

fn type_help(path: &str, found: &str, expected: &str) -> Option<String> {
    if found.starts_with("the text ") {
        return Some("numbers, `true` and `false` stand without quotes".to_owned());
    }
    if path == "exclude" {
        return Some("name values of axes, for example `{treatment: AnB, n: 3}`".to_owned());
    }
    let is_count = expected.starts_with("a whole number") && found.starts_with(|c: char| c.is_ascii_digit());
    let is_abbreviated =
        found.contains('_') || found.ends_with(['k', 'K', 'm', 'M']) || found.contains(['e', 'E']);
    (is_count && is_abbreviated).then(|| "write it in digits, for example `450000`".to_owned())
}

/// A name of a study or label that this one may have been meant to be.
fn name_like(given: &str, expected: &str) -> Option<String> {
    if !expected.ends_with("of a-z 0-9 -)") || given.ends_with('…') {
        return None;
    }
    let letters = given.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' });
    let name = letters.collect::<String>();
    let name = name.trim_matches('-');
    Name::of_study(name).map(|name| format!("for example `{name}`"))
}

fn side_help(side: u32, given: u32) -> String {
    let presets = PRESETS.iter().filter(|name| Network::preset(name).is_some_and(|it| it.side == given));
    match presets.copied().collect::<Vec<_>>().as_slice() {
        [] => format!("crop to {side} in the recipe, or take another network"),
        fitting => format!("crop to {side} in the recipe, or take {}", fitting.join(" or ")),
    }
}

/// Advice on weights that nobody imported; the other words that may stand there are known too.
fn weights_like(given: &str, known: &[String]) -> String {
    let words = ["self", "other", "random"];
    let all = words.into_iter().chain(known.iter().map(String::as_str));
    match (nearest(given, all), known.is_empty()) {
        (Some(nearest), _) => format!("did you mean `{nearest}`?"),
        (None, false) => suggestion(given, known.iter().map(String::as_str)),
        (None, true) => format!(
            "none are imported yet; `jobctl data import-weights … --name {given}`, or one of self, other, random"
        ),
    }
}

pub(crate) fn suggestion<'a>(given: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    match nearest(given, known.clone()) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => format!("known are {}", known.collect::<Vec<_>>().join(", ")),
    }
}
