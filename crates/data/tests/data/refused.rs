//! IDX files that are refused: with file and byte, and without a trace.

use std::{fs, path::Path};

use selffer_data::import::idx::{IdxSource, open};

use crate::tiny::{self, TRAIN_IMAGES_FILE, TRAIN_LABELS_FILE};

/// Replaces one file of the set and imports it: the message without the folder.
fn refusal(file: &str, bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let set = tiny::write_set(folder.path());
    fs::write(set.join(file), bytes).unwrap();

    let error = tiny::import_set(folder.path()).unwrap_err();

    assert_eq!(tiny::files_in(folder.path()), ["set"], "something was left behind");
    tiny::chain(&error).replace(&format!("{}/", set.display()), "")
}

fn patched(mut bytes: Vec<u8>, offset: usize, value: u8) -> Vec<u8> {
    bytes[offset] = value;
    bytes
}

#[test]
fn a_truncated_file_is_refused_with_the_byte_where_it_ends() {
    let bytes = tiny::images_file(12);
    for (end, expected) in [(3, 16), (15, 16), (16, 88), (87, 88)] {
        let message = refusal(TRAIN_IMAGES_FILE, &bytes[..end]);
        let expected =
            format!("{TRAIN_IMAGES_FILE} ends at byte {end}, but its header promises {expected} bytes");
        assert_eq!(message, expected);
    }
    let message = refusal(TRAIN_LABELS_FILE, &tiny::labels_file(&tiny::TRAIN_LABELS)[..19]);
    assert_eq!(message, "train-labels-idx1-ubyte ends at byte 19, but its header promises 20 bytes");
}

#[test]
fn a_truncated_gzip_file_is_refused_with_the_decompressed_byte() {
    let gzipped = tiny::gzip(&tiny::images_file(12));
    let message = refusal(TRAIN_IMAGES_FILE, &gzipped[..gzipped.len() - 12]);
    assert!(message.starts_with("train-images-idx3-ubyte ends at byte "), "{message}");
}

#[test]
fn a_damaged_gzip_file_is_refused() {
    let mut gzipped = tiny::gzip(&tiny::images_file(12));
    let checksum = gzipped.len() - 8;
    gzipped[checksum] ^= 1;
    let message = refusal(TRAIN_IMAGES_FILE, &gzipped);
    assert!(message.starts_with("cannot read train-images-idx3-ubyte from byte 88: "), "{message}");
}

#[test]
fn trailing_garbage_is_refused_with_the_byte_where_it_begins() {
    let mut bytes = tiny::images_file(12);
    bytes.push(0);
    let expected =
        "train-images-idx3-ubyte, byte 88: there is more after the 88 bytes that its header promises";
    assert_eq!(refusal(TRAIN_IMAGES_FILE, &bytes), expected);
    assert_eq!(refusal(TRAIN_IMAGES_FILE, &tiny::gzip(&bytes)), expected);

    let mut gzipped = tiny::gzip(&tiny::images_file(12));
    gzipped.extend(b"garbage after the stream");
    let message = refusal(TRAIN_IMAGES_FILE, &gzipped);
    assert!(message.starts_with("cannot read train-images-idx3-ubyte from byte 88: "), "{message}");
}

#[test]
fn a_wrong_magic_number_is_refused() {
    let message = refusal(TRAIN_IMAGES_FILE, &tiny::labels_file(&tiny::TRAIN_LABELS));
    let expected = "train-images-idx3-ubyte, byte 0: magic number is 0x00000801, \
                    expected 0x00000803 (u8 images of rows and columns)";
    assert_eq!(message, expected);
}

#[test]
fn a_label_count_that_is_not_the_image_count_is_refused() {
    let message = refusal(TRAIN_LABELS_FILE, &tiny::labels_file(&tiny::TRAIN_LABELS[..11]));
    let expected = "train-labels-idx1-ubyte, byte 4: 11 labels, but train-images-idx3-ubyte has 12 images";
    assert_eq!(message, expected);
}

#[test]
fn a_label_that_is_no_class_is_refused() {
    let bytes = patched(tiny::labels_file(&[0, 1, 2, 3]), 10, 4);
    let message = refusal("t10k-labels-idx1-ubyte", &bytes);
    assert_eq!(message, "t10k-labels-idx1-ubyte, byte 10: label 4 is not below the 4 classes");
}

#[test]
fn labels_with_a_gap_need_class_names() {
    let bytes = patched(tiny::labels_file(&tiny::TRAIN_LABELS), 8, 200);
    let message = refusal(TRAIN_LABELS_FILE, &bytes);
    let expected = "train-labels-idx1-ubyte: no image to train on has label 4, though labels go up \
                    to 200; name the classes if that is meant";
    assert_eq!(message, expected);
}

#[test]
fn wrong_dimensions_are_refused() {
    let of_train = refusal(TRAIN_IMAGES_FILE, &patched(tiny::images_file(12), 11, 0));
    assert_eq!(of_train, "train-images-idx3-ubyte, byte 8: images of 0x2 pixels, but sides are 1 to 4096");
    let name = "t10k-images-idx3-ubyte";
    let of_validation = refusal(name, &patched(tiny::images_file(4), 15, 3));
    assert_eq!(
        of_validation,
        "t10k-images-idx3-ubyte, byte 12: images have side 3, but those to train on have 2"
    );
}

#[test]
fn a_header_that_promises_the_world_costs_no_memory() {
    let mut bytes = tiny::labels_file(&[]);
    bytes[4..8].fill(0xff);
    let message = refusal(TRAIN_LABELS_FILE, &bytes);
    assert_eq!(message, "train-labels-idx1-ubyte ends at byte 8, but its header promises 4294967303 bytes");
}

#[test]
fn an_empty_set_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let set = tiny::write_set(folder.path());
    fs::write(set.join("t10k-images-idx3-ubyte"), tiny::images_file(0)).unwrap();
    fs::write(set.join("t10k-labels-idx1-ubyte"), tiny::labels_file(&[])).unwrap();
    let error = tiny::import_set(folder.path()).unwrap_err();
    assert!(error.to_string().ends_with("t10k-images-idx3-ubyte, byte 4: no images"), "{error}");
}

#[test]
fn a_missing_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = IdxSource::in_folder(folder.path()).unwrap_err();
    assert!(
        error.to_string().ends_with("has neither train-images-idx3-ubyte nor train-images-idx3-ubyte.gz")
    );
}

#[test]
fn what_exists_is_never_overwritten() {
    let (folder, pack) = tiny::imported();
    let source = IdxSource::in_folder(&folder.path().join("set")).unwrap();
    for taken in [pack.as_path(), Path::new("/")] {
        assert!(open(&source).unwrap().import(taken, &mut |_| {}).is_err());
    }
    assert_eq!(tiny::files_in(folder.path()), ["pack", "set"]);
}
