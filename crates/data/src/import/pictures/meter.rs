//! How far an import by many threads is.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use crate::import::{Progress, Tell, listing::Entry};

/// Progress is told after so many pictures.
const TELL_EVERY: u64 = 16;

/// Counts what all threads have done, and tells it now and then.
pub(super) struct Meter<'a, 't> {
    pub(super) subset: &'static str,
    images: AtomicU64,
    /// Of those, there before.
    resumed: AtomicU64,
    bytes: AtomicU64,
    images_total: u64,
    bytes_total: u64,
    tell: &'a Mutex<Tell<'t>>,
}

impl<'a, 't> Meter<'a, 't> {
    pub(super) fn start(subset: &'static str, entries: &[Entry], tell: &'a Mutex<Tell<'t>>) -> Self {
        let bytes_total = entries.iter().map(|entry| entry.bytes).sum();
        let [images, resumed, bytes] = [0, 0, 0].map(AtomicU64::new);
        let meter =
            Self { subset, images, resumed, bytes, images_total: entries.len() as u64, bytes_total, tell };
        meter.tell();
        meter
    }

    pub(super) fn done(&self, entries: &[Entry]) {
        let (count, bytes) = (entries.len() as u64, entries.iter().map(|entry| entry.bytes).sum());
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let before = self.images.fetch_add(count, Ordering::Relaxed);
        if before / TELL_EVERY != (before + count) / TELL_EVERY {
            self.tell();
        }
    }

    /// The same of pictures that are there from an earlier go.
    pub(super) fn resumed(&self, entries: &[Entry]) {
        self.resumed.fetch_add(entries.len() as u64, Ordering::Relaxed);
        self.done(entries);
    }

    pub(super) fn tell(&self) {
        let now = Progress {
            subset: self.subset,
            images_done: self.images.load(Ordering::Relaxed),
            images_resumed: self.resumed.load(Ordering::Relaxed),
            images_total: self.images_total,
            bytes_done: self.bytes.load(Ordering::Relaxed),
            bytes_total: self.bytes_total,
        };
        (self.tell.lock().unwrap_or_else(PoisonError::into_inner))(now);
    }
}
