//! Gzipped tar archives that are small enough to be read from the front for each file in them.
//!
//! Nothing is unpacked to the disk, memory does not grow with the archive, and what unpacks to
//! more than it should is not read on.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
};

use flate2::bufread::GzDecoder;
use tar::{Archive, Entry};

/// A plain file in an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// Its path in the archive.
    pub(super) name: String,
    pub(super) bytes: u64,
}

/// A reader that fails where it should have ended.
pub(super) struct Bounded<R> {
    inner: R,
    left: u64,
    bytes_max: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        match self.left.checked_sub(count as u64) {
            Some(left) => {
                self.left = left;
                Ok(count)
            }
            None => Err(invalid(format!("it unpacks to more than {} bytes", self.bytes_max))),
        }
    }
}

/// What is read of an archive.
pub(super) type Unpacked = Bounded<GzDecoder<BufReader<File>>>;

fn unpacked(path: &Path, bytes_max: u64) -> io::Result<Archive<Unpacked>> {
    let file = BufReader::with_capacity(1 << 16, File::open(path)?);
    Ok(Archive::new(Bounded { inner: GzDecoder::new(file), left: bytes_max, bytes_max }))
}

/// The plain files in the archive, which is read to its end so that damage is seen.
pub(super) fn members(path: &Path, bytes_max: u64) -> io::Result<Vec<Member>> {
    let mut archive = unpacked(path, bytes_max)?;
    let mut members: Vec<Member> = Vec::new();
    // Raw: long names and extended headers are not read into memory; no file that is sought
    // has such a name.
    for entry in archive.entries()?.raw(true) {
        let Some(member) = member(&entry?)? else { continue };
        if members.iter().any(|known| known.name == member.name) {
            return Err(invalid(format!("{} is in the archive twice", member.name)));
        }
        members.push(member);
        if members.len() > MEMBERS_MAX {
            return Err(invalid(format!("the archive has more than {MEMBERS_MAX} files")));
        }
    }
    io::copy(&mut archive.into_inner(), &mut io::sink())?;
    Ok(members)
}

/// Far above any archive that is read so.
const MEMBERS_MAX: usize = 1_000;

/// The bytes of this file of the archive.
pub(super) fn open(path: &Path, wanted: &Member, bytes_max: u64) -> io::Result<io::Take<Unpacked>> {
    let mut archive = unpacked(path, bytes_max)?;
    let mut is_found = false;
    for entry in archive.entries()?.raw(true) {
        if member(&entry?)?.as_ref() == Some(wanted) {
            is_found = true;
            break;
        }
    }
    if !is_found {
        return Err(invalid(format!("{} is no longer in the archive", wanted.name)));
    }
    // The header is read and nothing after it: what comes next are the file's bytes.
    Ok(archive.into_inner().take(wanted.bytes))
}

fn member<R: Read>(entry: &Entry<'_, R>) -> io::Result<Option<Member>> {
    if !entry.header().entry_type().is_file() {
        return Ok(None);
    }
    let name = String::from_utf8_lossy(&entry.header().path_bytes()).into_owned();
    if name.starts_with('/') || name.split('/').any(|part| part == "..") {
        return Err(invalid(format!("{name:?} leads out of the archive")));
    }
    Ok(Some(Member { name, bytes: entry.size() }))
}

fn invalid(problem: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}
