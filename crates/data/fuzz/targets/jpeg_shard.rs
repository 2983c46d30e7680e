//! A shard of JPEGs under a manifest that knows its length.

#![no_main]

use selffer_core::pack::Encoding;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    selffer_data_fuzz::open_shard("jpeg-shard", Encoding::Jpeg { quality: 90 }, bytes);
});
