//! What can be wrong with a pack, and where.

use std::{io, path::PathBuf};

use selffer_core::{ids::Digest, pack::PackManifestError};

use crate::PictureError;

/// Why a pack cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// A file of the pack is missing or unreadable.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The manifest is longer than any pack's.
    #[error("{path} has {found} bytes, over the limit of {limit}")]
    ManifestTooLong {
        /// The manifest.
        path: PathBuf,
        /// Its length.
        found: u64,
        /// The longest allowed.
        limit: u64,
    },
    /// The manifest is not JSON of the right form; the source names line and column.
    #[error("{path} is not a pack's manifest")]
    ManifestForm {
        /// The manifest.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// The manifest contradicts itself.
    #[error("{path}: {problem}")]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong.
        problem: PackManifestError,
    },
    /// A shard is shorter or longer than the manifest says.
    #[error("{path} ends at byte {found}, but the manifest says {expected}")]
    Length {
        /// The shard.
        path: PathBuf,
        /// Its length.
        found: u64,
        /// The manifest's.
        expected: u64,
    },
    /// A shard's header claims to be longer than the file or than anyone will read.
    #[error("{path}, byte 0: header of {found} bytes, but at most {limit} are possible")]
    HeaderLength {
        /// The shard.
        path: PathBuf,
        /// As claimed.
        found: u64,
        /// The longest possible here.
        limit: u64,
    },
    /// A shard's header is not a safetensors header of this file.
    #[error("{path}, byte 8: not the header of this file")]
    HeaderForm {
        /// The shard.
        path: PathBuf,
        /// Why.
        #[source]
        source: safetensors::SafeTensorError,
    },
    /// A shard's header does not list the tensors that the manifest promises.
    #[error("{path}, byte 8: expected {expected}, found {found}")]
    Tensors {
        /// The shard.
        path: PathBuf,
        /// What is there.
        found: String,
        /// What the manifest promises.
        expected: String,
    },
    /// The JPEGs of a shard do not follow each other.
    #[error(
        "{path}, byte {offset}: image {index} ends at byte {found} of the JPEGs, expected {first} to {last}"
    )]
    JpegEnd {
        /// The shard.
        path: PathBuf,
        /// Of the number, from the start of the file.
        offset: u64,
        /// Of the image within the shard.
        index: usize,
        /// Where it ends.
        found: u64,
        /// The least that is possible.
        first: u64,
        /// The most that is possible.
        last: u64,
    },
    /// An image that cannot be decoded.
    #[error("{path}: image {index} cannot be decoded")]
    Image {
        /// The shard.
        path: PathBuf,
        /// Of the image within the shard.
        index: usize,
        /// Why.
        #[source]
        source: PictureError,
    },
    /// A label that is no class.
    #[error("{path}, byte {offset}: label {label} is not below the {class_count} classes")]
    Label {
        /// The shard.
        path: PathBuf,
        /// Of the label, from the start of the file.
        offset: u64,
        /// The label.
        label: u32,
        /// How many classes the pack has.
        class_count: usize,
    },
    /// A class has more or fewer images than the manifest says.
    #[error("class {class} has {found} images in the shards from {path}, but the manifest says {expected}")]
    ImagesPerClass {
        /// The subset's first shard.
        path: PathBuf,
        /// The class.
        class: usize,
        /// Labels counted.
        found: u64,
        /// The manifest's.
        expected: u64,
    },
    /// A shard's bytes are not those that were imported.
    #[error("{path} has digest {found}, but the manifest says {expected}")]
    Digest {
        /// The shard.
        path: PathBuf,
        /// Of its bytes.
        found: Digest,
        /// The manifest's.
        expected: Digest,
    },
}
