//! Mapping files: the only `unsafe` of this crate.

use std::{fs::File, io, ops::Deref};

use memmap2::Mmap;

/// A file's bytes, mapped for reading.
#[derive(Debug)]
pub(super) struct MappedFile(Mmap);

impl MappedFile {
    /// Maps the whole file; it must not be empty.
    pub(super) fn of(file: &File) -> io::Result<Self> {
        // SAFETY: the bytes must not change while they are borrowed. A shard is written
        // under another name, not written to any more once it is mapped, and replaced
        // only by rename or removal, both of which leave this mapping as it is. Who
        // truncates a pack in use ends the process by SIGBUS, but cannot make it read
        // foreign memory; only `u8` is read from it, for which every value is valid.
        unsafe { Mmap::map(file) }.map(Self)
    }
}

impl Deref for MappedFile {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}
