//! CIFAR-10 and CIFAR-100 in their binary form: imported, and refused with the place.

use std::{fs, path::Path};

use selffer_core::pack::{Class, cifar100};
use selffer_data::{
    ImageBuffer, Pack,
    import::{cifar::open, known_class_names},
};

use crate::{
    pictures::{tar_of, write},
    tiny::{chain, files_in, gzip},
    tiny_cifar10::{self, TRAIN_LABELS, VALIDATION_LABELS, image},
};

/// A record with these labels, the pixels plane by plane.
fn record(labels: &[u8], pixels: &[u8]) -> Vec<u8> {
    let plane = |colour: usize| pixels.iter().skip(colour).step_by(3).copied();
    labels.iter().copied().chain((0..3).flat_map(plane)).collect()
}

/// The files of a CIFAR-10 of the same images as the package of PNGs.
fn cifar_10() -> Vec<(String, Vec<u8>)> {
    let records = |images: std::ops::Range<usize>| -> Vec<u8> {
        let labels: Vec<_> = TRAIN_LABELS.into_iter().chain(VALIDATION_LABELS).collect();
        images.flat_map(|index| record(&[labels[index] as u8], &image(index))).collect()
    };
    let mut files: Vec<_> = (0..5)
        .map(|file| (format!("data_batch_{}.bin", file + 1), records(3 * file..3 * file + 3)))
        .collect();
    files.push(("test_batch.bin".to_owned(), records(15..19)));
    let names = known_class_names("cifar-10").unwrap().join("\n") + "\n\n";
    files.push(("batches.meta.txt".to_owned(), names.into_bytes()));
    files
}

/// The files of a CIFAR-100 of one training image for each class and one of apples to test on.
fn cifar_100() -> Vec<(String, Vec<u8>)> {
    let classes = cifar100::classes();
    let of_class = |fine: usize| record(&[classes[fine].superclass as u8, fine as u8], &image(fine));
    let fine: Vec<_> = classes.iter().map(|class| class.name).collect();
    vec![
        ("train.bin".to_owned(), (0..100).flat_map(of_class).collect()),
        ("test.bin".to_owned(), of_class(0)),
        ("fine_label_names.txt".to_owned(), fine.join("\r\n").into_bytes()),
        ("coarse_label_names.txt".to_owned(), cifar100::SUPERCLASSES.join("\n").into_bytes()),
    ]
}

fn write_files(folder: &Path, files: &[(String, Vec<u8>)]) {
    for (name, bytes) in files {
        write(folder.join("set").join(name), bytes);
    }
}

fn pack_of(folder: &Path, source: &str) -> Pack {
    open(&folder.join(source)).unwrap().import(&folder.join("pack"), &mut |_| {}).unwrap();
    Pack::open(&folder.join("pack")).unwrap()
}

#[test]
fn the_same_images_give_the_same_pack_as_from_pngs_and_from_the_archive() {
    let (png, folder, packed) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    tiny_cifar10::write_package(png.path());
    let expected = Pack::open(&tiny_cifar10::import_package(png.path()).unwrap()).unwrap();
    write_files(folder.path(), &cifar_10());
    // In the archive they are in a folder, and in no order.
    let names: Vec<_> =
        cifar_10().into_iter().map(|(name, bytes)| (format!("cifar/{name}"), bytes)).collect();
    let archive = tar_of(names.iter().rev().map(|(name, bytes)| (name.as_str(), bytes.clone())));
    write(packed.path().join("cifar-10-binary.tar.gz"), gzip(&archive));

    assert_eq!(pack_of(folder.path(), "set").digest(), expected.digest());
    assert_eq!(pack_of(packed.path(), "cifar-10-binary.tar.gz").digest(), expected.digest());
    let again = tempfile::tempdir().unwrap();
    let set = open(packed.path()).unwrap();
    let manifest = set.import(&again.path().join("pack"), &mut |_| {}).unwrap().manifest;
    assert_eq!(manifest.digest(), expected.digest());
}

