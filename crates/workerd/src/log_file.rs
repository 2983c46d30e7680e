//! An attempt's log on disk, so that a later daemon can send what an earlier one could not.
//!
//! - `log`: a line with the position of what follows, then the text; at most twice what is
//!   kept of a log
//! - `log-sent.json`: how far the coordinator had it
//!
//! A log that cannot be written costs a later daemon words, never the attempt.

use std::{
    fs::{self, File},
    io::{self, Write},
};

use selffer_core::limits::LOG_BYTES_MAX;
use serde::{Deserialize, Serialize};

use crate::{folder::AttemptFolder, planted};

const LOG_FILE: &str = "log";
const SENT_FILE: &str = "log-sent.json";
const HEADER: &str = "selffer.log/v1 ";

/// How far a log is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// Position within all text there was here.
    pub here: u64,
    /// Bytes that the coordinator has.
    pub there: u64,
}

/// The file of one attempt, to append to.
#[derive(Debug)]
pub struct LogFile {
    folder: AttemptFolder,
    file: File,
    bytes: usize,
}

impl LogFile {
    /// Starts the file anew with this text, whose first byte is at position `start`.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn create(folder: &AttemptFolder, start: u64, text: &str) -> io::Result<Self> {
        let path = folder.path().join(LOG_FILE);
        let part = AttemptFolder::part(&path);
        let mut file = planted::create(&part)?;
        write!(file, "{HEADER}{start}\n{text}")?;
        fs::rename(part, path)?;
        Ok(Self { folder: folder.clone(), file, bytes: text.len() })
    }

    /// Adds text; `kept` says what is kept of the log, and from which position, should the file
    /// have become too long.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn append(&mut self, text: &str, (start, kept): (u64, &str)) -> io::Result<()> {
        self.bytes += text.len();
        if self.bytes <= 2 * LOG_BYTES_MAX {
            return self.file.write_all(text.as_bytes());
        }
        *self = Self::create(&self.folder, start, kept)?;
        Ok(())
    }
}

/// What an earlier daemon left of the log: position and text; nothing if there is none.
#[must_use]
pub fn read(folder: &AttemptFolder) -> Option<(u64, String)> {
    let bytes = fs::read(folder.path().join(LOG_FILE)).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let (header, text) = text.split_once('\n')?;
    let start = header.strip_prefix(HEADER)?.parse().ok()?;
    Some((start, text.to_owned()))
}

/// Notes how far it is sent.
pub fn note_sent(folder: &AttemptFolder, sent: Sent) {
    let path = folder.path().join(SENT_FILE);
    let part = AttemptFolder::part(&path);
    let text = serde_json::to_vec(&sent).unwrap_or_default();
    // What is not noted is sent again at worst, and then taken once: the coordinator counts.
    let _ = planted::create(&part).and_then(|mut file| file.write_all(&text));
    let _ = fs::rename(part, path);
}

/// How far an earlier daemon had sent it.
#[must_use]
pub fn sent(folder: &AttemptFolder) -> Sent {
    let bytes = fs::read(folder.path().join(SENT_FILE)).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, AttemptFolder) {
        let folder = tempfile::tempdir().unwrap();
        let attempt = AttemptFolder::at(folder.path().to_owned());
        (folder, attempt)
    }

    #[test]
    fn what_was_added_is_found_again_with_its_position() {
        let (_kept, folder) = folder();
        assert_eq!(read(&folder), None);
        let mut file = LogFile::create(&folder, 7, "first\n").unwrap();
        file.append("second\n", (7, "")).unwrap();
        assert_eq!(read(&folder), Some((7, "first\nsecond\n".to_owned())));
        let at = Sent { here: 13, there: 6 };
        note_sent(&folder, at);
        assert_eq!(sent(&folder), at);
    }

    #[test]
    fn a_long_log_is_cut_at_its_beginning() {
        let (_kept, folder) = folder();
        let mut file = LogFile::create(&folder, 0, "").unwrap();
        let piece = "x".repeat(LOG_BYTES_MAX);
        file.append(&piece, (0, "")).unwrap();
        file.append(&piece, (0, "")).unwrap();
        file.append("end\n", (2_000_000, "the end\n")).unwrap();
        assert_eq!(read(&folder), Some((2_000_000, "the end\n".to_owned())));
    }
}
