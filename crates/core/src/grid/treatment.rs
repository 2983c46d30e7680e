//! The six treatments and the two directions by the names people use.
//!
//! The letters are those of Yosinski et al. 2014, section 2; output always uses them.

use crate::spec::{Half, Origin, Treatment};

/// A treatment without its n.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum NamedTreatment {
    Base,
    BnB,
    BnBPlus,
    AnB,
    AnBPlus,
    RnB,
}

use NamedTreatment::{AnB, AnBPlus, Base, BnB, BnBPlus, RnB};

/// Words that `treatment` accepts, and what they mean.
pub(super) const TREATMENTS: (&[&str], &[NamedTreatment]) = (
    &["base", "BnB", "BnB+", "AnB", "AnB+", "RnB", "selffer", "selffer+", "transfer", "transfer+", "random"],
    &[Base, BnB, BnBPlus, AnB, AnBPlus, RnB, BnB, BnBPlus, AnB, AnBPlus, RnB],
);

impl NamedTreatment {
    /// The paper's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Base => "base",
            BnB => "BnB",
            BnBPlus => "BnB+",
            AnB => "AnB",
            AnBPlus => "AnB+",
            RnB => "RnB",
        }
    }

    /// Where the first layers come from.
    pub(super) fn origin(self) -> Origin {
        match self {
            Base => Origin::None,
            BnB | BnBPlus => Origin::Own,
            AnB | AnBPlus => Origin::Other,
            RnB => Origin::Random,
        }
    }

    /// Whether copied layers go on learning.
    pub(super) fn fine_tunes(self) -> bool {
        matches!(self, BnBPlus | AnBPlus)
    }

    /// Whether it needs halves, and does not exist on the whole set.
    pub(super) fn needs_halves(self) -> bool {
        matches!(self.origin(), Origin::Own | Origin::Other)
    }

    /// The treatment of a network with n copied layers; none for base.
    pub(super) fn with(self, n: Option<u8>) -> Treatment {
        let layers_copied = n.unwrap_or(0);
        let layers_frozen = if self.fine_tunes() { 0 } else { layers_copied };
        Treatment { origin: self.origin(), layers_copied, layers_frozen }
    }
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
        assert_eq!(Base.with(None), of(Origin::None, 0, 0));
        assert_eq!(BnB.with(Some(3)), of(Origin::Own, 3, 3));
        assert_eq!(BnBPlus.with(Some(3)), of(Origin::Own, 3, 0));
        assert_eq!(AnB.with(Some(3)), of(Origin::Other, 3, 3));
        assert_eq!(AnBPlus.with(Some(3)), of(Origin::Other, 3, 0));
        assert_eq!(RnB.with(Some(3)), of(Origin::Random, 3, 3));
    }

    #[test]
    fn the_first_words_are_the_paper_names() {
        for (word, treatment) in TREATMENTS.0.iter().zip(TREATMENTS.1).take(6) {
            assert_eq!(*word, treatment.name());
        }
        assert_eq!(TREATMENTS.0.len(), TREATMENTS.1.len());
    }
}
