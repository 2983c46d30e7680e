//! Importing pictures with everything that ILSVRC2012 is known for, as a tree and as archives.

use std::{
    fs,
    path::{Path, PathBuf},
};

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use selffer_core::pack::{ChannelOrder, Encoding, Preparation, Resize};
use selffer_data::{
    ImageBuffer, Pack,
    import::{
        ilsvrc2012,
        pictures::{PictureOptions, PicturesError, import, key},
        report::{ImportReport, Imported},
    },
};

use crate::{pictures::tar_of, tiny::files_in};

const TENCH: &str = "n01440764";
const BATHTUB: &str = "n02808440";
/// More than are decoded beside others.
const LARGE: (u16, u16) = (4_200, 4_000);

/// One file of a set: its name, and its bytes.
type Picture = (String, Vec<u8>);

/// `[H, W, C]` of slowly changing colours.
fn shades(width: u16, height: u16, channels: usize, salt: usize) -> Vec<u8> {
    let at = |index: usize| {
        let (pixel, channel) = (index / channels, index % channels);
        let (x, y) = (pixel % usize::from(width), pixel / usize::from(width));
        (128 + (x * (channel + 1) + y * (3 - channel % 3) + salt * 17) % 120) as u8
    };
    (0..usize::from(width) * usize::from(height) * channels).map(at).collect()
}

fn jpeg((width, height): (u16, u16), colour: ColorType, salt: usize, progressive: bool) -> Vec<u8> {
    let channels = match colour {
        ColorType::Luma => 1,
        ColorType::Cmyk | ColorType::CmykAsYcck => 4,
        _ => 3,
    };
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, 90);
    encoder.set_progressive(progressive);
    if colour == ColorType::Rgb {
        encoder.set_sampling_factor(SamplingFactor::F_2_2);
    }
    encoder.encode(&shades(width, height, channels, salt), width, height, colour).unwrap();
    bytes
}

fn png(width: u16, height: u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width.into(), height.into());
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header().unwrap().write_image_data(&shades(width, height, 3, 5)).unwrap();
    bytes
}

/// Training pictures of both classes, in the order of their names; two of them are none.
fn training() -> [(&'static str, Vec<Picture>); 2] {
    let named = |name: &str, bytes: Vec<u8>| (name.to_owned(), bytes);
    let ordinary = jpeg((50, 40), ColorType::Rgb, 1, false);
    let mut cut = ordinary.clone();
    cut.truncate(ordinary.len() / 2);
    let tench = vec![
        named("a-ordinary.JPEG", ordinary.clone()),
        named("b-cmyk.JPEG", jpeg((40, 50), ColorType::Cmyk, 2, false)),
        named("c-ycck.JPEG", jpeg((40, 50), ColorType::CmykAsYcck, 3, false)),
        named("d-grey.JPEG", jpeg((33, 65), ColorType::Luma, 4, false)),
        named("e-png.JPEG", png(31, 17)),
        named("f-tiny.JPEG", jpeg((1, 1), ColorType::Rgb, 5, false)),
        named("g-oblong.JPEG", jpeg((400, 3), ColorType::Rgb, 6, false)),
        named("h-progressive.JPEG", jpeg((64, 48), ColorType::Rgb, 7, true)),
        named("i-cut.JPEG", cut),
        named("j-again.JPEG", ordinary.clone()),
    ];
    let bathtub = vec![
        named("a-large.JPEG", jpeg(LARGE, ColorType::Luma, 8, false)),
        named("b-page.JPEG", b"<!DOCTYPE html><title>not found</title>".to_vec()),
        named("c-same-elsewhere.JPEG", ordinary),
        named("d-ordinary.JPEG", jpeg((45, 45), ColorType::Rgb, 9, false)),
    ];
    [(TENCH, tench), (BATHTUB, bathtub)]
}

/// Validation pictures with their classes; the second is among those to train on.
fn validation() -> [(&'static str, Picture); 3] {
    let picture = |number: usize, bytes| (format!("ILSVRC2012_val_{number:08}.JPEG"), bytes);
    [
        (TENCH, picture(1, jpeg((30, 30), ColorType::Rgb, 11, false))),
        (TENCH, picture(2, jpeg((50, 40), ColorType::Rgb, 1, false))),
        (BATHTUB, picture(3, jpeg((20, 90), ColorType::Rgb, 12, false))),
    ]
}

fn write_tree(source: &Path) {
    let write = |folder: PathBuf, (name, bytes): &Picture| {
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name), bytes).unwrap();
    };
    for (wnid, pictures) in training() {
        pictures.iter().for_each(|picture| write(source.join("train").join(wnid), picture));
    }
    for (wnid, picture) in validation() {
        write(source.join("val").join(wnid), &picture);
    }
}

