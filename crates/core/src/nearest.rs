//! "Did you mean …?": the known word that was probably meant.

/// The known word that was probably meant: the same but for case, or few letters away.
#[must_use]
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Distances grow with the square of the length; nobody mistypes a word this long.
    if given.chars().count() > 64 {
        return None;
    }
    let lower = given.to_lowercase();
    known
        .into_iter()
        .filter(|word| word.len() <= 256)
        .map(|word| (strsim::damerau_levenshtein(&lower, &word.to_lowercase()), word))
        .filter(|(distance, word)| *distance <= (word.chars().count() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_miss_is_recognised_and_a_far_one_is_not() {
        let known = ["seed", "split", "source_seed", "caffenet-28", "caffenet-28-slim"];
        let nearest = |given| nearest(given, known);
        assert_eq!(nearest("sede"), Some("seed"));
        assert_eq!(nearest("SPLIT"), Some("split"));
        assert_eq!(nearest("cafenet-28-slim"), Some("caffenet-28-slim"));
        assert_eq!(nearest("learning_rate"), None);
        assert_eq!(nearest(&"x".repeat(1 << 20)), None);
    }
}
