//! ILSVRC2012 and sets of its form: the archives as they were published, read where they lie,
//! or the usual unpacked trees, each subset in its own form.
//!
//! To train on: `ILSVRC2012_img_train.tar`, a folder of the classes' archives, or
//! `train/WNID/*.JPEG` or `train/WNID/images/*.JPEG`. To test on: `ILSVRC2012_img_val.tar`,
//! `val/WNID/*.JPEG`, `val/*.JPEG`, or Tiny ImageNet's `val/images` with its
//! `val_annotations.txt`. Where the pictures to test on do not lie in class folders, their
//! labels come from the devkit or from one of the lists that are in use. Classes are the
//! training pictures', in the order of their WordNet ids. A set of other classes, even one, has
//! no built-in grouping.

mod archives;
mod devkit;
mod error;
mod labels;
mod mat;
mod names;
mod text;

use std::path::Path;

use selffer_core::pack::ilsvrc2012;

use self::labels::Labels;
pub use self::{error::Ilsvrc2012Error, mat::MatProblem};
use super::listing::{
    Entry, ListError, Listing, Skipped,
    pool::Pool,
    tree::{self, Item, Kind, is_picture, join},
};

const TRAIN_ARCHIVE: &str = "ILSVRC2012_img_train.tar";
const VALIDATION_ARCHIVE: &str = "ILSVRC2012_img_val.tar";
/// Folders of training pictures or archives, and of pictures to test on; the last of each is
/// where they lie in the set as Kaggle has it.
const TRAIN_FOLDERS: [&str; 3] = ["train", "ILSVRC2012_img_train", "ILSVRC/Data/CLS-LOC/train"];
const VALIDATION_FOLDERS: [&str; 3] = ["val", "ILSVRC2012_img_val", "ILSVRC/Data/CLS-LOC/val"];
const IMAGES_FOLDER: &str = "images";
const ANNOTATIONS: &str = "val_annotations.txt";
const EXPECTED_TRAIN: &str =
    "ILSVRC2012_img_train.tar, train, ILSVRC2012_img_train, ILSVRC/Data/CLS-LOC/train";
const EXPECTED_VALIDATION: &str = "ILSVRC2012_img_val.tar, val, ILSVRC2012_img_val, ILSVRC/Data/CLS-LOC/val";

/// Lists the pictures in the folder `source`.
///
/// # Errors
/// Archives that are not what they should be, with the byte; lists that do not agree with the
/// pictures, with the line; a class without pictures.
pub fn list(source: &Path) -> Result<Listing, Ilsvrc2012Error> {
    let mut pool = Pool::of(source);
    let wnids = read_train(&mut pool)?;
    let devkit = devkit::read(source)?;
    let (words, labels) = match devkit {
        Some(devkit) => (devkit.words, Some(devkit.labels)),
        None => (names::read(source)?, Labels::find(source, &wnids)?),
    };
    read_validation(&mut pool, labels, &wnids)?;
    let groupings = ilsvrc2012::groupings(wnids.iter().map(String::as_str));
    let classes = wnids.iter().map(|wnid| names::class(wnid, &words)).collect();
    Ok(pool.finish(classes, groupings)?)
}

