//! Treatments as grids say them, their names, and the two directions.
//!
//! The letters are those of Yosinski et al. 2014, section 2; output always uses them.
//! Reading the long form is `long_form`'s business.

use std::sync::Arc;

use crate::spec::{Half, Origin, Treatment};

/// Where a grid takes the first layers from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum LayersFrom {
    Nowhere,
    Own,
    Other,
    Random,
    /// Imported weights, by their name or digest as the grid gives it.
    Imported(Arc<str>),
}

/// How many layers are copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Copied {
    /// What the axis `n` says.
    N,
    Layers(u8),
}

/// How many of the copied layers are frozen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Frozen {
    All,
    /// What the axis `n` says.
    N,
    Layers(u8),
}

/// A treatment; the axis `n` fills in what it leaves open.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct TreatmentRule {
    pub(super) from: LayersFrom,
    copied: Copied,
    frozen: Frozen,
}

impl TreatmentRule {
    /// The same treatment has one rule, whichever way it is written.
    pub(super) fn new(from: LayersFrom, copied: Copied, frozen: Frozen) -> Self {
        let frozen = match (copied, frozen) {
            (Copied::N, Frozen::N) => Frozen::All,
            (Copied::Layers(copied), Frozen::Layers(frozen)) if copied == frozen => Frozen::All,
            _ => frozen,
        };
        Self { from, copied, frozen }
    }

    fn shorthand(from: LayersFrom, frozen: Frozen) -> Self {
        Self::new(from, Copied::N, frozen)
    }

    /// Where the first layers come from.
    pub(super) fn origin(&self) -> Origin {
        match self.from {
            LayersFrom::Nowhere => Origin::None,
            LayersFrom::Own => Origin::Own,
            LayersFrom::Other => Origin::Other,
            LayersFrom::Random => Origin::Random,
            LayersFrom::Imported(_) => Origin::Imported,
        }
    }

    /// The imported weights that it names.
    pub(super) fn weights(&self) -> Option<&Arc<str>> {
        match &self.from {
            LayersFrom::Imported(weights) => Some(weights),
            _ => None,
        }
    }

    /// Whether it needs halves, and does not exist on the whole set.
    pub(super) fn needs_halves(&self) -> bool {
        matches!(self.origin(), Origin::Own | Origin::Other)
    }

    /// Whether the axis `n` makes a difference to it.
    pub(super) fn uses_n(&self) -> bool {
        self.from != LayersFrom::Nowhere && (self.copied == Copied::N || self.frozen == Frozen::N)
    }

    /// The treatment where the axis says `n`.
    pub(super) fn with(&self, n: u8) -> Treatment {
        let origin = self.origin();
        if origin == Origin::None {
            return Treatment { origin, layers_copied: 0, layers_frozen: 0 };
        }
        let layers_copied = match self.copied {
            Copied::N => n,
            Copied::Layers(layers) => layers,
        };
        let layers_frozen = match self.frozen {
            Frozen::All => layers_copied,
            Frozen::N => n,
            Frozen::Layers(layers) => layers,
        };
        Treatment { origin, layers_copied, layers_frozen }
    }

    /// As a person would write it: the shorthand if there is one.
    pub(super) fn written(&self) -> String {
        let source = match &self.from {
            LayersFrom::Nowhere => return "base".to_owned(),
            LayersFrom::Own => "self",
            LayersFrom::Other => "other",
            LayersFrom::Random => "random",
            LayersFrom::Imported(weights) => weights,
        };
        let copied = match self.copied {
            Copied::N => "n".to_owned(),
            Copied::Layers(layers) => layers.to_string(),
        };
        let frozen = match self.frozen {
            Frozen::All => "all".to_owned(),
            Frozen::N => "n".to_owned(),
            Frozen::Layers(layers) => layers.to_string(),
        };
        let is_short = self.copied == Copied::N && matches!(self.frozen, Frozen::All | Frozen::Layers(0));
        match self.origin() {
            Origin::Own | Origin::Other | Origin::Random if is_short => name(self.with(1)).to_owned(),
            _ => format!("{{source: {source}, copy: {copied}, freeze: {frozen}}}"),
        }
    }
}

/// The words for all, some and none of the copied layers frozen.
type Names = [&'static str; 3];

const OWN: Names = ["BnB", "BnB-partial", "BnB+"];
const OTHER: Names = ["AnB", "AnB-partial", "AnB+"];
const RANDOM: Names = ["RnB", "RnB-partial", "RnB+"];
const IMPORTED: Names = ["InB", "InB-partial", "InB+"];

/// The name of a treatment in plans and reports.
pub(super) fn name(treatment: Treatment) -> &'static str {
    let [all, some, none] = match treatment.origin {
        Origin::None => return "base",
        Origin::Own => OWN,
        Origin::Other => OTHER,
        Origin::Random => RANDOM,
        Origin::Imported => IMPORTED,
    };
    match treatment.layers_frozen {
        0 => none,
        frozen if frozen < treatment.layers_copied => some,
        _ => all,
    }
}

