//! An archive of archives of pictures.

#![no_main]

use selffer_data::import::ilsvrc2012::list;
use selffer_data_fuzz::{VALIDATION_MAP, folder, validation_archive, with_checksums};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let set = folder(
        "archive",
        &[
            ("ILSVRC2012_img_train.tar", &with_checksums(bytes)),
            ("ILSVRC2012_img_val.tar", &validation_archive()),
            ("imagenet_2012_validation_synset_labels.txt", VALIDATION_MAP),
        ],
    );
    let Ok(listing) = list(&set) else { return };
    let mut picture = Vec::new();
    for entry in listing.train.iter().take(8) {
        let _ = listing.read(entry, &mut picture);
    }
});
