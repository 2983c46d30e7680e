//! The classes of ILSVRC2012: their WordNet ids, their half of `manmade-natural`, their names.
//!
//! The halves are those of Yosinski et al. 2014, section 4.3, read from the authors' lists; the
//! order, by WordNet id, is that of their labels. Sets made of some of these classes (Tiny
//! ImageNet, a lab's own selection) are recognised by their ids and get the same grouping.

use std::{collections::BTreeMap, sync::LazyLock};

use crate::spec::Half;

/// The grouping that these sets come with.
pub const MANMADE_NATURAL: &str = "manmade-natural";

/// One class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownClass {
    /// WordNet id, as `n01440764`.
    pub wnid: &'static str,
    /// A is man-made, B natural.
    pub half: Half,
    /// The first of its words.
    pub name: &'static str,
}

static CLASSES: LazyLock<Vec<KnownClass>> = LazyLock::new(|| {
    let line = |line: &'static str| {
        let mut words = line.splitn(3, ' ');
        let (wnid, half, name) = (words.next()?, words.next()?, words.next()?);
        let half = if half == "A" { Half::A } else { Half::B };
        Some(KnownClass { wnid, half, name })
    };
    include_str!("ilsvrc2012_classes.txt").lines().filter_map(line).collect()
});

/// All 1000, in the order of their labels.
#[must_use]
pub fn classes() -> &'static [KnownClass] {
    &CLASSES
}

/// The class of this WordNet id.
#[must_use]
pub fn class(wnid: &str) -> Option<&'static KnownClass> {
    let index = CLASSES.binary_search_by(|class| class.wnid.cmp(wnid)).ok()?;
    Some(&CLASSES[index])
}

/// The groupings of a set whose classes have these WordNet ids: none if one is not of
/// ILSVRC2012, or if all are of one half.
#[must_use]
pub fn groupings<'a>(wnids: impl IntoIterator<Item = &'a str>) -> BTreeMap<String, Vec<Half>> {
    let halves: Option<Vec<Half>> = wnids.into_iter().map(|wnid| Some(class(wnid)?.half)).collect();
    let is_grouping = |halves: &Vec<Half>| halves.contains(&Half::A) && halves.contains(&Half::B);
    halves.filter(is_grouping).map(|halves| (MANMADE_NATURAL.to_owned(), halves)).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_551_manmade_and_449_natural_classes_in_the_order_of_their_ids() {
        assert_eq!(classes().len(), 1_000);
        assert!(classes().is_sorted_by(|one, next| one.wnid < next.wnid));
        assert_eq!(classes().iter().filter(|class| class.half == Half::A).count(), 551);
    }

    #[test]
    fn a_selection_of_classes_has_their_halves_and_a_stranger_ends_that() {
        let (tench, bathtub) = ("n01440764", "n02808440");
        assert_eq!(class(tench).map(|class| class.name), Some("tench"));
        let known = groupings([bathtub, tench]);
        assert_eq!(known[MANMADE_NATURAL], [Half::A, Half::B]);
        assert!(groupings([tench, "n99999999"]).is_empty());
        assert!(groupings([tench, tench]).is_empty());
    }
}