fn write_archives(source: &Path) {
    fs::create_dir_all(source).unwrap();
    let inner = training().map(|(wnid, pictures)| {
        let files = pictures.iter().map(|(name, bytes)| (name.as_str(), bytes.clone()));
        (format!("{wnid}.tar"), tar_of(files))
    });
    let outer = tar_of(inner.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())));
    fs::write(source.join("ILSVRC2012_img_train.tar"), outer).unwrap();
    let pictures = validation();
    let files = pictures.iter().map(|(_, (name, bytes))| (name.as_str(), bytes.clone()));
    fs::write(source.join("ILSVRC2012_img_val.tar"), tar_of(files)).unwrap();
    let labels: String = pictures.iter().map(|(wnid, _)| format!("{wnid}\n")).collect();
    fs::write(source.join("imagenet_2012_validation_synset_labels.txt"), labels).unwrap();
}

fn options(threads: usize) -> PictureOptions {
    PictureOptions {
        preparation: Preparation { resize: Resize::Squash, side: 32, channels: ChannelOrder::Bgr },
        encoding: Encoding::Pixels,
        refused_max: 0.5,
        threads,
    }
}

fn import_from(source: &Path, out: &Path, options: &PictureOptions) -> Result<Imported, PicturesError> {
    import(&ilsvrc2012::list(source).unwrap(), options, out, &mut |_| {})
}

#[test]
fn trees_and_archives_give_the_same_pack_for_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    write_tree(&at("tree"));
    write_archives(&at("archives"));

    let imported = import_from(&at("tree"), &at("pack"), &options(1)).unwrap();

    let manifest = &imported.manifest;
    assert_eq!(manifest.train.images_per_class, [9, 3]);
    assert_eq!(manifest.validation.images_per_class, [2, 1]);
    assert_eq!(manifest.classes[1].name, "bathtub");
    assert_eq!(manifest.groupings["manmade-natural"].len(), 2);
    Pack::open(&at("pack")).unwrap().verify().unwrap();
    for (source, threads) in [("tree", 3), ("archives", 1), ("archives", 4)] {
        let again = import_from(&at(source), &at("again"), &options(threads)).unwrap();
        assert_eq!(again.manifest.digest(), manifest.digest(), "{source}, {threads} threads");
        assert_eq!(again.report.train.repeats.count, imported.report.train.repeats.count);
        fs::remove_dir_all(at("again")).unwrap();
    }
}

#[test]
fn what_cannot_be_decoded_and_what_is_there_twice_is_told_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let (source, pack) = (folder.path().join("tree"), folder.path().join("pack"));
    write_tree(&source);

    let report = import_from(&source, &pack, &options(2)).unwrap().report;

    assert_eq!(ImportReport::beside(&pack).unwrap(), report);
    let refused: Vec<_> = report.train.refused.iter().map(|refused| refused.name.as_str()).collect();
    assert_eq!(refused, ["train/n01440764/i-cut.JPEG", "train/n02808440/b-page.JPEG"]);
    assert_eq!(report.train.refused[1].reason, "this looks like HTML or XML, expected a JPEG or PNG");
    assert!(report.validation.refused.is_empty());
    let repeats = &report.train.repeats;
    assert_eq!((repeats.count, repeats.of_another_class), (2, 1));
    let ordinary = "train/n01440764/a-ordinary.JPEG";
    assert_eq!(repeats.first[0], ("train/n01440764/j-again.JPEG".to_owned(), ordinary.to_owned()));
    let shared = &report.validation_in_train;
    assert_eq!((shared.count, shared.of_another_class), (1, 0));
    assert_eq!(shared.first[0].0, "val/n01440764/ILSVRC2012_val_00000002.JPEG");
}

