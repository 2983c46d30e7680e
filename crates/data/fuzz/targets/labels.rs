//! Each of the lists that give the labels of ILSVRC2012, and of names.

#![no_main]

use selffer_data::import::ilsvrc2012::list;
use selffer_data_fuzz::{folder, training_archive, validation_archive};

const LISTS: [&str; 4] =
    ["imagenet_2012_validation_synset_labels.txt", "val.txt", "LOC_val_solution.csv", "words.txt"];

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let (train, validation) = (training_archive(), validation_archive());
    for list_name in LISTS {
        let set = folder(
            list_name,
            &[
                ("ILSVRC2012_img_train.tar", &train),
                ("ILSVRC2012_img_val.tar", &validation),
                (list_name, bytes),
            ],
        );
        let _ = list(&set);
    }
});
