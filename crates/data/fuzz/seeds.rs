//! Writes inputs that are as they should be, a folder for each target: where fuzzing begins.
//!
//! Into the folder SELFFER_FUZZ_SEEDS, with the examples in SELFFER_FUZZ_EXAMPLES. A fuzz target
//! itself, because what is built with coverage cannot be linked without the fuzzer; it ends
//! before it is given anything.

#![no_main]

use std::{env, fs, path::Path, process};

use selffer_core::pack::Encoding;
use selffer_data::fuzzing;
use selffer_data_fuzz::{VALIDATION_MAP, idx, jpeg, png, training_archive};

libfuzzer_sys::fuzz_target!(
    init: write_seeds(),
    |_bytes: &[u8]| {}
);

fn write_seeds() {
    let given = |key| env::var_os(key).expect("deploy/dev/fuzz says where");
    let (folder, examples) = (given("SELFFER_FUZZ_SEEDS"), given("SELFFER_FUZZ_EXAMPLES"));
    let [images, _] = idx();
    let (pixels, jpegs) = (fuzzing::shard(Encoding::Pixels), fuzzing::shard(Encoding::Jpeg { quality: 90 }));
    let (manifest, archive) = (fuzzing::manifest(), training_archive());
    let (picture, other, row) = (jpeg(9, 7), png(5, 6), png(1024, 1));
    let written: [(&str, &[u8]); 12] = [
        ("picture", &picture),
        ("picture", &other),
        ("idx", &images),
        ("png_rows", &row),
        ("archive", &archive),
        ("labels", VALIDATION_MAP),
        ("labels", b"ILSVRC2012_val_00000001.JPEG 0\nILSVRC2012_val_00000002.JPEG 1\n"),
        ("groups", b"class,half\ncat,A\ndog,A\ncar,B\n"),
        ("manifest", manifest.as_bytes()),
        ("shard", &pixels),
        ("jpeg_shard", &jpegs),
        ("weights", &pixels),
    ];
    for (index, (target, bytes)) in written.into_iter().enumerate() {
        put(&Path::new(&folder).join(target), &format!("seed-{index}"), bytes);
    }
    for entry in fs::read_dir(examples).expect("the examples are there").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let target = match name.rsplit('.').next() {
            Some("jpg" | "jpeg" | "png") => "picture",
            Some("mat") => "mat",
            Some("gz") => "cifar",
            _ => continue,
        };
        put(&Path::new(&folder).join(target), &name, &fs::read(entry.path()).expect("an example is read"));
    }
    process::exit(0);
}

fn put(folder: &Path, name: &str, bytes: &[u8]) {
    fs::create_dir_all(folder).and_then(|()| fs::write(folder.join(name), bytes)).expect("seeds are written");
}
