//! What can be wrong with the binary files, and where.
//!
//! Records are counted from 0, lines from 1.

use std::{io, path::PathBuf};

use crate::partial::WriteError;

/// Why the set cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Neither of the two sets.
    #[error("{path} has neither data_batch_1.bin (CIFAR-10) nor train.bin (CIFAR-100)")]
    NoSet {
        /// The folder or the archive.
        path: PathBuf,
    },
    /// One of the set's files is missing.
    #[error("{path} has no {name}, which {dataset} comes with")]
    NoFile {
        /// The folder or the archive.
        path: PathBuf,
        /// The file.
        name: &'static str,
        /// The set.
        dataset: &'static str,
    },
    /// A file or an archive cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file cannot be read on.
    #[error("cannot read {file} from record {record}")]
    Record {
        /// The file.
        file: PathBuf,
        /// The record that was next.
        record: u64,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Not a whole number of records.
    #[error("{file} has {bytes} bytes, expected a multiple of {record_bytes}: one record for each image")]
    Length {
        /// The file.
        file: PathBuf,
        /// Its length.
        bytes: u64,
        /// That of a record.
        record_bytes: u64,
    },
    /// No image, or more than a pack holds.
    #[error("{subset} has {images} images, expected 1 to {limit}")]
    Images {
        /// `train` or `validation`.
        subset: &'static str,
        /// How many.
        images: u64,
        /// As many are allowed.
        limit: u64,
    },
    /// A label that is no class.
    #[error("{file}, record {record}: label {label} is not below the {class_count} classes")]
    Label {
        /// The file.
        file: PathBuf,
        /// The record.
        record: u64,
        /// Its label.
        label: u8,
        /// How many classes there are.
        class_count: usize,
    },
    /// A class in another superclass than everywhere else.
    #[error(
        "{file}, record {record}: class {class} has coarse label {found}, expected {expected} ({superclass})"
    )]
    Coarse {
        /// The file.
        file: PathBuf,
        /// The record.
        record: u64,
        /// What the class is called.
        class: &'static str,
        /// As given.
        found: u8,
        /// That of its superclass.
        expected: u32,
        /// Its superclass.
        superclass: &'static str,
    },
    /// Other names than the set's.
    #[error("{file}, line {line}: {found:?}, expected {expected:?}")]
    Name {
        /// The file of names.
        file: PathBuf,
        /// The line.
        line: usize,
        /// As given; empty where there is none.
        found: String,
        /// As the set's author has it; empty where none should follow.
        expected: String,
    },
    /// The pack cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}
