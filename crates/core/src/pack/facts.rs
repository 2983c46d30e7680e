//! What planning and expansion need to know about a pack: shapes and counts, no pixels.
//!
//! Facts come from a pack's manifest; those of well-known sets are built in, so that a
//! study can be planned on a machine that has neither pack nor coordinator. Built-in facts
//! carry no digest, because that depends on how the set was imported.

use std::collections::BTreeMap;

use super::{
    PackManifest, cifar100,
    ilsvrc2012::{self, MANMADE_NATURAL},
};
use crate::{
    ids::Digest,
    spec::{Half, ImageShape},
};

/// Shapes and counts of one pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackFacts {
    /// The pack's digest; none for facts that are built in.
    pub digest: Option<Digest>,
    /// Shape of every image.
    pub image: ImageShape,
    /// How many classes there are.
    pub class_count: u32,
    /// Groupings: for each class index its half, A or B.
    pub groupings: BTreeMap<String, Vec<Half>>,
    /// Training images of each class, by class index.
    pub train_per_class: Vec<u64>,
    /// Validation images of each class, by class index.
    pub validation_per_class: Vec<u64>,
}

/// The sets whose facts are built in.
pub const WELL_KNOWN: &[&str] = &["fashion-mnist", "mnist", "cifar-10", "cifar-100", "ilsvrc2012"];

const MNIST_TRAIN: [u64; 10] = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949];
const MNIST_VALIDATION: [u64; 10] = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009];
// Aeroplane, car, bird, cat, deer, dog, frog, horse, ship, truck.
const CIFAR_10_MANMADE: [bool; 10] = [true, true, false, false, false, false, false, false, true, true];

impl PackFacts {
    /// The facts of a well-known set by its usual name.
    ///
    /// The training images of `ilsvrc2012` are given as 1300 in every class, which is the
    /// largest count there and that of most classes; the smallest is 732.
    #[must_use]
    pub fn well_known(name: &str) -> Option<Self> {
        let facts = match name {
            "fashion-mnist" => Self::built_in(square(28, 1), vec![6_000; 10], vec![1_000; 10]),
            "mnist" => Self::built_in(square(28, 1), MNIST_TRAIN.into(), MNIST_VALIDATION.into()),
            "cifar-10" => Self::built_in(square(32, 3), vec![5_000; 10], vec![1_000; 10])
                .with_manmade_natural(CIFAR_10_MANMADE),
            "cifar-100" => Self::built_in(square(32, 3), vec![500; 100], vec![100; 100])
                .with_groupings(cifar100::groupings()),
            "ilsvrc2012" => Self::built_in(square(256, 3), vec![1_300; 1_000], vec![50; 1_000])
                .with_groupings(ilsvrc2012::groupings(ilsvrc2012::classes().iter().map(|class| class.wnid))),
            _ => return None,
        };
        Some(facts)
    }

    fn built_in(image: ImageShape, train_per_class: Vec<u64>, validation_per_class: Vec<u64>) -> Self {
        Self {
            digest: None,
            image,
            class_count: train_per_class.len() as u32,
            groupings: BTreeMap::new(),
            train_per_class,
            validation_per_class,
        }
    }

    fn with_manmade_natural(self, is_manmade: impl IntoIterator<Item = bool>) -> Self {
        let halves = is_manmade.into_iter().map(|manmade| if manmade { Half::A } else { Half::B });
        self.with_groupings([(MANMADE_NATURAL.to_owned(), halves.collect())].into())
    }

    fn with_groupings(self, groupings: BTreeMap<String, Vec<Half>>) -> Self {
        Self { groupings, ..self }
    }

    /// Validation images of these classes together.
    #[must_use]
    pub fn validation_images(&self, classes: &[u32]) -> u64 {
        classes.iter().filter_map(|class| self.validation_per_class.get(*class as usize)).sum()
    }
}

impl From<&PackManifest> for PackFacts {
    fn from(manifest: &PackManifest) -> Self {
        Self {
            digest: Some(manifest.digest()),
            image: manifest.image,
            class_count: manifest.classes.len() as u32,
            groupings: manifest.groupings.clone(),
            train_per_class: manifest.train.images_per_class.clone(),
            validation_per_class: manifest.validation.images_per_class.clone(),
        }
    }
}

fn square(side: u32, channels: u32) -> ImageShape {
    ImageShape { height: side, width: side, channels }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_counts_are_those_of_the_published_sets() {
        let images = |name: &str| {
            let facts = PackFacts::well_known(name).unwrap();
            (facts.train_per_class.iter().sum::<u64>(), facts.validation_per_class.iter().sum::<u64>())
        };
        assert_eq!(images("fashion-mnist"), (60_000, 10_000));
        assert_eq!(images("mnist"), (60_000, 10_000));
        assert_eq!(images("cifar-10"), (50_000, 10_000));
        assert_eq!(images("cifar-100"), (50_000, 10_000));
        assert_eq!(images("ilsvrc2012").1, 50_000);
    }

    #[test]
    fn every_well_known_name_has_facts_and_whole_groupings() {
        for name in WELL_KNOWN {
            let facts = PackFacts::well_known(name).unwrap();
            for halves in facts.groupings.values() {
                assert_eq!(halves.len(), facts.class_count as usize, "{name}");
            }
        }
    }
}
