//! How long a training takes, and how fast it is.

use std::time::{Duration, Instant};

/// The shortest time between two reports of progress.
const REPORT_INTERVAL: Duration = Duration::from_millis(500);

/// Seconds of a training, over all trainers that worked on it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seconds {
    /// Training and testing.
    pub(super) training: f64,
    /// Of those, testing.
    pub(super) testing: f64,
    /// Of all, waiting for images.
    pub(super) waiting: f64,
}

/// A training's stop-watch.
pub(super) struct Timing {
    started: Instant,
    /// What the trainings took that this one goes on from.
    before: Seconds,
    tested: Duration,
    /// Since the last report; tests move it on.
    since: Instant,
    images: u32,
}

impl Timing {
    /// Starts, with what it took so far as [`Timing::so_far`] told.
    pub(super) fn start(before: Seconds) -> Self {
        let now = Instant::now();
        Self { started: now, before, tested: Duration::ZERO, since: now, images: 0 }
    }

    /// Notes an update of so many images. Returns images a second when a report is due.
    pub(super) fn trained(&mut self, images: u32) -> Option<f32> {
        self.images += images;
        let elapsed = self.since.elapsed();
        if elapsed < REPORT_INTERVAL {
            return None;
        }
        let images_per_s = self.images as f32 / elapsed.as_secs_f32();
        self.since = Instant::now();
        self.images = 0;
        Some(images_per_s)
    }

    /// Notes the time of a test.
    pub(super) fn testing<R>(&mut self, test: impl FnOnce() -> R) -> R {
        let started = Instant::now();
        let result = test();
        let elapsed = started.elapsed();
        self.tested += elapsed;
        self.since += elapsed;
        result
    }

    /// What it took so far, with what this trainer waited for images.
    pub(super) fn so_far(&self, waited: Duration) -> Seconds {
        Seconds {
            training: self.before.training + self.started.elapsed().as_secs_f64(),
            testing: self.before.testing + self.tested.as_secs_f64(),
            waiting: self.before.waiting + waited.as_secs_f64(),
        }
    }
}
