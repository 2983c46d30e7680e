//! Weights of another program.

#![no_main]

use std::collections::BTreeMap;

use selffer_core::network::Network;
use selffer_data::weights::{WeightsSource, import_weights};
use selffer_data_fuzz::{folder, remove};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let file = folder("weights", &[("mine.safetensors", bytes)]).join("mine.safetensors");
    let out = file.with_file_name("out");
    let network = Network::preset("caffenet-28-slim").expect("a preset");
    let prefixes = BTreeMap::new();
    let source =
        WeightsSource { file: &file, network: &network, channels: 1, outputs: None, prefixes: &prefixes };
    let _ = import_weights(&source, &out);
    remove(&out);
});
