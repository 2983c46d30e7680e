//! Numbers as people write them: `7`, `1..7` (both ends belong), or a list of both.

use std::collections::HashSet;

use super::{
    error::{Located, Problems},
    problem::Problem,
    reader::{self, Bounds, Whole},
    tree::Node,
};
use crate::limits::CELLS_MAX;

/// Reads a number, a range, or a list of both; each number is returned once, where it came first.
pub(super) fn numbers(
    node: &Node,
    path: &str,
    bounds: &Bounds,
    problems: &mut Problems,
) -> Vec<Located<u64>> {
    let mut numbers: Vec<Located<u64>> = Vec::new();
    let mut seen = HashSet::new();
    for Located { value: (first, last), span } in read(node, path, bounds, problems) {
        let count = u128::from(last - first) + 1 + numbers.len() as u128;
        if count > CELLS_MAX as u128 {
            problems.push(span, Problem::TooManyCells { cells: count });
            return numbers;
        }
        numbers.extend((first..=last).filter(|n| seen.insert(*n)).map(|value| Located { value, span }));
    }
    numbers
}

/// Numbers that take the room of their ranges, not of each.
#[derive(Clone, Debug)]
pub(super) struct RangeSet {
    /// Disjoint, in increasing order.
    ranges: Vec<(u64, u64)>,
}

impl RangeSet {
    /// Reads a number, a range, or a list of both.
    pub(super) fn read(node: &Node, path: &str, bounds: &Bounds, problems: &mut Problems) -> Self {
        let mut given: Vec<_> =
            read(node, path, bounds, problems).into_iter().map(|located| located.value).collect();
        given.sort_unstable();
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        for (first, last) in given {
            match ranges.last_mut() {
                Some((_, end)) if first <= *end => *end = last.max(*end),
                _ => ranges.push((first, last)),
            }
        }
        Self { ranges }
    }

    pub(super) fn contains(&self, number: u64) -> bool {
        let after = self.ranges.partition_point(|(first, _)| *first <= number);
        after > 0 && number <= self.ranges[after - 1].1
    }
}

fn read(node: &Node, path: &str, bounds: &Bounds, problems: &mut Problems) -> Vec<Located<(u64, u64)>> {
    let expected = "a whole number or a range such as 1..7";
    let bounds = Bounds { expected, ..bounds.clone() };
    reader::list(node, path, problems, |item, problems| range(item, path, &bounds, problems))
}

/// The first and the last number of one item.
pub(super) fn range(node: &Node, path: &str, bounds: &Bounds, problems: &mut Problems) -> Option<(u64, u64)> {
    let text = reader::plain(node, path, bounds.expected, problems)?;
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    let numbers = [reader::whole(first.trim()), reader::whole(last.trim())];
    let problem = match numbers {
        [Whole::Number(first), Whole::Number(last)] if first > last => {
            Problem::EmptyRange { path: path.to_owned(), given: reader::shown(text) }
        }
        [Whole::Number(first), Whole::Number(last)] => {
            let checked = bounds.check(first, text, path).and_then(|_| bounds.check(last, text, path));
            match checked {
                Ok(_) => return Some((first, last)),
                Err(problem) => problem,
            }
        }
        [Whole::Not, _] | [_, Whole::Not] => {
            reader::wrong_type(node, path, bounds.expected, problems);
            return None;
        }
        [Whole::Outside, _] | [_, Whole::Outside] => bounds.out_of_range(text, path),
    };
    problems.push(node.span, problem);
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::tree;

    fn read(text: &str) -> Result<Vec<u64>, usize> {
        let (mut problems, bounds) = (Problems::default(), Bounds::new(1..=7));
        let node = tree::read(text).unwrap();
        let numbers = numbers(&node, "n", &bounds, &mut problems);
        let source = crate::grid::error::Source { file: "n".into(), text: text.into() };
        match problems.errors(&source) {
            None => Ok(numbers.into_iter().map(|located| located.value).collect()),
            Some(errors) => Err(errors.errors.len()),
        }
    }

    #[test]
    fn numbers_ranges_and_lists_of_both_are_read_in_order_and_once() {
        assert_eq!(read("3"), Ok(vec![3]));
        assert_eq!(read("1..7"), Ok(vec![1, 2, 3, 4, 5, 6, 7]));
        assert_eq!(read("[1, 3..5]"), Ok(vec![1, 3, 4, 5]));
        assert_eq!(read("[7, 6..7, 7]"), Ok(vec![7, 6]));
        assert_eq!(read("2 .. 3"), Ok(vec![2, 3]));
    }

    #[test]
    fn a_set_of_ranges_holds_their_numbers_and_no_others() {
        let (mut problems, bounds) = (Problems::default(), Bounds::new(0..=u64::from(u32::MAX)));
        let node = tree::read("[7, 1..3, 2..4, 9..4000000000]").unwrap();
        let set = RangeSet::read(&node, "seed", &bounds, &mut problems);
        let held: Vec<u64> = (0..12).filter(|number| set.contains(*number)).collect();
        assert_eq!(held, [1, 2, 3, 4, 7, 9, 10, 11]);
        assert!(set.contains(4_000_000_000) && !set.contains(4_000_000_001));
    }

    #[test]
    fn every_bad_item_is_reported_once() {
        for (text, errors) in [
            ("[]", 1),
            ("[0, 8, 9..10, 5..3, x, 1.5, '3', [1], -1, 99999999999999999999]", 10),
            ("1..", 1),
            ("..", 1),
            ("1..2..3", 1),
            ("1..99999999999999999999", 1),
        ] {
            assert_eq!(read(text), Err(errors), "{text}");
        }
    }
}
