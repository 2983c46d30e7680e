//! The table of classes of the devkit.

#![no_main]

use selffer_data::import::ilsvrc2012::list;
use selffer_data_fuzz::{folder, training_archive, validation_archive};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let set = folder(
        "mat",
        &[
            ("ILSVRC2012_img_train.tar", &training_archive()),
            ("ILSVRC2012_img_val.tar", &validation_archive()),
            ("ILSVRC2012_devkit_t12/data/meta.mat", bytes),
            ("ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt", b"1\n2\n"),
        ],
    );
    let _ = list(&set);
});
