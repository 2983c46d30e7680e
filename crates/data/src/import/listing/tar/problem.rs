//! What can be wrong with an entry of a tar archive.

use tar::EntryType;

use crate::import::listing::PICTURES_MAX;

/// Why an archive is refused at some byte.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TarProblem {
    /// Compressed as a whole.
    #[error("the archive is compressed; unpack it with gunzip first, it is read where it lies")]
    Gzipped,
    /// Other bytes than a header's.
    #[error("no tar header: its checksum does not agree")]
    NoHeader,
    /// A header whose size is none.
    #[error("a header whose size is no number")]
    Size,
    /// An entry that goes on where the archive does not.
    #[error("{name} has {bytes} bytes, but the archive ends at byte {archive_end}: it was cut short")]
    Cut {
        /// The entry.
        name: String,
        /// Its length.
        bytes: u64,
        /// Where the archive ends.
        archive_end: u64,
    },
    /// The two empty blocks at the end are missing.
    #[error("expected another entry or the empty block that ends an archive: it was cut short")]
    NoEnd,
    /// Not a plain file.
    #[error("{name} is {kind}, expected plain files and folders")]
    Kind {
        /// The entry.
        name: String,
        /// What it is.
        kind: &'static str,
    },
    /// A file with holes, which pax headers describe.
    #[error("an extended header of a sparse file, expected plain files and folders")]
    Sparse,
    /// A name that leads out of the archive.
    #[error("{name:?} leads out of the archive")]
    Path {
        /// As given.
        name: String,
    },
    /// A name that cannot be written down.
    #[error("{name:?} is not UTF-8")]
    NotText {
        /// As well as it can be written.
        name: String,
    },
    /// A name or header of a length that is not taken into memory.
    #[error("{what} of {bytes} bytes, expected at most {bytes_max}")]
    LongExtension {
        /// Which.
        what: &'static str,
        /// Its length.
        bytes: u64,
        /// The longest allowed.
        bytes_max: u64,
    },
    /// A pax header that is none.
    #[error("an extended header that is no list of LENGTH KEY=VALUE")]
    Extension,
    /// More entries than any set's.
    #[error("more than {PICTURES_MAX} entries")]
    TooMany,
    /// Another entry than is expected there.
    #[error("{name} is not expected here: {expected}")]
    Unexpected {
        /// The entry.
        name: String,
        /// What is.
        expected: &'static str,
    },
}

impl TarProblem {
    pub(super) fn kind(name: String, kind: EntryType) -> Self {
        let kind = match kind {
            EntryType::Link => "a hard link",
            EntryType::Symlink => "a link",
            EntryType::Char | EntryType::Block => "a device",
            EntryType::Fifo => "a pipe",
            EntryType::GNUSparse => "a sparse file",
            _ => "of an unknown kind",
        };
        Self::Kind { name, kind }
    }
}
