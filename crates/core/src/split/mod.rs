//! How classes are divided into halves.
//!
//! A split is a rule and a class count; the same rule gives the same halves on every
//! machine, for ever. `random-K` repeats the draws of Yosinski et al. 2014. Which images
//! belong to a class is the pack's business.

mod grouping;
mod numpy_legacy;
mod random;
mod similar;

use std::{collections::BTreeMap, fmt, str::FromStr};

use crate::{
    ids::Name,
    spec::{Classes, Half},
};

/// A rule that divides classes into halves A and B.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SplitRule {
    /// `random-K`: the K-th draw of the paper.
    Random(u32),
    /// A grouping of the pack, by its name.
    Grouping(String),
    /// `similar-GROUPING-K`: each group divided evenly, the matched control for a grouping.
    Similar {
        /// The grouping whose groups are divided.
        grouping: String,
        /// Which draw.
        draw: u32,
    },
    /// `whole`: all classes, not divided.
    Whole,
}

/// The two halves, as increasing original class indices. For `whole`, A is everything
/// and B is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Halves {
    /// Half A.
    pub a: Vec<u32>,
    /// Half B.
    pub b: Vec<u32>,
}

/// Why a rule gives no halves.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// Not a rule at all.
    #[error("{given:?} is not a split; expected random-K, similar-GROUPING-K, whole or a grouping's name")]
    NotASplit {
        /// What was given, cut to 128 characters.
        given: String,
    },
    /// The pack has no grouping of that name.
    #[error("the pack has no grouping {grouping:?}; {}", known_groupings(.known))]
    UnknownGrouping {
        /// What was asked for.
        grouping: String,
        /// What the pack has.
        known: Vec<String>,
    },
    /// The grouping speaks of more or fewer classes than there are.
    #[error("grouping {grouping:?} divides {grouped} classes, but there are {class_count}")]
    GroupingLength {
        /// Its name.
        grouping: String,
        /// How many classes it divides.
        grouped: usize,
        /// How many classes there are.
        class_count: u32,
    },
    /// The grouping puts a class in neither A nor B.
    #[error("grouping {grouping:?} puts class {class_index} in neither A nor B")]
    NotAHalf {
        /// Its name.
        grouping: String,
        /// The first such class.
        class_index: u32,
    },
    /// A half would have no class.
    #[error("{split} of {class_count} classes leaves half {half} empty")]
    EmptyHalf {
        /// The rule's name.
        split: String,
        /// How many classes there are.
        class_count: u32,
        /// The empty half.
        half: Half,
    },
}

fn known_groupings(known: &[String]) -> String {
    if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", known.join(", ")) }
}

impl SplitRule {
    /// Divides classes `0..class_count`. `groupings` is the pack's class table: for each
    /// class its half, A or B.
    ///
    /// # Errors
    /// When the pack lacks the grouping, the grouping does not fit, or a half would be empty.
    pub fn halves(
        &self,
        class_count: u32,
        groupings: &BTreeMap<String, Vec<Half>>,
    ) -> Result<Halves, SplitError> {
        let halves = match self {
            Self::Random(draw) => random::halves(*draw, class_count),
            Self::Grouping(name) => grouping::halves(name, class_count, groupings)?,
            Self::Similar { grouping, draw } => {
                similar::halves(&grouping::halves(grouping, class_count, groupings)?, *draw)
            }
            Self::Whole => Halves { a: (0..class_count).collect(), b: Vec::new() },
        };
        self.check_filled(class_count, &halves)?;
        Ok(halves)
    }

    fn check_filled(&self, class_count: u32, halves: &Halves) -> Result<(), SplitError> {
        let empty = |half| SplitError::EmptyHalf { split: self.to_string(), class_count, half };
        if halves.a.is_empty() {
            return Err(empty(if *self == Self::Whole { Half::W } else { Half::A }));
        }
        if halves.b.is_empty() && *self != Self::Whole {
            return Err(empty(Half::B));
        }
        Ok(())
    }
}

impl Halves {
    fn from_a(a: impl IntoIterator<Item = u32>, class_count: u32) -> Self {
        let mut is_a = vec![false; class_count as usize];
        for class in a {
            is_a[class as usize] = true;
        }
        let (a, b) = (0..class_count).partition(|class| is_a[*class as usize]);
        Self { a, b }
    }

    /// The classes of a half; `W` is all of them, in increasing order.
    #[must_use]
    pub fn classes(&self, half: Half) -> Classes {
        let indices = match half {
            Half::A => self.a.clone(),
            Half::B => self.b.clone(),
            Half::W => {
                let mut all = [self.a.as_slice(), self.b.as_slice()].concat();
                all.sort_unstable();
                all
            }
        };
        Classes { half, indices: indices.into() }
    }

