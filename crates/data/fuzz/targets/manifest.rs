//! The manifest of a pack.

#![no_main]

use selffer_data::{Pack, read_manifest};
use selffer_data_fuzz::folder;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let pack = folder("manifest", &[("manifest.json", bytes)]);
    let _ = read_manifest(&pack.join("manifest.json"));
    let _ = Pack::open(&pack);
});