/// Whether this is a WordNet id: `n` and eight digits.
fn is_wnid(text: &str) -> bool {
    text.strip_prefix('n')
        .is_some_and(|digits| digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Where one subset lies.
enum Found {
    Archive,
    Folder(&'static str),
}

/// The archive before a folder; what else there is of the same subset is told as skipped.
fn find(pool: &mut Pool, archive: &str, folders: &[&'static str]) -> Result<Option<Found>, ListError> {
    let mut found = None;
    if matches!(tree::kind_of(&pool.source, archive)?, Some(Kind::File { .. })) {
        found = Some(Found::Archive);
    }
    for &folder in folders {
        if tree::kind_of(&pool.source, folder)? == Some(Kind::Folder) {
            match found {
                None => found = Some(Found::Folder(folder)),
                Some(_) => pool.skipped.add(folder),
            }
        }
    }
    Ok(found)
}

/// Finds the training pictures and returns the classes' ids in order.
fn read_train(pool: &mut Pool) -> Result<Vec<String>, Ilsvrc2012Error> {
    let folder = match find(pool, TRAIN_ARCHIVE, &TRAIN_FOLDERS)? {
        None => {
            let path = pool.source.clone();
            return Err(Ilsvrc2012Error::Nothing { path, expected: EXPECTED_TRAIN });
        }
        Some(Found::Archive) => return archives::read_train(pool, TRAIN_ARCHIVE),
        Some(Found::Folder(folder)) => folder,
    };
    let items = tree::items(&pool.source, folder)?;
    if items.iter().any(|item| item.name.ends_with(".tar") && item.kind != Kind::Folder) {
        return archives::read_train_folder(pool, folder);
    }
    let wnids = tree::folders(folder, items, &mut pool.skipped);
    pool.train = read_tree(pool, folder, &wnids)?;
    Ok(wnids)
}

/// The pictures in class folders that are called by WordNet ids.
fn read_tree(pool: &mut Pool, folder: &str, wnids: &[String]) -> Result<Vec<Entry>, Ilsvrc2012Error> {
    let path = pool.source.join(folder);
    if let Some(other) = wnids.iter().find(|wnid| !is_wnid(wnid)) {
        return Err(Ilsvrc2012Error::NoId { path: path.join(other) });
    }
    Pool::check_class_count(&path, wnids.len())?;
    let (entries, skipped) = tree::class_pictures(&pool.source, folder, wnids, read_class)?;
    pool.skipped.add_all(skipped);
    Ok(entries)
}

/// The pictures of a class folder, or of its folder `images` where it has one.
fn read_class(source: &Path, folder: &str, label: u32) -> Result<(Vec<Entry>, Skipped), ListError> {
    let items = tree::items(source, folder)?;
    if !items.iter().any(|item| item.name == IMAGES_FOLDER && item.kind == Kind::Folder) {
        return tree::pictures(source, folder, label);
    }
    let count = items.iter().filter(|item| is_picture(&item.name)).count();
    if count > 0 {
        return Err(ListError::Beside { path: source.join(folder), count });
    }
    let (entries, mut skipped) = tree::pictures(source, &join(folder, IMAGES_FOLDER), label)?;
    for item in items.into_iter().filter(|item| item.name != IMAGES_FOLDER) {
        skipped.add(join(folder, &item.name));
    }
    Ok((entries, skipped))
}

fn read_validation(pool: &mut Pool, labels: Option<Labels>, wnids: &[String]) -> Result<(), Ilsvrc2012Error> {
    let folder = match find(pool, VALIDATION_ARCHIVE, &VALIDATION_FOLDERS)? {
        None => {
            let path = pool.source.clone();
            return Err(Ilsvrc2012Error::Nothing { path, expected: EXPECTED_VALIDATION });
        }
        Some(Found::Archive) => {
            let entries = archives::read_validation(pool, VALIDATION_ARCHIVE)?;
            return label(pool, entries, (labels, VALIDATION_ARCHIVE), wnids);
        }
        Some(Found::Folder(folder)) => folder,
    };
    let items = tree::items(&pool.source, folder)?;
    let has = |name: &str| items.iter().any(|item| item.name == name);
    if has(IMAGES_FOLDER) && has(ANNOTATIONS) {
        let labels = Labels::read_by_name(pool.source.join(folder).join(ANNOTATIONS))?;
        return read_flat(pool, &join(folder, IMAGES_FOLDER), Some(labels), wnids);
    }
    if items.iter().any(|item| item.kind == Kind::Folder) {
        return read_validation_tree(pool, folder, items, wnids);
    }
    read_flat(pool, folder, labels, wnids)
}

fn read_validation_tree(
    pool: &mut Pool,
    folder: &str,
    items: Vec<Item>,
    wnids: &[String],
) -> Result<(), Ilsvrc2012Error> {
    let found = tree::folders(folder, items, &mut pool.skipped);
    tree::check_same(&pool.source, wnids, &found)?;
    pool.validation = read_tree(pool, folder, wnids)?;
    Ok(())
}

fn read_flat(
    pool: &mut Pool,
    folder: &str,
    labels: Option<Labels>,
    wnids: &[String],
) -> Result<(), Ilsvrc2012Error> {
    let (entries, skipped) = tree::pictures(&pool.source, folder, 0)?;
    pool.skipped.add_all(skipped);
    label(pool, entries, (labels, folder), wnids)
}

fn label(
    pool: &mut Pool,
    mut entries: Vec<Entry>,
    (labels, pictures): (Option<Labels>, &str),
    wnids: &[String],
) -> Result<(), Ilsvrc2012Error> {
    let Some(labels) = labels else {
        let (pictures, path, expected) = (pictures.to_owned(), pool.source.clone(), labels::KNOWN);
        return Err(Ilsvrc2012Error::NoLabels { pictures, path, expected });
    };
    labels.apply(&mut entries, pictures, wnids)?;
    pool.validation = entries;
    Ok(())
}
