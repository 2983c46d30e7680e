//! What can be wrong with IDX files, and where.
//!
//! Offsets in a gzipped file count its decompressed bytes.

use std::{io, path::PathBuf};

use crate::partial::WriteError;

/// Why a set cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// One of the four files is missing.
    #[error("{folder} has neither {name} nor {name}.gz")]
    NoFile {
        /// Where it was sought.
        folder: PathBuf,
        /// Its usual name.
        name: String,
    },
    /// A file cannot be opened.
    #[error("cannot open {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file cannot be read on, or its compressed form is damaged.
    #[error("cannot read {path} from byte {offset}")]
    Read {
        /// The file.
        path: PathBuf,
        /// How far it could be read.
        offset: u64,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Not the kind of file it should be.
    #[error("{path}, byte 0: magic number is {found:#010x}, expected {expected:#010x} ({what})")]
    Magic {
        /// The file.
        path: PathBuf,
        /// Its first four bytes.
        found: u32,
        /// What they should be.
        expected: u32,
        /// What that stands for.
        what: &'static str,
    },
    /// The file is shorter than its header promises.
    #[error("{path} ends at byte {offset}, but its header promises {expected} bytes")]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Where it ends.
        offset: u64,
        /// Where it should.
        expected: u64,
    },
    /// The file is longer than its header promises.
    #[error("{path}, byte {offset}: there is more after the {offset} bytes that its header promises")]
    Trailing {
        /// The file.
        path: PathBuf,
        /// Where it should end.
        offset: u64,
    },
    /// Images and labels do not belong together.
    #[error("{labels_path}, byte 4: {labels} labels, but {images_path} has {images} images")]
    Counts {
        /// The images.
        images_path: PathBuf,
        /// How many.
        images: u64,
        /// The labels.
        labels_path: PathBuf,
        /// How many.
        labels: u64,
    },
    /// No image.
    #[error("{path}, byte 4: no images")]
    Empty {
        /// The images.
        path: PathBuf,
    },
    /// Images too large, or without pixels.
    #[error("{path}, byte 8: images of {height}x{width} pixels, but sides are 1 to 4096")]
    Sides {
        /// The images.
        path: PathBuf,
        /// Their rows.
        height: u32,
        /// Their columns.
        width: u32,
    },
    /// Training and test images of different shapes.
    #[error("{path}, byte {offset}: images have side {found}, but those to train on have {expected}")]
    Dimension {
        /// The images.
        path: PathBuf,
        /// Of the side.
        offset: u64,
        /// As given.
        found: u32,
        /// The training images'.
        expected: u32,
    },
    /// A label that is no class.
    #[error("{path}, byte {offset}: label {label} is not below the {class_count} classes")]
    Label {
        /// The labels.
        path: PathBuf,
        /// Of the label.
        offset: u64,
        /// The label.
        label: u32,
        /// How many classes there are.
        class_count: usize,
    },
    /// Labels with a gap, and no names that say it is meant.
    #[error(
        "{path}: no image to train on has label {class}, though labels go up to {largest}; name the classes if that is meant"
    )]
    EmptyClass {
        /// The labels.
        path: PathBuf,
        /// The first unused label.
        class: u32,
        /// The largest label.
        largest: u32,
    },
    /// The pack cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}
