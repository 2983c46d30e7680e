//! The log of one attempt: the trainer's standard error and the daemon's own remarks.
//!
//! Holds the last mebibyte until it is sent, in memory and in the attempt's folder; sending is
//! [`crate::log_sender`]'s business. Positions count the bytes of all text ever added, so that a
//! repeated send stores nothing twice.

use std::{
    fmt::Display,
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

use selffer_core::limits::LOG_BYTES_MAX;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    sync::Notify,
};

use crate::{
    folder::AttemptFolder,
    log_file::{self, LogFile, Sent},
};

/// The most text sent at once, in bytes.
const PIECE_BYTES_MAX: usize = 256 << 10;

/// The log of one attempt.
#[derive(Debug, Default)]
pub struct AttemptLog {
    kept: Mutex<Kept>,
    added: Notify,
}

#[derive(Debug, Default)]
struct Kept {
    // Position of the first kept byte within all text.
    start: u64,
    text: String,
    // None before there is a folder, and after it could not be written.
    file: Option<LogFile>,
}

/// Some text to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Position of its first byte within all text.
    pub offset: u64,
    /// Never empty.
    pub text: String,
}

impl AttemptLog {
    /// The log that an earlier daemon left in this folder, and how far it had sent it; nothing
    /// if it kept none.
    #[must_use]
    pub fn left(folder: &AttemptFolder) -> (Self, Option<Sent>) {
        let Some((start, text)) = log_file::read(folder) else { return (Self::default(), None) };
        let sent = log_file::sent(folder);
        // What could not be written before the daemon died is lost; what was sent is not.
        let start = start.max(sent.here.saturating_sub(text.len() as u64));
        let log = Self::default();
        *log.kept() = Kept { start, text, file: None };
        (log, Some(sent))
    }

    /// From now on it is kept in this folder too, all of it that is here.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn keep_in(&self, folder: &AttemptFolder) -> io::Result<()> {
        let mut kept = self.kept();
        kept.file = Some(LogFile::create(folder, kept.start, &kept.text)?);
        Ok(())
    }

    /// Adds text as it is, NUL replaced: the coordinator's database cannot hold it.
    pub fn add(&self, text: &str) {
        let mut kept = self.kept();
        let text = text.replace('\0', "\u{fffd}");
        kept.text.push_str(&text);
        let surplus = kept.text.len().saturating_sub(LOG_BYTES_MAX);
        if surplus > 0 {
            let surplus = kept.text.ceil_char_boundary(surplus);
            kept.text.drain(..surplus);
            kept.start += surplus as u64;
        }
        let Kept { start, text: all, file } = &mut *kept;
        if file.as_mut().is_some_and(|file| file.append(&text, (*start, all.as_str())).is_err()) {
            *file = None;
        }
        drop(kept);
        self.added.notify_one();
    }

    /// Adds a remark of the daemon, on a line of its own.
    pub fn remark(&self, remark: impl Display) {
        self.add(&format!("workerd: {remark}\n"));
    }

    /// The text from this position on, as far as it is kept and one message holds it.
    #[must_use]
    pub fn piece_from(&self, offset: u64) -> Option<Piece> {
        let kept = self.kept();
        let skip = usize::try_from(offset.saturating_sub(kept.start)).unwrap_or(usize::MAX);
        let skip = kept.text.ceil_char_boundary(skip.min(kept.text.len()));
        let rest = &kept.text[skip..];
        let text = &rest[..rest.floor_char_boundary(PIECE_BYTES_MAX)];
        (!text.is_empty()).then(|| Piece { offset: kept.start + skip as u64, text: text.to_owned() })
    }

    /// The last so many bytes.
    #[must_use]
    pub fn tail(&self, bytes: usize) -> String {
        let kept = self.kept();
        let from = kept.text.ceil_char_boundary(kept.text.len().saturating_sub(bytes));
        kept.text[from..].to_owned()
    }

    /// Waits until something was added since the last time.
    pub async fn added(&self) {
        self.added.notified().await;
    }

    /// Adds everything that comes from here, until its end.
    pub async fn add_all_from(&self, mut reader: impl AsyncRead + Unpin) {
        let (mut buffer, mut pending) = (vec![0; 16 << 10], Vec::new());
        while let Ok(count @ 1..) = reader.read(&mut buffer).await {
            pending.extend_from_slice(&buffer[..count]);
            self.add(&take_text(&mut pending));
        }
        self.add(&String::from_utf8_lossy(&pending));
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the text out, and leaves the beginning of a character whose end has not come yet.
fn take_text(pending: &mut Vec<u8>) -> String {
    let whole = match std::str::from_utf8(pending) {
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        _ => pending.len(),
    };
    let rest = pending.split_off(whole);
    String::from_utf8_lossy(&std::mem::replace(pending, rest)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_mebibyte_is_kept_and_positions_go_on() {
        let log = AttemptLog::default();
        log.add("first\n");
        log.add(&"x".repeat(LOG_BYTES_MAX));
        let piece = log.piece_from(0).unwrap();
        assert_eq!((piece.offset, piece.text.len()), (6, PIECE_BYTES_MAX));
        assert_eq!(log.piece_from(6 + LOG_BYTES_MAX as u64), None);
    }

    #[test]
    fn what_an_earlier_daemon_left_goes_on_at_its_position() {
        let folder = tempfile::tempdir().unwrap();
        let folder = AttemptFolder::at(folder.path().to_owned());
        assert_eq!(AttemptLog::left(&folder).1, None);
        let earlier = AttemptLog::default();
        earlier.add("before there was a folder\n");
        earlier.keep_in(&folder).unwrap();
        earlier.add("and after\n");
        log_file::note_sent(&folder, Sent { here: 26, there: 26 });

        let (later, sent) = AttemptLog::left(&folder);
        later.keep_in(&folder).unwrap();
        later.add("the next daemon\n");

        let unsent = later.piece_from(sent.unwrap().here).unwrap();
        assert_eq!(unsent.text, "and after\nthe next daemon\n");
        assert_eq!(AttemptLog::left(&folder).0.tail(100), later.tail(100));
    }

    #[tokio::test]
    async fn text_survives_being_cut_inside_a_character() {
        let log = AttemptLog::default();
        let mut bytes = "é".repeat(20_000).into_bytes();
        bytes.insert(0, b'a');
        log.add_all_from(bytes.as_slice()).await;
        assert_eq!(log.tail(usize::MAX), format!("a{}", "é".repeat(20_000)));
    }

    #[test]
    fn a_nul_is_replaced() {
        let log = AttemptLog::default();
        log.add("a\0b");
        assert_eq!(log.tail(100), "a\u{fffd}b");
    }
}
