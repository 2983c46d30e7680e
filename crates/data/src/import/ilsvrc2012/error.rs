//! What can be wrong with the set's lists of labels and with its devkit, and where.
//!
//! Lines are counted from 1.

use std::{io, path::PathBuf};

use super::mat::MatProblem;
use crate::import::listing::ListError;

/// Why the set cannot be listed.
#[derive(Debug, thiserror::Error)]
pub enum Ilsvrc2012Error {
    /// Its folders, pictures or archives.
    #[error(transparent)]
    List(#[from] ListError),
    /// None of the forms in which training pictures come.
    #[error("{path} has none of {expected}")]
    Nothing {
        /// Where they were sought.
        path: PathBuf,
        /// What was sought.
        expected: &'static str,
    },
    /// A class folder or archive that is not called by an id.
    #[error(
        "{path} is not called by a WordNet id as n01440764; class folders of other names are another format"
    )]
    NoId {
        /// The folder or the archive.
        path: PathBuf,
    },
    /// Pictures to test on without labels.
    #[error("{pictures} has no labels; expected in {path} one of {expected}")]
    NoLabels {
        /// The pictures.
        pictures: String,
        /// Where labels were sought.
        path: PathBuf,
        /// What was sought.
        expected: &'static str,
    },
    /// A file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file is longer than any of its kind.
    #[error("{path} has more than {limit} bytes")]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The longest allowed.
        limit: u64,
    },
    /// The devkit lacks a file.
    #[error("{path} has no {name}, which the devkit comes with")]
    Devkit {
        /// The folder or the archive.
        path: PathBuf,
        /// The file.
        name: &'static str,
    },
    /// The devkit's table of synsets.
    #[error("{path}: {problem}")]
    Mat {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: MatProblem,
    },
    /// Two synsets of one number.
    #[error("{path}: {one} and {other} both have ILSVRC2012_ID {id}")]
    Number {
        /// The file.
        path: PathBuf,
        /// The first's id.
        one: String,
        /// The second's id.
        other: String,
        /// Their number.
        id: u32,
    },
    /// A line of another form.
    #[error("{path}, line {line}: {found:?}, expected {expected}")]
    Line {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
        /// As given.
        found: String,
        /// As it should be.
        expected: &'static str,
    },
    /// A number that is no class.
    #[error("{path}, line {line}: there is no class {number}")]
    NoNumber {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
        /// As given.
        number: u32,
    },
    /// A class without training pictures.
    #[error("{path}, line {line}: {wnid} is not among the {class_count} classes to train on")]
    UnknownClass {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
        /// As given.
        wnid: String,
        /// How many classes there are.
        class_count: usize,
    },
    /// A picture with two labels.
    #[error("{path}, line {line}: {file} has a label already")]
    Twice {
        /// The file.
        path: PathBuf,
        /// The second line.
        line: usize,
        /// The picture.
        file: String,
    },
    /// A label without a picture.
    #[error("{path}, line {line}: {file} is not among the pictures of {pictures}")]
    NoPicture {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
        /// The picture.
        file: String,
        /// Where it was sought.
        pictures: String,
    },
    /// A picture without a label.
    #[error("{path} has no label for {picture}")]
    Unlabelled {
        /// The file.
        path: PathBuf,
        /// The picture.
        picture: String,
    },
    /// Labels and pictures do not belong together.
    #[error("{path} has {labels} labels, but {pictures} has {count} pictures")]
    Counts {
        /// The labels.
        path: PathBuf,
        /// How many.
        labels: usize,
        /// The pictures.
        pictures: String,
        /// How many.
        count: usize,
    },
}
