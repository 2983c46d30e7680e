//! A grid file.

#![no_main]

use std::str;

use selffer_core::grid::{self, GridFiles};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let _ = grid::files_named(text);
    if let Err(errors) = grid::parse("grid.yaml", text, &GridFiles::new()) {
        assert!(errors.to_string().contains("grid.yaml:"), "an error without its place: {errors}");
    }
});
