//! Tiny sets of pictures that are never decoded: a picture is its own name as bytes.

use std::{
    fs,
    path::{Path, PathBuf},
};

use selffer_data::import::listing::{Entry, Listing};
use tar::{Builder, EntryType, Header};

/// WordNet ids of ILSVRC2012: tench, kit fox (natural), screen (man-made); in order.
pub(crate) const WNIDS: [&str; 3] = ["n01440764", "n02119789", "n04152593"];
/// What the validation pictures show, by their number from 1: indices into [`WNIDS`].
pub(crate) const SHOWN: [usize; 5] = [2, 0, 1, 0, 2];

/// Writes a file of these bytes, with its folders.
pub(crate) fn write(path: PathBuf, bytes: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Writes pictures of these paths.
pub(crate) fn write_all(folder: &Path, names: &[&str]) {
    for name in names {
        write(folder.join(name), bytes_of(name));
    }
}

/// What the picture of this path holds: the last part of its name, some of them longer than a block.
pub(crate) fn bytes_of(name: &str) -> Vec<u8> {
    let file = name.rsplit('/').next().unwrap();
    file.as_bytes().repeat(1 + file.len() % 3 * 40)
}

/// A tar of these files.
pub(crate) fn tar_of<'a>(files: impl IntoIterator<Item = (&'a str, Vec<u8>)>) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (name, bytes) in files {
        append(&mut builder, (name, EntryType::Regular), &bytes);
    }
    builder.into_inner().unwrap()
}

/// Appends an entry of this kind, whose name is taken as it is.
pub(crate) fn append(builder: &mut Builder<Vec<u8>>, (name, kind): (&str, EntryType), bytes: &[u8]) {
    let mut header = Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    builder.append(&header, bytes).unwrap();
}

/// The training pictures of a class.
pub(crate) fn train_files(wnid: &str) -> Vec<String> {
    (1..=3).rev().map(|number| format!("{wnid}_{number}.JPEG")).collect()
}

/// The name of a validation picture by its number.
pub(crate) fn validation_file(number: usize) -> String {
    format!("ILSVRC2012_val_{number:08}.JPEG")
}

pub(crate) fn write_train_tree(source: &Path) {
    for wnid in WNIDS {
        for file in train_files(wnid) {
            write_all(source, &[&format!("train/{wnid}/{file}")]);
        }
    }
}

/// The archive of one class.
pub(crate) fn class_archive(wnid: &str) -> Vec<u8> {
    let files = train_files(wnid);
    tar_of(files.iter().map(|file| (file.as_str(), bytes_of(file))))
}

pub(crate) fn write_train_archive(source: &Path) {
    let names = WNIDS.map(|wnid| format!("{wnid}.tar"));
    // Not in the order of their ids.
    let inner = [2, 0, 1].map(|index| (names[index].as_str(), class_archive(WNIDS[index])));
    write(source.join("ILSVRC2012_img_train.tar"), tar_of(inner));
}

pub(crate) fn write_validation_archive(source: &Path) {
    let names: Vec<_> = (1..=SHOWN.len()).rev().map(validation_file).collect();
    let bytes = tar_of(names.iter().map(|name| (name.as_str(), bytes_of(name))));
    write(source.join("ILSVRC2012_img_val.tar"), bytes);
}

/// The validation pictures without class folders.
pub(crate) fn write_validation_flat(source: &Path) {
    for number in 1..=SHOWN.len() {
        write_all(source, &[&format!("val/{}", validation_file(number))]);
    }
}

pub(crate) fn write_validation_tree(source: &Path) {
    for (number, shown) in (1..).zip(SHOWN) {
        write_all(source, &[&format!("val/{}/{}", WNIDS[shown], validation_file(number))]);
    }
}

/// Label, file name and bytes of each picture, as read.
pub(crate) fn read_all(listing: &Listing, entries: &[Entry]) -> Vec<(u32, String, Vec<u8>)> {
    let mut buffer = Vec::new();
    let mut read = |entry: &Entry| {
        listing.read(entry, &mut buffer).unwrap();
        (entry.label, entry.file_name().to_owned(), buffer.clone())
    };
    entries.iter().map(&mut read).collect()
}

/// The names of entries.
pub(crate) fn names(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(|entry| &*entry.name).collect()
}