    /// For every class in increasing order: its original index, its half and its new
    /// label there. Where B is empty the set is whole and the half is W.
    #[must_use]
    pub fn new_indices(&self) -> Vec<(u32, Half, u32)> {
        let half_a = if self.b.is_empty() { Half::W } else { Half::A };
        let labelled = |classes: &[u32], half| -> Vec<_> {
            classes.iter().zip(0..).map(|(class, new_index)| (*class, half, new_index)).collect()
        };
        let mut rows = labelled(&self.a, half_a);
        rows.extend(labelled(&self.b, Half::B));
        rows.sort_unstable_by_key(|(class, ..)| *class);
        rows
    }
}

impl FromStr for SplitRule {
    type Err = SplitError;

    /// `random-` and `similar-` are reserved: what starts so is that rule or no split.
    fn from_str(text: &str) -> Result<Self, SplitError> {
        let not_a_split = || SplitError::NotASplit { given: text.chars().take(128).collect() };
        if text == "whole" {
            return Ok(Self::Whole);
        }
        if let Some(draw) = text.strip_prefix("random-") {
            return parse_draw(draw).map(Self::Random).ok_or_else(not_a_split);
        }
        if let Some(rest) = text.strip_prefix("similar-") {
            let (grouping, draw) = rest.rsplit_once('-').ok_or_else(not_a_split)?;
            let draw = parse_draw(draw).ok_or_else(not_a_split)?;
            let grouping: Name = grouping.parse().map_err(|_| not_a_split())?;
            return Ok(Self::Similar { grouping: grouping.to_string(), draw });
        }
        let name: Name = text.parse().map_err(|_| not_a_split())?;
        Ok(Self::Grouping(name.to_string()))
    }
}

// One text per rule: names are part of job keys, so `random-01` is not `random-1`.
fn parse_draw(text: &str) -> Option<u32> {
    let draw: u32 = text.parse().ok()?;
    (draw.to_string() == text).then_some(draw)
}

impl fmt::Display for SplitRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Random(draw) => write!(f, "random-{draw}"),
            Self::Grouping(name) => f.write_str(name),
            Self::Similar { grouping, draw } => write!(f, "similar-{grouping}-{draw}"),
            Self::Whole => f.write_str("whole"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rule(text: &str) -> SplitRule {
        text.parse().unwrap()
    }

    #[test]
    fn a_rule_reads_back_what_it_printed() {
        for text in ["random-0", "random-4294967295", "whole", "manmade-natural", "similar-manmade-natural-3"]
        {
            assert_eq!(rule(text).to_string(), text);
        }
        assert_eq!(
            rule("similar-manmade-natural-3"),
            SplitRule::Similar { grouping: "manmade-natural".into(), draw: 3 }
        );
    }

    #[test]
    fn what_is_no_rule_is_refused_by_name() {
        for text in
            ["", "random-", "random-x", "random-01", "random--1", "random-4294967296", "similar-3", "a/b"]
        {
            let error = text.parse::<SplitRule>().unwrap_err();
            assert_eq!(error, SplitError::NotASplit { given: text.into() });
        }
    }

    #[test]
    fn a_split_with_an_empty_half_is_refused() {
        let groupings = BTreeMap::from([("all-a".to_owned(), vec![Half::A, Half::A])]);
        let error = rule("random-0").halves(1, &groupings).unwrap_err();
        assert_eq!(error.to_string(), "random-0 of 1 classes leaves half A empty");
        let error = rule("all-a").halves(2, &groupings).unwrap_err();
        assert_eq!(error.to_string(), "all-a of 2 classes leaves half B empty");
        let error = rule("whole").halves(0, &groupings).unwrap_err();
        assert_eq!(error.to_string(), "whole of 0 classes leaves half W empty");
    }

    #[test]
    fn the_whole_set_keeps_its_labels() {
        let halves = rule("whole").halves(3, &BTreeMap::new()).unwrap();
        assert_eq!(halves.new_indices(), [(0, Half::W, 0), (1, Half::W, 1), (2, Half::W, 2)]);
        assert_eq!(*halves.classes(Half::W).indices, [0, 1, 2]);
    }

    proptest! {
        #[test]
        fn halves_divide_all_classes_evenly_and_in_order(draw: u32, class_count in 2_u32..300) {
            let halves = SplitRule::Random(draw).halves(class_count, &BTreeMap::new()).unwrap();
            prop_assert_eq!(halves.a.len(), class_count as usize / 2);
            prop_assert!(halves.a.is_sorted() && halves.b.is_sorted());
            prop_assert_eq!(&*halves.classes(Half::W).indices, &(0..class_count).collect::<Vec<_>>());
        }
    }
}