/// Words that `treatment` accepts; see [`shorthand`].
pub(super) const SHORTHANDS: &[&str] = &[
    "base",
    "BnB",
    "BnB+",
    "AnB",
    "AnB+",
    "RnB",
    "RnB+",
    "selffer",
    "selffer+",
    "transfer",
    "transfer+",
    "random",
];

/// The treatment of one of [`SHORTHANDS`].
pub(super) fn shorthand(word: &str) -> Option<TreatmentRule> {
    let (from, frozen) = match word {
        "base" => (LayersFrom::Nowhere, Frozen::All),
        "BnB" | "selffer" => (LayersFrom::Own, Frozen::All),
        "BnB+" | "selffer+" => (LayersFrom::Own, Frozen::Layers(0)),
        "AnB" | "transfer" => (LayersFrom::Other, Frozen::All),
        "AnB+" | "transfer+" => (LayersFrom::Other, Frozen::Layers(0)),
        "RnB" | "random" => (LayersFrom::Random, Frozen::All),
        "RnB+" => (LayersFrom::Random, Frozen::Layers(0)),
        _ => return None,
    };
    Some(TreatmentRule::shorthand(from, frozen))
}

/// Words that `exclude` accepts for a treatment; see [`plan_name`].
pub(super) const NAMES: &[&str] = &[
    "base",
    "BnB",
    "BnB-partial",
    "BnB+",
    "AnB",
    "AnB-partial",
    "AnB+",
    "RnB",
    "RnB-partial",
    "RnB+",
    "InB",
    "InB-partial",
    "InB+",
    "selffer",
    "selffer+",
    "transfer",
    "transfer+",
    "random",
];

/// The name in plans that one of [`NAMES`] means.
pub(super) fn plan_name(word: &'static str) -> &'static str {
    shorthand(word).map_or(word, |rule| name(rule.with(1)))
}

/// From which half to which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Direction {
    AtoB,
    BtoA,
}

/// Words that `direction` accepts, and what they mean.
pub(super) const DIRECTIONS: (&[&str], &[Direction]) =
    (&["AtoB", "BtoA"], &[Direction::AtoB, Direction::BtoA]);

impl Direction {
    /// The right-hand half.
    pub(super) fn target(self) -> Half {
        match self {
            Self::AtoB => Half::B,
            Self::BtoA => Half::A,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn treatments_freeze_what_the_paper_says() {
        let of = |origin, layers_copied, layers_frozen| Treatment { origin, layers_copied, layers_frozen };
        for (word, expected) in [
            ("base", of(Origin::None, 0, 0)),
            ("BnB", of(Origin::Own, 3, 3)),
            ("BnB+", of(Origin::Own, 3, 0)),
            ("AnB", of(Origin::Other, 3, 3)),
            ("AnB+", of(Origin::Other, 3, 0)),
            ("RnB", of(Origin::Random, 3, 3)),
            ("RnB+", of(Origin::Random, 3, 0)),
        ] {
            let rule = shorthand(word).unwrap();
            assert_eq!(rule.with(3), expected);
            assert_eq!((name(rule.with(3)), rule.written().as_str()), (word, word));
        }
    }

    #[test]
    fn every_word_is_known() {
        assert!(SHORTHANDS.iter().all(|word| shorthand(word).is_some()));
        let (names, synonyms) = NAMES.split_at(13);
        for word in names {
            let meant = shorthand(word).map(|rule| super::name(rule.with(3)));
            assert!(meant.is_none_or(|meant| meant == *word), "{word}");
            assert_eq!(plan_name(word), *word);
        }
        let meant: Vec<_> = synonyms.iter().map(|word| plan_name(word)).collect();
        assert_eq!(synonyms, ["selffer", "selffer+", "transfer", "transfer+", "random"]);
        assert_eq!(meant, ["BnB", "BnB+", "AnB", "AnB+", "RnB"]);
    }

    #[test]
    fn a_partly_frozen_treatment_has_a_name_of_its_own() {
        let rule = TreatmentRule::new(LayersFrom::Other, Copied::Layers(5), Frozen::Layers(3));
        assert_eq!((name(rule.with(9)), rule.uses_n()), ("AnB-partial", false));
        assert_eq!(rule.written(), "{source: other, copy: 5, freeze: 3}");
    }
}
