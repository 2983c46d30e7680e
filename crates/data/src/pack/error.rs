//! What can be wrong with a pack, and where.

use std::{io, path::PathBuf};

use selffer_core::ids::Digest;

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
        problem: ManifestProblem,
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

/// How a manifest contradicts itself or what packs are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestProblem {
    /// Of another version, or no pack at all.
    #[error("schema is {found:?}, expected {expected:?}")]
    Schema {
        /// As given.
        found: String,
        /// [`selffer_core::pack::SCHEMA`].
        expected: &'static str,
    },
    /// Images without pixels, or larger than any we train on.
    #[error("image is {height}x{width}x{channels}, but sides are 1 to {side_max} and channels 1 or 3")]
    Image {
        /// As given.
        height: u32,
        /// As given.
        width: u32,
        /// As given.
        channels: u32,
        /// The longest side allowed.
        side_max: u32,
    },
    /// No class.
    #[error("classes is empty")]
    NoClasses,
    /// A grouping that does not say A or B for each class.
    #[error("groupings.{grouping} must hold A or B for each of the {class_count} classes")]
    Grouping {
        /// Its name.
        grouping: String,
        /// How many classes.
        class_count: usize,
    },
    /// A count list of the wrong length.
    #[error("{subset}.images_per_class has {found} entries for {class_count} classes")]
    CountsLength {
        /// `train` or `validation`.
        subset: &'static str,
        /// Entries.
        found: usize,
        /// How many classes.
        class_count: usize,
    },
    /// Counts that do not add up.
    #[error("{subset}: the classes have {by_class} images, but the shards {by_shard}")]
    CountsSum {
        /// `train` or `validation`.
        subset: &'static str,
        /// Sum over classes.
        by_class: u64,
        /// Sum over shards.
        by_shard: u64,
    },
    /// A subset without images, or with more than labels can index.
    #[error("{subset} has {images} images, expected 1 to {limit}")]
    ImageCount {
        /// `train` or `validation`.
        subset: &'static str,
        /// How many.
        images: u64,
        /// The most allowed.
        limit: u64,
    },
    /// A shard whose name could be a path, or that is named twice.
    #[error("{subset}.shards: {file:?} is not a file name of its own")]
    ShardName {
        /// `train` or `validation`.
        subset: &'static str,
        /// As given.
        file: String,
    },
}
