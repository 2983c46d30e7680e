//! A network file, as a grid names it.

#![no_main]

use std::str;

use selffer_core::grid::{self, GridFiles};

/// A grid whose only mistakes can be those of its network.
const GRID: &str = "\
study: fuzzed
dataset: fashion-mnist
network: ./network.yaml
recipe: quick-28
split: random-0
treatment: base
";

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let files = GridFiles::from([("./network.yaml".to_owned(), text.to_owned())]);
    if let Err(errors) = grid::parse("grid.yaml", GRID, &files) {
        assert!(errors.to_string().contains(".yaml:"), "an error without its place: {errors}");
    }
});
