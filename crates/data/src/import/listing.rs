//! Listings: which pictures an image set has, where they lie and what they show.
//!
//! A listing is made by looking at names and headers only; no picture is decoded. Its order is
//! by class and then by file name, the same on every machine, and nothing that was found is
//! lost silently: what is no picture is told as skipped. Pictures lie in files below the
//! source, or as parts of tar archives that are read where they lie.

mod error;
pub(super) mod pool;
mod skipped;
pub(super) mod tar;
pub(super) mod tree;

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use selffer_core::{ids::Digest, pack::Class, spec::Half};

pub use error::{ListError, ReadError};
pub use skipped::Skipped;
pub use tar::TarProblem;

/// The largest encoded picture that is read: a hundred times what ILSVRC2012's are.
pub const PICTURE_BYTES_MAX: u64 = 64 << 20;
/// Pictures of one set, and headers of its archives.
pub const PICTURES_MAX: u64 = 10_000_000;

/// An image set as people have it, looked through.
#[derive(Debug)]
pub struct Listing {
    /// The class table, by class index.
    pub classes: Vec<Class>,
    /// Groupings that the set comes with: for each class index its half.
    pub groupings: BTreeMap<String, Vec<Half>>,
    /// Pictures to train on, by class index and then by file name.
    pub train: Vec<Entry>,
    /// Pictures to test on, in the same order.
    pub validation: Vec<Entry>,
    /// What was found and is not used.
    pub skipped: Skipped,
    // What the names of files are relative to.
    source: PathBuf,
    archives: Vec<Archive>,
}

/// One picture, encoded. There are more than a million of them: kept small.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What people call it: its path within the source; in an archive as
    /// `ILSVRC2012_img_train.tar: n01440764.tar/n01440764_18.JPEG`.
    pub name: Box<str>,
    /// Its class index.
    pub label: u32,
    /// Length of its file.
    pub bytes: u64,
    /// Where it is read.
    pub place: Place,
}

/// Where the bytes of a picture lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the file that the entry is named by.
    File {
        /// When it was last changed, in nanoseconds since 1970.
        modified_ns: i64,
    },
    /// In an archive.
    Part {
        /// Which of the listing's archives.
        archive: u32,
        /// Where the picture begins.
        offset: u64,
    },
}

/// A tar archive that pictures are read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Archive {
    /// Path within the source.
    pub(super) name: String,
    /// Length of the file.
    pub(super) bytes: u64,
    /// When it was last changed, in nanoseconds since 1970.
    pub(super) modified_ns: i64,
}

impl Entry {
    /// The last part of its name.
    #[must_use]
    pub fn file_name(&self) -> &str {
        let path = match self.place {
            Place::File { .. } => &*self.name,
            Place::Part { .. } => self.name.split_once(": ").map_or(&*self.name, |(_, path)| path),
        };
        path.rsplit_once('/').map_or(path, |(_, file)| file)
    }
}

impl Listing {
    /// Where the set lies.
    #[must_use]
    pub fn source(&self) -> &Path {
        &self.source
    }

    /// Reads the whole encoded picture into `buffer`, whose contents are replaced. Any thread
    /// may read; nothing is shared.
    ///
    /// # Errors
    /// The file cannot be read, is not as long as listed, or is longer than
    /// [`PICTURE_BYTES_MAX`], in which case nothing is read.
    pub fn read(&self, entry: &Entry, buffer: &mut Vec<u8>) -> Result<(), ReadError> {
        buffer.clear();
        if entry.bytes > PICTURE_BYTES_MAX {
            return Err(ReadError::TooLong { name: entry.name.to_string(), bytes: entry.bytes });
        }
        let failed = |source| ReadError::Read { name: entry.name.to_string(), source };
        let listed = usize::try_from(entry.bytes).expect("at most PICTURE_BYTES_MAX");
        match entry.place {
            Place::File { .. } => {
                let file = File::open(self.source.join(&*entry.name)).map_err(failed)?;
                // One byte more, so that a file that has grown is seen.
                file.take(entry.bytes + 1).read_to_end(buffer).map_err(failed)?;
            }
            Place::Part { archive, offset } => {
                let archive = &self.archives[archive as usize];
                let file = File::open(self.source.join(&archive.name)).map_err(failed)?;
                buffer.resize(listed, 0);
                let read = read_at(&file, buffer, offset).map_err(failed)?;
                buffer.truncate(read);
            }
        }
        if buffer.len() == listed {
            return Ok(());
        }
        Err(ReadError::Length {
            name: entry.name.to_string(),
            listed: entry.bytes,
            read: buffer.len() as u64,
        })
    }

    /// A digest of all that decides what an import of this listing gives: classes, groupings,
    /// and of each picture its name, label, length, place and the time of its file. An
    /// interrupted import may be continued where this is unchanged.
    #[must_use]
    pub fn fingerprint(&self) -> Digest {
        let mut hasher = blake3::Hasher::new();
        let head = serde_json::to_vec(&("selffer.listing/v1", &self.classes, &self.groupings))
            .expect("strings and lists are JSON");
        add_text(&mut hasher, &head);
        add_number(&mut hasher, self.archives.len() as u64);
        for archive in &self.archives {
            add_text(&mut hasher, archive.name.as_bytes());
            add_number(&mut hasher, archive.bytes);
            hasher.update(&archive.modified_ns.to_le_bytes());
        }
        for entries in [&self.train, &self.validation] {
            add_number(&mut hasher, entries.len() as u64);
            for entry in entries {
                add_text(&mut hasher, entry.name.as_bytes());
                add_number(&mut hasher, u64::from(entry.label));
                add_number(&mut hasher, entry.bytes);
                let (kind, at) = match entry.place {
                    Place::File { modified_ns } => (u64::MAX, modified_ns.to_le_bytes()),
                    Place::Part { archive, offset } => (u64::from(archive), offset.to_le_bytes()),
                };
                add_number(&mut hasher, kind);
                hasher.update(&at);
            }
        }
        Digest(*hasher.finalize().as_bytes())
    }
}

fn add_number(hasher: &mut blake3::Hasher, number: u64) {
    hasher.update(&number.to_le_bytes());
}

/// With its length, so that two texts cannot be taken for others joined differently.
fn add_text(hasher: &mut blake3::Hasher, text: &[u8]) {
    add_number(hasher, text.len() as u64);
    hasher.update(text);
}

/// Fills the buffer from `offset` on as far as the file goes; returns how far.
pub(super) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset.saturating_add(filled as u64)) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
