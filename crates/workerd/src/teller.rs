//! Telling the daemon, and people in the log, how a training goes; and what it is told.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use selffer_core::{
    job::Phase,
    outcome::{JobResult, MetricPoint, MetricValue},
};
use selffer_training::{Checkpoint, Observer, TrainError};

use crate::{
    ambient,
    points::PointsFile,
    protocol::Event,
    saver::Saver,
    voice::{note, say},
};

/// The shortest time between two reports of a test.
const REPORT_INTERVAL: Duration = Duration::from_millis(500);

/// Observes one training.
#[derive(Debug)]
pub struct Teller {
    /// Keeps its checkpoints.
    pub saver: Saver,
    points: PointsFile,
    stop: Arc<AtomicBool>,
    points_lost: bool,
    tested_at: Option<Instant>,
}

impl Teller {
    /// An observer that stops the training when the flag is set.
    #[must_use]
    pub fn new(saver: Saver, points: PointsFile, stop: Arc<AtomicBool>) -> Self {
        Self { saver, points, stop, points_lost: false, tested_at: None }
    }
}

/// Tells people a point of the learning curve.
pub(crate) fn note_point(MetricPoint { iteration, value, .. }: &MetricPoint) {
    match value {
        MetricValue::TrainingLoss(loss) => {
            note(format_args!("iteration {iteration}: training loss {loss:.4}"));
        }
        MetricValue::Test(test) => {
            let (top1_percent, loss) = (100.0 * test.top1(), test.loss);
            note(format_args!("iteration {iteration}: test top-1 {top1_percent:.2} %, loss {loss:.4}"));
        }
    }
}

/// Tells people how long a training took, and how much of that it waited for images.
pub(crate) fn note_times(result: &JobResult) {
    let JobResult { training_s, testing_s, waiting_s, .. } = result;
    let waiting_percent = 100.0 * waiting_s / training_s;
    note(format_args!(
        "trained in {training_s:.1} s, {testing_s:.1} s of them tests; waited for images {waiting_s:.2} s \
         ({waiting_percent:.2} %)"
    ));
}

impl Observer for Teller {
    fn phase(&mut self, phase: Phase, iteration: u32) {
        say(&Event::Phase { phase, iteration });
    }

    fn progress(&mut self, iteration: u32, images_per_s: f32) {
        say(&Event::Progress { iteration, images_per_s });
    }

    fn tested(&mut self, batches: u64) {
        let now = ambient::now();
        let is_old = |at: Instant| now.saturating_duration_since(at) >= REPORT_INTERVAL;
        if batches == 1 || self.tested_at.is_none_or(is_old) {
            self.tested_at = Some(now);
            say(&Event::Tested { batches });
        }
    }

    fn metric(&mut self, point: MetricPoint) {
        let iteration = point.iteration;
        note_point(&point);
        // The file only matters if the daemon dies.
        if let Err(error) = self.points.append(&point)
            && !std::mem::replace(&mut self.points_lost, true)
        {
            note(format_args!("iteration {iteration}: points are not kept: {error}"));
        }
        say(&Event::Metric(point));
    }

    fn wants_checkpoint(&self, _: u32) -> bool {
        self.saver.is_due()
    }

    fn checkpoint(&mut self, checkpoint: Checkpoint) -> Result<(), TrainError> {
        self.saver.save_meanwhile(checkpoint);
        Ok(())
    }

    fn should_stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
