//! Tar archives, looked through where they lie: headers are read, data is not.
//!
//! Names, kinds and sizes are what anybody may have written: what reaches beyond the
//! archive, would lie outside of it, or is no plain file or folder is refused with its byte.
//! The walk is ours, and only the header's fields are the `tar` crate's: that one reads long
//! names into memory whatever their length, and does not say at which byte it failed.

mod extension;
mod problem;

use std::{
    fs::File,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use tar::{EntryType, Header};

pub use self::problem::TarProblem;
use super::{ListError, PICTURES_MAX, read_at};

const BLOCK: u64 = 512;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// As long as a path of the system may be.
const NAME_BYTES_MAX: u64 = 4_096;
/// Of a pax header, which also holds attributes that are of no use here.
const EXTENSION_BYTES_MAX: u64 = 1 << 16;

/// A tar archive: a file, or a part of one.
#[derive(Clone, Copy)]
pub(in crate::import) struct Window<'a> {
    pub(in crate::import) source: &'a Path,
    pub(in crate::import) file: &'a File,
    /// What people call it.
    pub(in crate::import) name: &'a str,
    pub(in crate::import) start: u64,
    pub(in crate::import) end: u64,
}

/// A plain file in an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::import) struct Member {
    pub(in crate::import) name: String,
    pub(in crate::import) header_at: u64,
    pub(in crate::import) data_at: u64,
    pub(in crate::import) bytes: u64,
}

impl Member {
    /// The last part of its name.
    pub(in crate::import) fn file_name(&self) -> &str {
        self.name.rsplit_once('/').map_or(&self.name, |(_, file)| file)
    }
}

/// What an extension says about the entry that follows it.
#[derive(Default)]
struct Extended {
    name: Option<Vec<u8>>,
    bytes: Option<u64>,
}

