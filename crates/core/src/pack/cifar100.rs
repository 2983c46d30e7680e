//! The classes of CIFAR-100 and their superclasses, as its author lists them (Krizhevsky 2009).
//!
//! Two groupings come with them. `manmade-natural` is ours, by superclass, like the one of
//! Yosinski et al. 2014 for ILSVRC2012. `coarse` divides the superclasses themselves, in
//! the order of their labels, so that the halves share none.

use std::{collections::BTreeMap, sync::LazyLock};

use super::ilsvrc2012::MANMADE_NATURAL;
use crate::spec::Half;

/// The grouping by superclasses.
pub const COARSE: &str = "coarse";

/// The superclasses, in the order of the coarse labels.
pub const SUPERCLASSES: [&str; 20] = [
    "aquatic_mammals",
    "fish",
    "flowers",
    "food_containers",
    "fruit_and_vegetables",
    "household_electrical_devices",
    "household_furniture",
    "insects",
    "large_carnivores",
    "large_man-made_outdoor_things",
    "large_natural_outdoor_scenes",
    "large_omnivores_and_herbivores",
    "medium_mammals",
    "non-insect_invertebrates",
    "people",
    "reptiles",
    "small_mammals",
    "trees",
    "vehicles_1",
    "vehicles_2",
];
/// Those of man-made things: containers, devices, furniture, outdoor things and vehicles.
const MANMADE: [u32; 6] = [3, 5, 6, 9, 18, 19];
/// The first superclass of half B in `coarse`.
const COARSE_B: u32 = 10;

/// One class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownClass {
    /// What its author calls it.
    pub name: &'static str,
    /// The label of its superclass.
    pub superclass: u32,
}

static CLASSES: LazyLock<Vec<KnownClass>> = LazyLock::new(|| {
    let line = |line: &'static str| {
        let (name, superclass) = line.split_once(' ')?;
        let superclass = (0..).zip(SUPERCLASSES).find(|(_, known)| *known == superclass)?.0;
        Some(KnownClass { name, superclass })
    };
    include_str!("cifar100_classes.txt").lines().filter_map(line).collect()
});

/// All 100, in the order of their fine labels.
#[must_use]
pub fn classes() -> &'static [KnownClass] {
    &CLASSES
}

/// The groupings of the set.
#[must_use]
pub fn groupings() -> BTreeMap<String, Vec<Half>> {
    let halves = |is_a: fn(u32) -> bool| -> Vec<Half> {
        classes().iter().map(|class| if is_a(class.superclass) { Half::A } else { Half::B }).collect()
    };
    let manmade = halves(|superclass| MANMADE.contains(&superclass));
    let coarse = halves(|superclass| superclass < COARSE_B);
    [(MANMADE_NATURAL.to_owned(), manmade), (COARSE.to_owned(), coarse)].into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_superclass_has_five_of_the_100_classes_in_the_order_of_their_names() {
        assert_eq!(classes().len(), 100);
        assert!(classes().is_sorted_by(|one, next| one.name < next.name));
        assert!(SUPERCLASSES.is_sorted());
        for superclass in 0..20 {
            assert_eq!(classes().iter().filter(|class| class.superclass == superclass).count(), 5);
        }
    }

    #[test]
    fn thirty_classes_are_manmade_and_the_coarse_halves_share_no_superclass() {
        let groupings = groupings();
        assert_eq!(groupings[MANMADE_NATURAL].iter().filter(|half| **half == Half::A).count(), 30);
        for (class, half) in classes().iter().zip(&groupings[COARSE]) {
            assert_eq!(*half == Half::A, class.superclass < 10, "{}", class.name);
        }
    }
}
