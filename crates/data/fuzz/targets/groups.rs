//! A CSV of groupings.

#![no_main]

use selffer_core::pack::Class;
use selffer_data::import::groups::{GroupsSource, read_groups};
use selffer_data_fuzz::folder;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let path = folder("groups", &[("groups.csv", bytes)]).join("groups.csv");
    let classes = ["cat", "dog", "car"].map(Class::named);
    let _ = read_groups(GroupsSource { path: &path, name: None, pack: "pets" }, &classes);
});
