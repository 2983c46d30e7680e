//! A picture, JPEG or PNG, made an image.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| selffer_data::fuzzing::picture(bytes));