#[test]
fn more_undecodable_pictures_than_allowed_end_the_import_and_what_is_done_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (source, pack) = (folder.path().join("tree"), folder.path().join("pack"));
    write_tree(&source);

    let strict = PictureOptions { refused_max: 0.1, ..options(2) };
    let error = import_from(&source, &pack, &strict).unwrap_err();

    assert_eq!(
        error.to_string(),
        "2 of the 14 train pictures looked at cannot be decoded, more than 10.0000 %"
    );
    assert!(!pack.exists());
    let kept = files_in(&folder.path().join(".pack.partial"));
    assert_eq!(kept, ["key", "train-00000.done", "train-00000.safetensors"]);
    let resumed = import_from(&source, &pack, &options(1)).unwrap().manifest;
    assert_eq!(files_in(folder.path()), ["pack", "tree"]);
    let files = files_in(&pack);
    assert_eq!(
        files,
        ["import.json", "manifest.json", "train-00000.safetensors", "validation-00000.safetensors"]
    );
    let anew = import_from(&source, &folder.path().join("anew"), &options(1)).unwrap().manifest;
    assert_eq!(resumed.digest(), anew.digest());
}

#[test]
fn a_finished_shard_that_was_damaged_meanwhile_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let (source, pack) = (folder.path().join("tree"), folder.path().join("pack"));
    write_tree(&source);
    import_from(&source, &pack, &PictureOptions { refused_max: 0.0, ..options(1) }).unwrap_err();
    let shard = folder.path().join(".pack.partial/train-00000.safetensors");
    let mut bytes = fs::read(&shard).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&shard, bytes).unwrap();

    import_from(&source, &pack, &options(1)).unwrap();

    Pack::open(&pack).unwrap().verify().unwrap();
}

#[test]
fn images_kept_as_jpegs_are_nearly_those_kept_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    write_tree(&at("tree"));
    let coded = PictureOptions { encoding: Encoding::Jpeg { quality: 95 }, ..options(2) };

    import_from(&at("tree"), &at("pixels"), &options(2)).unwrap();
    let manifest = import_from(&at("tree"), &at("jpegs"), &coded).unwrap().manifest;
    let again = import_from(&at("tree"), &at("again"), &PictureOptions { threads: 1, ..coded }).unwrap();

    assert_eq!(again.manifest.digest(), manifest.digest());
    let (pixels, jpegs) = (Pack::open(&at("pixels")).unwrap(), Pack::open(&at("jpegs")).unwrap());
    jpegs.verify().unwrap();
    let mut buffers = [ImageBuffer::default(), ImageBuffer::default()];
    let [one, other] = &mut buffers;
    for index in 0..pixels.train().len() {
        let (pixels, decoded) =
            (pixels.train().image(index, one).unwrap(), jpegs.train().image(index, other).unwrap());
        let difference: u32 =
            pixels.iter().zip(decoded).map(|(one, other)| u32::from(one.abs_diff(*other))).sum();
        let mean = f64::from(difference) / pixels.len() as f64;
        assert!(mean < 4.0, "image {index} differs by {mean} grey levels");
    }
}

#[test]
fn the_key_of_an_import_depends_on_files_and_options() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("tree");
    write_tree(&source);
    let listing = || ilsvrc2012::list(&source).unwrap();
    let before = key(&listing(), &options(1));

    assert_eq!(key(&listing(), &options(7)), before);
    let small = Preparation { side: 16, ..options(1).preparation };
    assert_ne!(key(&listing(), &PictureOptions { preparation: small, ..options(1) }), before);
    fs::write(source.join("train").join(TENCH).join("a-ordinary.JPEG"), png(3, 3)).unwrap();
    assert_ne!(key(&listing(), &options(1)), before);
}
