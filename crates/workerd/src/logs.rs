//! The log of one attempt: the trainer's standard error and the daemon's own remarks.
//!
//! Holds the last mebibyte until it is sent; sending is [`crate::log_sender`]'s business. Positions
//! count the bytes of all text ever added, so that a repeated send stores nothing twice.

use std::{
    fmt::Display,
    sync::{Mutex, MutexGuard, PoisonError},
};

use selffer_core::limits::LOG_BYTES_MAX;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    sync::Notify,
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
    /// Adds text as it is, NUL replaced: the coordinator's database cannot hold it.
    pub fn add(&self, text: &str) {
        let mut kept = self.kept();
        kept.text.push_str(&text.replace('\0', "\u{fffd}"));
        let surplus = kept.text.len().saturating_sub(LOG_BYTES_MAX);
        if surplus > 0 {
            let surplus = kept.text.ceil_char_boundary(surplus);
            kept.text.drain(..surplus);
            kept.start += surplus as u64;
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
