//! Files that are read whole, if they are no longer than any of their kind.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

/// The bytes of this file; none if there are more than `bytes_max`, of which no more are read.
pub(crate) fn read_at_most(path: &Path, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(bytes_max + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= bytes_max).then_some(bytes))
}
