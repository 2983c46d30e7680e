//! Numbers as people write them: `7`, `1..7` (both ends belong), or a list of both.

use super::{
    error::{Located, Problems},
    problem::Problem,
    reader::{self, Bounds, Whole},
    tree::Node,
};
use crate::limits::CELLS_MAX;

const EXPECTED: &str = "a whole number or a range such as 1..7";

/// Reads a number, a range, or a list of both; each number is returned once, where it came first.
pub(super) fn numbers(
    node: &Node,
    path: &str,
    bounds: &Bounds,
    problems: &mut Problems,
) -> Vec<Located<u64>> {
    let ranges = reader::list(node, path, problems, |item, problems| range(item, path, bounds, problems));
    let mut numbers: Vec<Located<u64>> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for Located { value: (first, last), span } in ranges {
        let count = u128::from(last - first) + 1 + numbers.len() as u128;
        if count > CELLS_MAX as u128 {
            problems.push(span, Problem::TooManyCells { cells: count });
            return numbers;
        }
        numbers.extend((first..=last).filter(|n| seen.insert(*n)).map(|value| Located { value, span }));
    }
    numbers
}

/// The first and the last number of one item.
fn range(node: &Node, path: &str, bounds: &Bounds, problems: &mut Problems) -> Option<(u64, u64)> {
    let text = reader::plain(node, path, EXPECTED, problems)?;
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
            reader::wrong_type(node, path, EXPECTED, problems);
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
