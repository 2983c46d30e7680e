//! Which pictures of a set without given subsets are kept to test on.

use serde::Serialize;

use super::Stream;

/// What the rank of one picture is drawn for; its canonical JSON is the key.
#[derive(Serialize)]
struct SharePurpose<'a> {
    version: &'static str,
    purpose: &'static str,
    seed: u64,
    class: &'a str,
    file: &'a str,
}

/// Where this picture stands in the draw of its class: those of the lowest ranks are kept to
/// test on. Depends on nothing else, so that neither another class nor another picture
/// changes it; a larger share keeps all that a smaller one does.
#[must_use]
pub fn validation_rank(seed: u64, class: &str, file: &str) -> [u32; 4] {
    let purpose =
        SharePurpose { version: "selffer.stream/v1", purpose: "validation-share", seed, class, file };
    Stream::keyed_by(&purpose).block(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Written out with Python's blake3 and whole-number arithmetic; a change gives every set that is divided here other subsets.
    #[test]
    fn ranks_never_change_and_depend_on_seed_class_and_file() {
        let expected = [0xb587_57a5, 0x8508_b426, 0xb1ed_ce2a, 0xd4a0_0fdb];
        assert_eq!(validation_rank(0, "cup", "image_0001.jpg"), expected);
        let ranks = [(1, "cup", "a"), (0, "cup", "a"), (0, "cup", "b"), (0, "cupa", "a"), (0, "c", "upa")]
            .map(|(seed, class, file)| validation_rank(seed, class, file));
        for (index, rank) in ranks.iter().enumerate() {
            assert!(!ranks[..index].contains(rank), "{index}");
        }
    }
}
