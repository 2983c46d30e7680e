//! Watching a replay: its learning curve is kept, and it ends where it was told to.

use std::cell::Cell;

use selffer_core::{job::Phase, outcome::MetricPoint};
use selffer_training::{Checkpoint, Observer, TrainError};
use tokio_util::sync::CancellationToken;

use crate::teller::note_point;

/// Observes one replay.
#[derive(Debug)]
pub(super) struct Watcher {
    /// The learning curve so far.
    pub(super) points: Vec<MetricPoint>,
    iterations: u32,
    done: Cell<u32>,
    stop: CancellationToken,
}

impl Watcher {
    /// Ends the training after so many updates, or when it is told to stop.
    pub(super) fn new(iterations: u32, stop: CancellationToken) -> Self {
        Self { points: Vec::new(), iterations, done: Cell::new(0), stop }
    }
}

impl Observer for Watcher {
    fn phase(&mut self, _: Phase, iteration: u32) {
        self.done.set(iteration);
    }

    fn progress(&mut self, _: u32, _: f32) {}

    fn tested(&mut self, _: u64) {}

    fn metric(&mut self, point: MetricPoint) {
        note_point(&point);
        self.points.push(point);
    }

    // Asked after each update, so this is where to count them.
    fn wants_checkpoint(&self, iteration: u32) -> bool {
        self.done.set(iteration);
        false
    }

    // It wants none.
    fn checkpoint(&mut self, _: Checkpoint) -> Result<(), TrainError> {
        Ok(())
    }

    fn should_stop(&self) -> bool {
        self.stop.is_cancelled() || self.done.get() >= self.iterations
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_stops_after_its_last_update_and_not_before() {
        let stop = CancellationToken::new();
        let watcher = Watcher::new(2, stop.clone());
        assert!(!watcher.should_stop());
        assert!(!watcher.wants_checkpoint(1) && !watcher.should_stop());
        assert!(!watcher.wants_checkpoint(2) && watcher.should_stop());

        let told = Watcher::new(2, stop.clone());
        stop.cancel();
        assert!(told.should_stop());
    }
}
