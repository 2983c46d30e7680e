//! Reading a grid survives any text, and always says where it is wrong.

use proptest::prelude::*;

use super::{DEMO, grouped_pack};
use crate::grid::{GridFiles, read};

fn check(text: &str) {
    if let Err(errors) = read("grid.yaml", text, &GridFiles::new()).expand(&grouped_pack()) {
        assert!(!errors.errors.is_empty());
        let rendered = errors.render(true);
        assert!(rendered.contains("grid.yaml:"), "{rendered}");
    }
}

/// Pieces of real grids, so that random files get far.
const PIECES: &[&str] = &[
    "study",
    "dataset",
    "network",
    "recipe",
    "split",
    "treatment",
    "n",
    "direction",
    "seed",
    "exclude",
    "images_per_class",
    "grids",
    "label",
    "{source: other, copy: n, freeze: 1}",
    "{source: x, copy: 1..3}",
    "nets/x.yaml",
    "fashion-mnist",
    "caffenet-28",
    "{preset: quick-28}",
    "random-0",
    "whole",
    "AnB",
    "base",
    "1..7",
    "9",
    "-1",
    "1e999",
    "~",
    "'",
    "\"",
    "&a",
    "*a",
    "!t",
    ": ",
    ":\n",
    "\n",
    "  ",
    "- ",
    "[",
    "]",
    "{",
    "}",
    ", ",
    "|",
    "#",
    "é",
    "\u{1F600}",
    "\t",
    "\r\n",
    "\0",
];

fn piece() -> impl Strategy<Value = String> {
    prop_oneof![4 => proptest::sample::select(PIECES).prop_map(str::to_owned), 1 => ".{0,4}"]
}

proptest! {
    #[test]
    fn on_any_text(text in "\\PC{0,200}") {
        check(&text);
    }

    #[test]
    fn on_pieces_of_grids(pieces in proptest::collection::vec(piece(), 0..60)) {
        check(&pieces.concat());
    }

    #[test]
    fn on_a_grid_with_a_hole(at in 0..DEMO.len(), length in 0..40_usize, filling in ".{0,6}") {
        let mut bytes = DEMO.as_bytes().to_vec();
        let end = (at + length).min(bytes.len());
        bytes.splice(at..end, filling.bytes());
        check(&String::from_utf8_lossy(&bytes));
    }
}
