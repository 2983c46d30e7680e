//! `similar-GROUPING-K`: halves that each hold half of every group, the matched control
//! for a grouping: as many classes of either kind on both sides.
//!
//! With numpy, for groups G1 (A) and G2 (B) in increasing order and C classes in all:
//! `r = RandomState([K]); n = len(G1) // 2;
//! A = r.permutation(G1)[:n] ∪ r.permutation(G2)[:C // 2 - n]`, B = the rest.

use super::{Halves, numpy_legacy::RandomState};

/// Divides both groups; A has half of all classes, rounded down, like `random-K`.
pub(super) fn halves(groups: &Halves, draw: u32) -> Halves {
    let class_count = groups.a.len() + groups.b.len();
    let first_count = groups.a.len() / 2;
    let second_count = class_count / 2 - first_count;
    let mut state = RandomState::from_list_of_one(draw);
    let first = state.permutation(groups.a.clone());
    let second = state.permutation(groups.b.clone());
    let a = first.into_iter().take(first_count).chain(second.into_iter().take(second_count));
    Halves::from_a(a, class_count as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    // numpy 2.4.6, with the program in this file's header.
    #[test]
    fn both_groups_are_divided_as_in_numpy() {
        let even_odd = Halves { a: vec![0, 2, 4, 6, 8], b: vec![1, 3, 5, 7, 9] };
        assert_eq!(halves(&even_odd, 0).a, [0, 1, 3, 6, 7]);
        let ragged = Halves { a: vec![0, 1, 2, 3, 4, 6], b: vec![5, 7, 8, 9, 10] };
        assert_eq!(halves(&ragged, 3).a, [0, 1, 3, 5, 8]);
    }

    #[test]
    fn groups_of_551_and_449_give_halves_of_500() {
        let groups = Halves { a: (0..551).collect(), b: (551..1000).collect() };
        let halves = halves(&groups, 0);
        assert_eq!((halves.a.len(), halves.b.len()), (500, 500));
        assert_eq!(halves.a.iter().filter(|class| **class < 551).count(), 275);
    }
}
