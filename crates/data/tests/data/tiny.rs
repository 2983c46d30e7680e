//! A tiny set of IDX files: 12 + 4 images of 3x2 pixels in 4 classes.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use selffer_data::import::idx::{IdxSource, ImportError, open};

pub(crate) const TRAIN_LABELS: [u8; 12] = [2, 0, 1, 3, 0, 0, 2, 1, 3, 1, 2, 3];
pub(crate) const VALIDATION_LABELS: [u8; 4] = [3, 2, 1, 0];
pub(crate) const TRAIN_IMAGES_FILE: &str = "train-images-idx3-ubyte";
pub(crate) const TRAIN_LABELS_FILE: &str = "train-labels-idx1-ubyte";

/// Pixel `p` of image `i` is `10 i + p`.
pub(crate) fn image(index: usize) -> Vec<u8> {
    (0..6).map(|pixel| (index * 10 + pixel) as u8).collect()
}

pub(crate) fn images_file(count: usize) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, 3];
    for dimension in [count as u32, 3, 2] {
        bytes.extend(dimension.to_be_bytes());
    }
    bytes.extend((0..count).flat_map(image));
    bytes
}

pub(crate) fn labels_file(labels: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, 1];
    bytes.extend((labels.len() as u32).to_be_bytes());
    bytes.extend(labels);
    bytes
}

/// Writes the set into `folder/set`, as plain files.
pub(crate) fn write_set(folder: &Path) -> PathBuf {
    let set = folder.join("set");
    fs::create_dir(&set).unwrap();
    fs::write(set.join(TRAIN_IMAGES_FILE), images_file(12)).unwrap();
    fs::write(set.join(TRAIN_LABELS_FILE), labels_file(&TRAIN_LABELS)).unwrap();
    fs::write(set.join("t10k-images-idx3-ubyte"), images_file(4)).unwrap();
    fs::write(set.join("t10k-labels-idx1-ubyte"), labels_file(&VALIDATION_LABELS)).unwrap();
    set
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Imports the set into `folder/pack` and returns that path.
pub(crate) fn import_set(folder: &Path) -> Result<PathBuf, ImportError> {
    let source = IdxSource::in_folder(&folder.join("set"))?;
    let pack = folder.join("pack");
    open(&source)?.import(&pack, &mut |_| {})?;
    Ok(pack)
}

/// A folder with the tiny set imported; returns the folder to hold on to, and the pack.
pub(crate) fn imported() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    write_set(folder.path());
    let pack = import_set(folder.path()).unwrap();
    (folder, pack)
}

/// Every file name in the folder, sorted.
pub(crate) fn files_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// The error and its causes, as a person reads them.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
