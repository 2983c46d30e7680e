//! The binary files of CIFAR-10, one of them hostile, and the archive of CIFAR-100.

#![no_main]

use selffer_data::import::{cifar::open, known_class_names};
use selffer_data_fuzz::{folder, remove};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let names = known_class_names("cifar-10").unwrap_or_default().join("\n");
    let record = [3; 3_073];
    let set = folder(
        "cifar",
        &[
            ("data_batch_1.bin", bytes),
            ("data_batch_2.bin", &record),
            ("data_batch_3.bin", &record),
            ("data_batch_4.bin", &record),
            ("data_batch_5.bin", &record),
            ("test_batch.bin", &record),
            ("batches.meta.txt", names.as_bytes()),
        ],
    );
    let out = set.with_file_name("cifar-pack");
    let _ = open(&set).and_then(|set| set.import(&out, &mut |_| {}));
    remove(&out);
    let _ = open(&folder("cifar-names", &[("data_batch_1.bin", &record), ("batches.meta.txt", bytes)]));
    let archive = folder("cifar-archive", &[("cifar-100-binary.tar.gz", bytes)]);
    let _ = open(&archive);
});
