//! The loop: a whole job, from its spec to its result.
//!
//! Updates, and tests at their interval; between updates the observer may want a checkpoint
//! or stop it. Whatever is stopped can be resumed from its checkpoint and ends with the
//! same bits. Losses are read only now and then, so that a device is not waited for.

mod iteration;
mod run;
mod start;
mod timing;

use std::{path::Path, thread};

use rayon::ThreadPoolBuilder;
use selffer_core::{
    job::Phase,
    outcome::{JobResult, MetricPoint},
    spec::JobSpec,
    stream::Streams,
};
use selffer_data::{Pack, weights::Weights};

pub(crate) use self::iteration::iterate;
use self::{
    run::{Parts, Run},
    start::{Beginning, begin},
    timing::{Seconds, Timing},
};
use crate::{
    checkpoint::Checkpoint,
    device::Device,
    error::TrainError,
    evaluate::test_batch,
    images::{Feed, Loaders, Plan, Stock},
};

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
    /// Threads that make batches ahead, as [`crate::loaders_for`] says; the result does not
    /// depend on it. At least 1.
    pub loaders: usize,
    /// Folder in which mean images are kept from one training to the next, made if missing.
    /// Without one the mean image is computed.
    pub means: Option<&'a Path>,
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

    /// It tests, and so many batches of this test are done.
    fn tested(&mut self, batches: u64);

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
pub fn train(mut training: Training<'_>, observer: &mut dyn Observer) -> Result<Ended, TrainError> {
    let (spec, threads) = (training.spec, training.threads);
    let pool = ThreadPoolBuilder::new().num_threads(threads.max(1)).build();
    let pool = pool.map_err(|source| TrainError::Threads { threads, source })?;
    let Beginning { mut checkpoint, copied, training: images, validation } = begin(&mut training, &pool)?;
    let before = Seconds {
        training: checkpoint.training_s,
        testing: checkpoint.testing_s,
        waiting: checkpoint.waiting_s,
    };
    let stock = Stock {
        pack: training.pack,
        training: images,
        validation,
        feed: Feed::new(spec, std::mem::take(&mut checkpoint.mean.values)),
        streams: Streams::of(spec),
        recipe: spec.recipe.clone(),
    };
    let at = (checkpoint.iteration, checkpoint.tests.len());
    let plan = Plan::new(spec, at, (stock.validation.len(), test_batch(spec, training.loaders)?));
    thread::scope(|scope| {
        let loaders = Loaders::start(scope, &stock, &plan, training.loaders)?;
        let run = Run::start(spec, checkpoint, Parts { pool, stock: &stock, loaders, copied })?;
        go(run, Timing::start(before), observer)
    })
}

fn go(mut run: Run<'_>, mut timing: Timing, observer: &mut dyn Observer) -> Result<Ended, TrainError> {
    observer.phase(Phase::Training, run.iteration());
    let mut last_test = None;
    while run.iteration() < run.iterations() {
        if observer.should_stop() {
            return Ok(Ended::Stopped { checkpoint: timed_checkpoint(&mut run, &timing)? });
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
            let (point, evaluation) = timing.testing(|| run.test(&mut |batches| observer.tested(batches)))?;
            observer.metric(point);
            last_test = Some(evaluation);
            if run.iteration() < run.iterations() {
                observer.phase(Phase::Training, run.iteration());
            }
        }
        if run.iteration() < run.iterations() && observer.wants_checkpoint(run.iteration()) {
            observer.checkpoint(timed_checkpoint(&mut run, &timing)?)?;
        }
    }
    let evaluation = last_test.ok_or(TrainError::ResumeShape { iteration: run.iteration() })?;
    let waited = run.waited();
    let (mut result, checkpoint) = run.finish(&evaluation)?;
    let seconds = timing.so_far(waited);
    (result.training_s, result.testing_s) = (seconds.training, seconds.testing);
    result.waiting_s = seconds.waiting;
    Ok(Ended::Finished { result, checkpoint })
}

fn timed_checkpoint(run: &mut Run<'_>, timing: &Timing) -> Result<Checkpoint, TrainError> {
    let checkpoint = run.checkpoint()?;
    let Seconds { training, testing, waiting } = timing.so_far(run.waited());
    Ok(Checkpoint { training_s: training, testing_s: testing, waiting_s: waiting, ..checkpoint })
}
