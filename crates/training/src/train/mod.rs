//! The loop: a whole job, from its spec to its result.
//!
//! Updates, and tests at their interval; between updates the observer may want a checkpoint
//! or stop it. Whatever is stopped can be resumed from its checkpoint and ends with the
//! same bits. Losses are read only now and then, so that a device is not waited for.

mod iteration;
mod run;
mod start;
mod timing;

use selffer_core::{
    job::Phase,
    outcome::{JobResult, MetricPoint},
    spec::JobSpec,
};
use selffer_data::{Pack, weights::Weights};

pub(crate) use self::iteration::iterate;
use self::{run::Run, timing::Timing};
use crate::{checkpoint::Checkpoint, device::Device, error::TrainError};

/// What is to be trained, and with what.
#[derive(Debug)]
pub struct Training<'a> {
    /// The job.
    pub spec: &'a JobSpec,
    /// Its images.
    pub pack: &'a Pack,
    /// The final checkpoint of the network it copies from; none for base, random and imported ones.
    pub source: Option<&'a Checkpoint>,
    /// The weights from elsewhere that it copies from, for a job that does.
    pub imported: Option<&'a Weights>,
    /// Where an earlier attempt of the same job was stopped.
    pub resume: Option<Checkpoint>,
    /// Threads to compute with; the result does not depend on it. At least 1.
    pub threads: usize,
    /// What to compute on.
    pub device: Device,
}

/// Who wants to know how a training goes. Called on the thread of [`train()`].
pub trait Observer {
    /// It now trains or tests, with this many updates done.
    fn phase(&mut self, phase: Phase, iteration: u32);

    /// It got further; at most a few times a second. `images_per_s`: trained since the last
    /// report, tests not counted.
    fn progress(&mut self, iteration: u32, images_per_s: f32);

    /// A point of the learning curve.
    fn metric(&mut self, point: MetricPoint);

    /// Whether it wants a checkpoint now, with this many updates done; asked between updates.
    fn wants_checkpoint(&self, iteration: u32) -> bool;

    /// The checkpoint that it wanted: a copy, so that it can be written while the training
    /// goes on.
    ///
    /// # Errors
    /// Ends the training with [`TrainError::Observer`] or another error.
    fn checkpoint(&mut self, checkpoint: Checkpoint) -> Result<(), TrainError>;

    /// Whether it should stop; asked between updates.
    fn should_stop(&self) -> bool;
}

/// How a training ended.
#[derive(Debug)]
pub enum Ended {
    /// With a network.
    Finished {
        /// What it says about itself.
        result: JobResult,
        /// The network; without momentum.
        checkpoint: Checkpoint,
    },
    /// Because the observer said so.
    Stopped {
        /// Where to resume.
        checkpoint: Checkpoint,
    },
}

/// Trains a job's network to the end, or until the observer stops it.
///
/// # Errors
/// When the job does not go with the images, source or checkpoint; when it diverges; when
/// an observer, a file or the device fails. [`TrainError::class`] says which kind it is.
pub fn train(training: Training<'_>, observer: &mut dyn Observer) -> Result<Ended, TrainError> {
    let before = training.resume.as_ref().map(|resume| (resume.training_s, resume.testing_s));
    let mut run = Run::start(training)?;
    let mut timing = Timing::start(before.unwrap_or_default());
    observer.phase(Phase::Training, run.iteration());
    let mut last_test = None;
    while run.iteration() < run.iterations() {
        if observer.should_stop() {
            return Ok(Ended::Stopped { checkpoint: timed(run.checkpoint()?, &timing) });
        }
        run.update()?;
        if let Some(images_per_s) = timing.trained(run.batch()) {
            observer.progress(run.iteration(), images_per_s);
        }
        if let Some(point) = run.loss_point()? {
            observer.metric(point);
        }
        if run.is_test_due() {
            observer.phase(Phase::Testing, run.iteration());
            let (point, evaluation) = timing.testing(|| run.test())?;
            observer.metric(point);
            last_test = Some(evaluation);
            if run.iteration() < run.iterations() {
                observer.phase(Phase::Training, run.iteration());
            }
        }
        if run.iteration() < run.iterations() && observer.wants_checkpoint(run.iteration()) {
            observer.checkpoint(timed(run.checkpoint()?, &timing))?;
        }
    }
    let evaluation = last_test.ok_or(TrainError::ResumeShape { iteration: run.iteration() })?;
    let (mut result, checkpoint) = run.finish(&evaluation)?;
    (result.training_s, result.testing_s) = timing.so_far();
    Ok(Ended::Finished { result, checkpoint })
}

fn timed(checkpoint: Checkpoint, timing: &Timing) -> Checkpoint {
    let (training_s, testing_s) = timing.so_far();
    Checkpoint { training_s, testing_s, ..checkpoint }
}
