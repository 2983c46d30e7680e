//! Splits that a pack's class table spells out, such as `manmade-natural`.

use std::collections::BTreeMap;

use super::{Halves, SplitError};
use crate::spec::Half;

/// The halves that the grouping `name` gives.
pub(super) fn halves(
    name: &str,
    class_count: u32,
    groupings: &BTreeMap<String, Vec<Half>>,
) -> Result<Halves, SplitError> {
    let Some(table) = groupings.get(name) else {
        let known = groupings.keys().cloned().collect();
        return Err(SplitError::UnknownGrouping { grouping: name.to_owned(), known });
    };
    if table.len() != class_count as usize {
        return Err(SplitError::GroupingLength {
            grouping: name.to_owned(),
            grouped: table.len(),
            class_count,
        });
    }
    if let Some((_, class_index)) = table.iter().zip(0..).find(|(half, _)| **half == Half::W) {
        return Err(SplitError::NotAHalf { grouping: name.to_owned(), class_index });
    }
    Ok(Halves::from_a((0..class_count).filter(|class| table[*class as usize] == Half::A), class_count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grouping_divides_as_its_table_says() {
        let table = BTreeMap::from([("even-odd".to_owned(), vec![Half::A, Half::B, Half::A, Half::B])]);
        assert_eq!(halves("even-odd", 4, &table).unwrap(), Halves { a: vec![0, 2], b: vec![1, 3] });
    }

    #[test]
    fn a_grouping_that_does_not_fit_says_why() {
        let table = BTreeMap::from([("odd".to_owned(), vec![Half::A, Half::B, Half::W])]);
        let message = |name, class_count| halves(name, class_count, &table).unwrap_err().to_string();
        assert_eq!(message("even", 3), r#"the pack has no grouping "even"; it has odd"#);
        assert_eq!(message("odd", 4), r#"grouping "odd" divides 3 classes, but there are 4"#);
        assert_eq!(message("odd", 3), r#"grouping "odd" puts class 2 in neither A nor B"#);
    }
}