impl Window<'_> {
    /// Calls `each` for every plain file in order; folders are passed over. `headers` counts
    /// what was read in this archive and in others of the same set.
    pub(in crate::import) fn walk(
        &self,
        headers: &AtomicU64,
        each: &mut dyn FnMut(Member) -> Result<(), ListError>,
    ) -> Result<(), ListError> {
        let mut at = self.start;
        let mut extended = Extended::default();
        while let Some(header) = self.header(at)? {
            if headers.fetch_add(1, Ordering::Relaxed) >= PICTURES_MAX {
                return Err(self.refuse(at, TarProblem::TooMany));
            }
            let kind = header.entry_type();
            let data_at = at + BLOCK;
            let stated = header.entry_size().map_err(|_| self.refuse(at, TarProblem::Size))?;
            if let Some(next) = self.extension(&header, (at, stated), &mut extended)? {
                at = next;
                continue;
            }
            let Extended { name, bytes } = std::mem::take(&mut extended);
            let name = name.unwrap_or_else(|| header.path_bytes().into_owned());
            let name = checked_name(name).map_err(|problem| self.refuse(at, problem))?;
            let bytes = bytes.unwrap_or(stated);
            let next = self.end_of(at, bytes, &name)?;
            match kind {
                EntryType::Regular | EntryType::Continuous => {
                    each(Member { name, header_at: at, data_at, bytes })?;
                }
                EntryType::Directory => {}
                other => return Err(self.refuse(at, TarProblem::kind(name, other))),
            }
            at = next;
        }
        Ok(())
    }

    /// An error at this byte.
    pub(in crate::import) fn refuse(&self, byte: u64, problem: TarProblem) -> ListError {
        ListError::Tar { archive: self.name.to_owned(), byte, problem }
    }

    /// The header at this byte; none where the archive says that it ends.
    fn header(&self, at: u64) -> Result<Option<Header>, ListError> {
        if at == self.start && self.is_gzipped()? {
            return Err(self.refuse(at, TarProblem::Gzipped));
        }
        if at.checked_add(BLOCK).is_none_or(|end| end > self.end) {
            return Err(self.refuse(at, TarProblem::NoEnd));
        }
        let mut header = Header::new_old();
        self.read(at, header.as_mut_bytes())?;
        let bytes = header.as_bytes();
        if bytes.iter().all(|&byte| byte == 0) {
            return Ok(None);
        }
        // The checksum's own eight bytes count as spaces.
        let sum: u32 =
            bytes[..148].iter().chain(&[b' '; 8]).chain(&bytes[156..]).map(|&byte| u32::from(byte)).sum();
        match header.cksum() {
            Ok(stated) if stated == sum => Ok(Some(header)),
            _ => Err(self.refuse(at, TarProblem::NoHeader)),
        }
    }

    /// Whether it begins as a gzipped file does, which may be shorter than a header.
    fn is_gzipped(&self) -> Result<bool, ListError> {
        let mut magic = [0; GZIP_MAGIC.len()];
        let is_long = self.end - self.start >= GZIP_MAGIC.len() as u64;
        if is_long {
            self.read(self.start, &mut magic)?;
        }
        Ok(is_long && magic == GZIP_MAGIC)
    }

    /// Takes in an entry that only says something about the next one, and returns where that
    /// is; none if the entry is one for its own sake.
    fn extension(
        &self,
        header: &Header,
        (at, bytes): (u64, u64),
        extended: &mut Extended,
    ) -> Result<Option<u64>, ListError> {
        let refuse = |problem| self.refuse(at, problem);
        let (what, bytes_max) = match header.entry_type() {
            EntryType::GNULongName => ("a long name", NAME_BYTES_MAX),
            EntryType::XHeader => ("an extended header", EXTENSION_BYTES_MAX),
            // Of a link, which is refused, and of all entries alike: nothing that matters here.
            EntryType::GNULongLink => return self.end_of(at, bytes, "a long link").map(Some),
            EntryType::XGlobalHeader => return self.end_of(at, bytes, "a global header").map(Some),
            _ => return Ok(None),
        };
        if bytes > bytes_max {
            return Err(refuse(TarProblem::LongExtension { what, bytes, bytes_max }));
        }
        let next = self.end_of(at, bytes, what)?;
        let mut data = vec![0; usize::try_from(bytes).expect("at most EXTENSION_BYTES_MAX")];
        self.read(at + BLOCK, &mut data)?;
        if header.entry_type() == EntryType::GNULongName {
            data.truncate(data.iter().position(|&byte| byte == 0).unwrap_or(data.len()));
            extended.name = Some(data);
        } else {
            extension::read(&data, extended).map_err(refuse)?;
        }
        Ok(Some(next))
    }

    /// Where the entry after this one begins, if this one lies within the archive.
    fn end_of(&self, at: u64, bytes: u64, name: &str) -> Result<u64, ListError> {
        let data_end = (at + BLOCK).checked_add(bytes);
        match data_end.filter(|&end| end <= self.end) {
            // Whole blocks, counted from the archive's start; lengths of files are below 2^63.
            Some(end) => Ok(self.start + (end - self.start).div_ceil(BLOCK) * BLOCK),
            None => {
                let (name, archive_end) = (name.to_owned(), self.end);
                Err(self.refuse(at, TarProblem::Cut { name, bytes, archive_end }))
            }
        }
    }

    fn read(&self, at: u64, buffer: &mut [u8]) -> Result<(), ListError> {
        match read_at(self.file, buffer, at) {
            Ok(read) if read == buffer.len() => Ok(()),
            // It was longer a moment ago.
            Ok(_) => Err(self.refuse(at, TarProblem::NoEnd)),
            Err(source) => Err(ListError::Read { path: self.source.join(self.name), source }),
        }
    }
}

/// The name without leading `./`, if it lies within the archive.
fn checked_name(name: Vec<u8>) -> Result<String, TarProblem> {
    let name = String::from_utf8(name).map_err(|error| TarProblem::NotText {
        name: String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })?;
    if name.len() as u64 > NAME_BYTES_MAX {
        let (what, bytes, bytes_max) = ("a long name", name.len() as u64, NAME_BYTES_MAX);
        return Err(TarProblem::LongExtension { what, bytes, bytes_max });
    }
    if name.starts_with('/') || name.split('/').any(|part| part == "..") {
        return Err(TarProblem::Path { name });
    }
    let parts: Vec<_> = name.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    Ok(parts.join("/"))
}
