//! `random-K`: the random halves of Yosinski et al. 2014, for any class count.
//!
//! A = numpy's `RandomState([K]).choice(arange(C), C // 2, replace=False)`, B = the rest.

use super::{Halves, numpy_legacy::RandomState};

/// The halves of draw `draw`; A has `class_count / 2` classes, rounded down.
pub(super) fn halves(draw: u32, class_count: u32) -> Halves {
    // numpy's `choice` without replacement is the head of a permutation.
    let drawn = RandomState::from_list_of_one(draw).permutation((0..class_count).collect());
    Halves::from_a(drawn.into_iter().take(class_count as usize / 2), class_count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Half;

    const AUTHORS_HALVES: &str = include_str!("../../tests/data/random_halves.csv");

    #[test]
    fn draws_0_to_3_of_1000_classes_are_the_authors_halves() {
        let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(AUTHORS_HALVES.as_bytes());
        let rows: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().unwrap();
        let mut compared = 0;
        for draw in 0..4 {
            let ours = halves(draw, 1000).new_indices();
            assert_eq!(ours.len(), rows.len());
            for ((class, half, new_index), row) in ours.into_iter().zip(&rows) {
                let column = 1 + 2 * draw as usize;
                let given = (row[0].parse().unwrap(), &row[column], row[column + 1].parse().unwrap());
                let half = if half == Half::A { "A" } else { "B" };
                assert_eq!((class, half, new_index), given, "draw {draw}");
                compared += 1;
            }
        }
        assert_eq!(compared, 4_000);
    }

    // numpy 2.4.6: sorted(RandomState([K]).choice(arange(C), C // 2, replace=False))
    #[test]
    fn other_draws_are_numpys() {
        let cases: [(u32, u32, &[u32]); 5] = [
            // Fashion-MNIST: t-shirt, trouser, dress, sneaker, bag.
            (0, 10, &[0, 1, 3, 7, 8]),
            (0, 2, &[0]),
            (0, 3, &[2]),
            (1, 11, &[2, 3, 6, 9, 10]),
            (4_294_967_295, 17, &[0, 2, 3, 5, 8, 10, 13, 14]),
        ];
        for (draw, class_count, expected) in cases {
            assert_eq!(halves(draw, class_count).a, expected, "random-{draw} of {class_count}");
        }
    }
}
