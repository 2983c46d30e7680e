//! The images of an IDX set, plain or gzipped.

#![no_main]

use selffer_data::import::idx::{IdxSource, open};
use selffer_data_fuzz::{folder, idx, remove};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let [images, labels] = idx();
    let set = folder(
        "idx",
        &[
            ("train-images-idx3-ubyte", bytes),
            ("train-labels-idx1-ubyte", &labels),
            ("t10k-images-idx3-ubyte", &images),
            ("t10k-labels-idx1-ubyte", &labels),
        ],
    );
    let out = set.with_file_name("idx-pack");
    let _ = IdxSource::in_folder(&set).and_then(|source| open(&source)?.import(&out, &mut |_| {}));
    remove(&out);
});
