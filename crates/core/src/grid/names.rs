//! Names of networks, with the paper's letters: `random-0/A3B+`, `whole/base@k=25#seed=1`.

use std::fmt::Write as _;

use super::axes::Coordinates;
use crate::spec::{Half, ImagesPerClass, Origin};

/// A network's name within its study; different coordinates have different names.
pub(super) fn name(split: &str, cell: &Coordinates) -> String {
    let n = cell.n.unwrap_or(0);
    let target = match cell.target {
        Half::W => String::new(),
        half => half.to_string(),
    };
    let mut name = match cell.treatment.origin() {
        Origin::None => format!("{split}/base{target}"),
        Origin::Own => format!("{split}/{target}{n}{target}"),
        Origin::Other => format!("{split}/{}{n}{target}", cell.target.other()),
        Origin::Random => format!("{split}/R{n}{target}"),
    };
    if cell.treatment.fine_tunes() {
        name.push('+');
    }
    if let ImagesPerClass::First(images) = cell.images_per_class {
        write!(name, "@k={images}").expect("a string takes everything");
    }
    if cell.seed != 0 {
        write!(name, "#seed={}", cell.seed).expect("a string takes everything");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::treatment::NamedTreatment::{self, AnB, AnBPlus, Base, BnB, BnBPlus, RnB};

    #[test]
    fn names_are_the_papers() {
        let named = |split, treatment: NamedTreatment, n, target, images_per_class, seed| {
            name(split, &Coordinates { split: 0, treatment, n, target, seed, images_per_class })
        };
        let (all, few) = (ImagesPerClass::All, ImagesPerClass::First(25));
        assert_eq!(named("random-0", Base, None, Half::B, all, 0), "random-0/baseB");
        assert_eq!(named("random-0", AnB, Some(3), Half::B, all, 0), "random-0/A3B");
        assert_eq!(named("random-0", AnBPlus, Some(3), Half::A, all, 0), "random-0/B3A+");
        assert_eq!(named("random-0", BnB, Some(7), Half::A, all, 0), "random-0/A7A");
        assert_eq!(named("random-0", BnBPlus, Some(3), Half::B, all, 0), "random-0/B3B+");
        assert_eq!(named("random-0", RnB, Some(3), Half::B, all, 0), "random-0/R3B");
        assert_eq!(named("whole", RnB, Some(3), Half::W, all, 0), "whole/R3");
        assert_eq!(named("whole", Base, None, Half::W, few, 0), "whole/base@k=25");
        assert_eq!(named("random-0", AnB, Some(3), Half::B, few, 1), "random-0/A3B@k=25#seed=1");
    }
}
