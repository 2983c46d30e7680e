//! Class folders of pictures: `SOURCE/CLASS/*.jpg`, or `SOURCE/train/CLASS/*.jpg` and the same
//! in `val`, `validation` or `test`.
//!
//! Without given subsets a share of each class is kept to test on: drawn by seed, class and
//! file name, so that it does not depend on the machine or on the other classes. Folders that
//! are named by WordNet ids of ILSVRC2012 get those classes' names and halves.

use std::path::Path;

use selffer_core::{
    pack::{Class, ilsvrc2012},
    stream::validation_rank,
};

use super::listing::{
    Entry, ListError, Listing,
    pool::{Pool, sort},
    tree::{self, Item, Kind},
};

/// What a subset of pictures to test on is called, the first that is meant before others.
const VALIDATION_FOLDERS: [&str; 3] = ["val", "validation", "test"];
const TRAIN_FOLDER: &str = "train";

/// How a set without given subsets is divided.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FolderOptions {
    /// The part of each class that is kept to test on, above 0 and below 1: rounded, but at
    /// least one picture, and at least one is left to train on.
    pub validation_share: f64,
    /// What the draw depends on, besides the names of class and file.
    pub seed: u64,
}

/// Lists the pictures in `source`.
///
/// # Errors
/// Folders that are no such set, a class without pictures, subsets of unlike classes.
pub fn list(source: &Path, options: FolderOptions) -> Result<Listing, ListError> {
    if !(options.validation_share > 0.0 && options.validation_share < 1.0) {
        return Err(ListError::Share { given: options.validation_share });
    }
    let items = tree::items(source, "")?;
    match given_subsets(source, &items)? {
        Some(validation) => list_subsets(source, items, validation),
        None => list_shared(source, items, options),
    }
}

/// Whether the set in `source` comes in subsets, so that nothing is drawn.
///
/// # Errors
/// The folder cannot be read, or the subsets are not clear.
pub fn has_subsets(source: &Path) -> Result<bool, ListError> {
    Ok(given_subsets(source, &tree::items(source, "")?)?.is_some())
}

/// The folder of pictures to test on, if the set comes in subsets.
fn given_subsets(source: &Path, items: &[Item]) -> Result<Option<&'static str>, ListError> {
    let is_subset = |name: &str| {
        let is_there = items.iter().any(|item| item.name == name && item.kind == Kind::Folder);
        Ok(is_there && tree::items(source, name)?.iter().any(|item| item.kind == Kind::Folder))
    };
    let has_train = is_subset(TRAIN_FOLDER)?;
    let mut found = Vec::new();
    for name in VALIDATION_FOLDERS {
        if is_subset(name)? {
            found.push(name);
        }
    }
    let path = source.to_path_buf();
    match (has_train, found.as_slice()) {
        (false, []) => Ok(None),
        (true, ["val", "validation", ..]) => {
            Err(ListError::Ambiguous { path, one: "val".to_owned(), other: "validation".to_owned() })
        }
        (true, [first, ..]) => Ok(Some(first)),
        (true, []) => {
            Err(ListError::Subset { path, found: TRAIN_FOLDER, expected: "any of val, validation, test" })
        }
        (false, [first, ..]) => Err(ListError::Subset { path, found: first, expected: TRAIN_FOLDER }),
    }
}

fn list_subsets(source: &Path, items: Vec<Item>, validation: &str) -> Result<Listing, ListError> {
    let mut pool = Pool::of(source);
    for item in items {
        if item.name != TRAIN_FOLDER && item.name != validation {
            pool.skipped.add(item.name);
        }
    }
    let mut folders = |folder: &str| {
        let items = tree::items(source, folder)?;
        Ok(tree::folders(folder, items, &mut pool.skipped))
    };
    let (train_folders, validation_folders) = (folders(TRAIN_FOLDER)?, folders(validation)?);
    tree::check_same(source, &train_folders, &validation_folders)?;
    Pool::check_class_count(&source.join(TRAIN_FOLDER), train_folders.len())?;

    let (train, skipped) = tree::class_pictures(source, TRAIN_FOLDER, &train_folders, tree::pictures)?;
    pool.skipped.add_all(skipped);
    let (tested, skipped) = tree::class_pictures(source, validation, &train_folders, tree::pictures)?;
    pool.skipped.add_all(skipped);
    pool.train = train;
    pool.validation = tested;
    finish(pool, &train_folders)
}

fn list_shared(source: &Path, items: Vec<Item>, options: FolderOptions) -> Result<Listing, ListError> {
    let mut pool = Pool::of(source);
    let folders = tree::folders("", items, &mut pool.skipped);
    Pool::check_class_count(source, folders.len())?;
    let (mut pictures, skipped) = tree::class_pictures(source, "", &folders, tree::pictures)?;
    pool.skipped.add_all(skipped);
    sort(&mut pictures)?;
    for of_class in pictures.chunk_by(|one, next| one.label == next.label) {
        let folder = &folders[of_class[0].label as usize];
        if of_class.len() < 2 {
            return Err(ListError::TooFew { path: source.join(folder) });
        }
        let is_tested = draw(of_class, folder, options);
        for (picture, is_tested) in of_class.iter().zip(is_tested) {
            let subset = if is_tested { &mut pool.validation } else { &mut pool.train };
            subset.push(picture.clone());
        }
    }
    finish(pool, &folders)
}

/// For each picture of a class whether it is kept to test on: those of the lowest ranks.
fn draw(pictures: &[Entry], class: &str, options: FolderOptions) -> Vec<bool> {
    let share = (options.validation_share * pictures.len() as f64).round() as usize;
    let count = share.clamp(1, pictures.len() - 1);
    let rank = |index: &usize| validation_rank(options.seed, class, pictures[*index].file_name());
    let mut order: Vec<_> = (0..pictures.len()).collect();
    // Sorted stably: equal ranks stay in the order of their names.
    order.sort_by_cached_key(rank);
    let mut is_tested = vec![false; pictures.len()];
    for index in &order[..count] {
        is_tested[*index] = true;
    }
    is_tested
}

fn finish(pool: Pool, folders: &[String]) -> Result<Listing, ListError> {
    let class = |folder: &String| match ilsvrc2012::class(folder) {
        None => Class::named(folder),
        Some(known) => Class { wnid: Some(folder.clone()), ..Class::named(known.name) },
    };
    let groupings = ilsvrc2012::groupings(folders.iter().map(String::as_str));
    pool.finish(folders.iter().map(class).collect(), groupings)
}