#[test]
fn a_hundred_classes_have_superclasses_and_two_groupings() {
    let folder = tempfile::tempdir().unwrap();
    write_files(folder.path(), &cifar_100());

    let pack = pack_of(folder.path(), "set");

    let apple = Class { superclass: Some("fruit_and_vegetables".to_owned()), ..Class::named("apple") };
    assert_eq!(pack.manifest().classes[0], apple);
    assert_eq!(pack.manifest().groupings, cifar100::groupings());
    assert_eq!(pack.train().label(99), 99);
    assert_eq!(pack.train().image(99, &mut ImageBuffer::default()).unwrap(), image(99));
}

/// The message where this file is replaced, without the set's folder.
fn refusal(files: &[(String, Vec<u8>)], name: &str, bytes: impl AsRef<[u8]>) -> String {
    let folder = tempfile::tempdir().unwrap();
    write_files(folder.path(), files);
    write(folder.path().join("set").join(name), bytes);
    message(folder.path(), "set")
}

fn message(folder: &Path, source: &str) -> String {
    let imported = open(&folder.join(source)).and_then(|set| set.import(&folder.join("pack"), &mut |_| {}));
    let error = imported.unwrap_err();
    assert_eq!(files_in(folder), [source], "something was left behind");
    chain(&error).replace(&format!("{}/", folder.join(source).display()), "")
}

#[test]
fn files_that_are_not_the_sets_are_refused_with_record_or_line() {
    let ten = cifar_10();
    assert_eq!(
        refusal(&ten, "data_batch_2.bin", vec![0; 3074]),
        "data_batch_2.bin has 3074 bytes, expected a multiple of 3073: one record for each image"
    );
    let bad = [record(&[9], &image(0)), record(&[10], &image(1))].concat();
    assert_eq!(
        refusal(&ten, "data_batch_3.bin", bad),
        "data_batch_3.bin, record 1: label 10 is not below the 10 classes"
    );
    assert_eq!(refusal(&ten, "test_batch.bin", ""), "validation has 0 images, expected 1 to 4294967295");
    assert_eq!(
        refusal(&ten, "batches.meta.txt", "airplane\nauto\n"),
        r#"batches.meta.txt, line 2: "auto", expected "automobile""#
    );
    let hundred = cifar_100();
    let bad = [record(&[4, 0], &image(0)), record(&[5, 0], &image(0))].concat();
    assert_eq!(
        refusal(&hundred, "test.bin", bad),
        "test.bin, record 1: class apple has coarse label 5, expected 4 (fruit_and_vegetables)"
    );
    let names = cifar100::SUPERCLASSES.join("\n") + "\nmore";
    assert_eq!(
        refusal(&hundred, "coarse_label_names.txt", names),
        r#"coarse_label_names.txt, line 21: "more", expected """#
    );
}

#[test]
fn a_missing_file_is_named_and_a_damaged_archive_refused() {
    let folder = tempfile::tempdir().unwrap();
    write_files(folder.path(), &cifar_100());
    fs::remove_file(folder.path().join("set/test.bin")).unwrap();
    let path = folder.path().join("set").display().to_string();
    assert_eq!(message(folder.path(), "set"), format!("{path} has no test.bin, which cifar-100 comes with"));
    fs::remove_file(folder.path().join("set/train.bin")).unwrap();
    let expected = "has neither data_batch_1.bin (CIFAR-10) nor train.bin (CIFAR-100)";
    assert_eq!(message(folder.path(), "set"), format!("{path} {expected}"));

    let folder = tempfile::tempdir().unwrap();
    let files = cifar_10();
    let whole = gzip(&tar_of(files.iter().map(|(name, bytes)| (name.as_str(), bytes.clone()))));
    let archive = folder.path().join("set");
    for bytes in [&whole[..whole.len() / 2], &whole[..whole.len() - 4], b"no archive"] {
        fs::write(&archive, bytes).unwrap();
        let message = message(folder.path(), "set");
        assert!(message.starts_with(&format!("cannot read {}: ", archive.display())), "{message}");
    }
}
