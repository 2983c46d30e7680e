//! Text files of the set: read whole, within bounds, and taken apart by lines.

use std::path::Path;

use super::Ilsvrc2012Error;
use crate::bounded::read_at_most;

/// Five times what the longest list of the set has.
const BYTES_MAX: u64 = 16 << 20;

/// The bytes of this file.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Ilsvrc2012Error> {
    let failed = |source| Ilsvrc2012Error::Read { path: path.to_path_buf(), source };
    match read_at_most(path, BYTES_MAX).map_err(failed)? {
        Some(bytes) => Ok(bytes),
        None => Err(Ilsvrc2012Error::TooLong { path: path.to_path_buf(), limit: BYTES_MAX }),
    }
}

/// The lines of a text with their numbers, without those that are empty.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.lines()).map(|(line, text)| (line, text.trim())).filter(|(_, text)| !text.is_empty())
}

/// A line that is not as it should be.
pub(super) fn wrong_line(
    path: &Path,
    (line, found): (usize, &str),
    expected: &'static str,
) -> Ilsvrc2012Error {
    let found = found.chars().take(64).collect();
    Ilsvrc2012Error::Line { path: path.to_path_buf(), line, found, expected }
}
