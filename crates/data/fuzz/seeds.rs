//! Writes inputs that are as they should be, a folder for each target: where fuzzing begins.
//!
//! `seeds FOLDER FILES`, where FILES has the examples of `crates/data/tests/data/files`.

use std::{env, fs, path::Path};

use selffer_core::pack::Encoding;
use selffer_data::fuzzing;
use selffer_data_fuzz::{VALIDATION_MAP, idx, jpeg, png, training_archive};

fn main() {
    let mut arguments = env::args_os().skip(1);
    let (Some(folder), Some(files)) = (arguments.next(), arguments.next()) else {
        panic!("seeds FOLDER FILES");
    };
    let [images, _] = idx();
    let (pixels, jpegs) = (fuzzing::shard(Encoding::Pixels), fuzzing::shard(Encoding::Jpeg { quality: 90 }));
    let written: [(&str, &[u8]); 12] = [
        ("picture", &jpeg(9, 7)),
        ("picture", &png(5, 6)),
        ("idx", &images),
        ("png_rows", &png(1024, 1)),
        ("archive", &training_archive()),
        ("labels", VALIDATION_MAP),
        ("labels", b"ILSVRC2012_val_00000001.JPEG 0\nILSVRC2012_val_00000002.JPEG 1\n"),
        ("groups", b"class,half\ncat,A\ndog,A\ncar,B\n"),
        ("manifest", fuzzing::manifest().as_bytes()),
        ("shard", &pixels),
        ("jpeg_shard", &jpegs),
        ("weights", &pixels),
    ];
    for (index, (target, bytes)) in written.into_iter().enumerate() {
        put(&Path::new(&folder).join(target), &format!("seed-{index}"), bytes);
    }
    for entry in fs::read_dir(files).expect("the examples are there").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let target = match name.rsplit('.').next() {
            Some("jpg" | "jpeg" | "png") => "picture",
            Some("mat") => "mat",
            Some("gz") => "cifar",
            _ => continue,
        };
        put(&Path::new(&folder).join(target), &name, &fs::read(entry.path()).expect("an example is read"));
    }
}

fn put(folder: &Path, name: &str, bytes: &[u8]) {
    fs::create_dir_all(folder).and_then(|()| fs::write(folder.join(name), bytes)).expect("seeds are written");
}
