//! What can be wrong with an image set as it lies there, and where.
//!
//! Paths of archives are as in an entry's name; bytes are counted from 0 in the file that the
//! path begins with.

use std::{io, path::PathBuf};

use super::{PICTURE_BYTES_MAX, PICTURES_MAX, tar::TarProblem};

/// Why an image set cannot be listed.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// A file or folder cannot be opened or read.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A name that cannot be written down.
    #[error("{path}: the file's name is not UTF-8")]
    NotText {
        /// As well as it can be written.
        path: PathBuf,
    },
    /// Folders where pictures should be.
    #[error("{path} is a folder, but pictures lie directly in their class folder")]
    Deeper {
        /// The folder.
        path: PathBuf,
    },
    /// Pictures in a class folder and in its folder of images.
    #[error("{path} has {count} pictures beside its folder images, expected them all in there or none")]
    Beside {
        /// The class folder.
        path: PathBuf,
        /// How many are beside.
        count: usize,
    },
    /// More pictures than any set has.
    #[error("{path} has more than {PICTURES_MAX} pictures")]
    TooMany {
        /// The set.
        path: PathBuf,
    },
    /// Too few classes to tell apart, or more than a pack has.
    #[error("{path} has {count} class folders, expected 2 to 100000")]
    Classes {
        /// Where they were sought.
        path: PathBuf,
        /// How many there are.
        count: usize,
    },
    /// A class that cannot be learned or cannot be tested.
    #[error("{path}: class {class} has no picture in {subset}, expected at least one")]
    EmptyClass {
        /// The set.
        path: PathBuf,
        /// Its name or id.
        class: String,
        /// `train` or `validation`.
        subset: &'static str,
    },
    /// A class too small to be divided.
    #[error("{path} has 1 picture, expected at least 2: one to train on and one to test on")]
    TooFew {
        /// The class folder.
        path: PathBuf,
    },
    /// Subsets of unlike classes.
    #[error("{path}: {}", unlike(.train, .validation))]
    Subsets {
        /// The set.
        path: PathBuf,
        /// Classes that are only there to train on.
        train: Vec<String>,
        /// Classes that are only there to test on.
        validation: Vec<String>,
    },
    /// Training pictures without any to test on, or the other way round.
    #[error("{path} has {found} with class folders, but {expected} is not there")]
    Subset {
        /// The set.
        path: PathBuf,
        /// What there is.
        found: &'static str,
        /// What should be there as well.
        expected: &'static str,
    },
    /// Two folders of which either could be meant.
    #[error("{path} has both {one} and {other}, expected one of them")]
    Ambiguous {
        /// The set.
        path: PathBuf,
        /// The first.
        one: String,
        /// The second.
        other: String,
    },
    /// A share that leaves nothing to one side.
    #[error("validation_share is {given}, expected above 0 and below 1")]
    Share {
        /// As given.
        given: f64,
    },
    /// Two pictures of one name in one class.
    #[error("{one} and {other} have the same file name, which must be unique within a class")]
    Doubled {
        /// The first.
        one: String,
        /// The second.
        other: String,
    },
    /// An archive that is no tar of plain files, or is damaged.
    #[error("{archive}, byte {byte}: {problem}")]
    Tar {
        /// Its name, and in it that of an archive within.
        archive: String,
        /// Of the entry's header.
        byte: u64,
        /// What is wrong there.
        problem: TarProblem,
    },
}

/// Why a picture of a listing cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Its file cannot be opened or read.
    #[error("cannot read {name}")]
    Read {
        /// The picture.
        name: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file was changed since it was listed.
    #[error("{name} is no longer as it was listed: {listed} bytes then, and {} now", now(*.listed, *.read))]
    Length {
        /// The picture.
        name: String,
        /// Its length then.
        listed: u64,
        /// What could be read; at most one byte more than listed.
        read: u64,
    },
    /// Longer than any picture.
    #[error("{name} has {bytes} bytes, expected at most {PICTURE_BYTES_MAX}")]
    TooLong {
        /// The picture.
        name: String,
        /// Its length.
        bytes: u64,
    },
}

fn now(listed: u64, read: u64) -> String {
    if read > listed { "more".to_owned() } else { read.to_string() }
}

/// For example `only train has classes cat and dog; only validation has class cow`.
fn unlike(train: &[String], validation: &[String]) -> String {
    let only = |subset: &str, classes: &[String]| {
        (!classes.is_empty()).then(|| format!("only {subset} has {}", some_of(classes)))
    };
    let both = [only("train", train), only("validation", validation)];
    both.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// Up to three classes by name, and how many more there are.
fn some_of(classes: &[String]) -> String {
    match classes {
        [only] => format!("class {only}"),
        [first, second] => format!("classes {first} and {second}"),
        [first, second, third, rest @ ..] if !rest.is_empty() => {
            format!("classes {first}, {second}, {third} and {} more", rest.len())
        }
        _ => format!("classes {}", classes.join(", ")),
    }
}
