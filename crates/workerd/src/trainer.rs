//! The child's main: trains what one request says and tells the daemon how it goes.
//!
//! Knows no network. Ends early, with a checkpoint, when it is told to stop and when its
//! standard input closes, which means that the daemon died. Signals that ask to stop are left
//! to the daemon: a service manager sends them to both.

use std::{
    fs,
    io::{self, BufRead},
    path::Path,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, ensure};
use nix::sys::signal::{SigSet, Signal};
use selffer_core::{
    identity::job_key,
    job::{Failure, FailureClass},
    recipe::Recipe,
};
use selffer_data::{Pack, weights::Weights};
use selffer_training::{
    Checkpoint, Ended, Observer, TrainError, Training, loaders_for, select_device, train,
};

use crate::{
    evidence,
    folder::AttemptFolder,
    points::PointsFile,
    protocol::{Event, Input, Request, Saved},
    saver::Saver,
    teller::{Teller, note_times},
    trainer_lock,
    voice::{note, say},
};

/// Reads the request, trains, and says what came of it.
#[must_use]
pub fn run() -> ExitCode {
    block_signals();
    let last = read_request().and_then(|request| {
        let stop = stop_flag();
        let folder = AttemptFolder::at(request.folder.clone());
        let cannot_lock = || format!("cannot lock {}", request.folder.display());
        let _lock = trainer_lock::take(&folder).with_context(cannot_lock)?;
        folder.remove_parts();
        work(&request, &folder, stop)
    });
    match last {
        Ok(last) => {
            say(&last);
            ExitCode::SUCCESS
        }
        Err(error) => {
            say(&failed(FailureClass::Infrastructure, &error));
            ExitCode::FAILURE
        }
    }
}

// Before any other thread starts, so that all of them inherit it.
fn block_signals() {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGTERM);
    signals.add(Signal::SIGINT);
    let _ = signals.thread_block();
}

fn read_request() -> anyhow::Result<Request> {
    let mut text = String::new();
    io::stdin().lock().read_line(&mut text).context("cannot read the request")?;
    ensure!(!text.is_empty(), "no request came on standard input; this command is for workerd itself");
    serde_json::from_str(&text).context("the request cannot be read")
}

/// Becomes true when the daemon says stop, or is gone.
fn stop_flag() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let told = stop.clone();
    // Whatever comes means stop: there is no other control, and the end means it too.
    thread::spawn(move || {
        let _ = io::stdin().lock().read_line(&mut String::new());
        told.store(true, Ordering::Relaxed);
    });
    stop
}

fn work(request: &Request, folder: &AttemptFolder, stop: Arc<AtomicBool>) -> anyhow::Result<Event> {
    let found = job_key(&request.spec);
    if found != request.key {
        let message = format!("the spec is that of job {found}, not of {}", request.key);
        return Ok(Event::Failed(Failure { class: FailureClass::Invalid, message }));
    }
    // The daemon fetches anew what cannot be read.
    let work = Work::open(request, |input| say(&Event::Damaged(input)))?;
    let Recipe { iterations, batch, .. } = request.spec.recipe;
    let Work { device, threads, .. } = work;
    let loaders = work.loaders();
    note(format_args!(
        "{iterations} iterations of {batch} images on {device}, threads: {threads}, loaders: {loaders}"
    ));
    let saver = Saver::new(folder.clone(), request.checkpoint_every_ms.map(Duration::from_millis));
    let mut teller = Teller::new(saver, PointsFile::open(folder)?, stop);
    let trained = work.train(&mut teller);
    if let Err(TrainError::Images(_)) = &trained {
        say(&Event::Damaged(Input::Pack));
    }
    let saver = &mut teller.saver;
    let last = trained.and_then(|ended| match ended {
        Ended::Finished { result, checkpoint } => {
            note_times(&result);
            let saved = saver.save_final(&checkpoint, &result)?;
            Ok(Event::Finished { result: Box::new(result), saved })
        }
        Ended::Stopped { checkpoint } => Ok(Event::Stopped(saver.save_last(&checkpoint)?)),
    });
    // The one that is being written may be all that is left of a training that failed.
    saver.finish();
    Ok(last.unwrap_or_else(|error| failed(error.class(), &error.into())))
}

// By its name in the cache it is the job's; one that says otherwise is damaged.
fn open_pack(request: &Request) -> anyhow::Result<Pack> {
    let pack = Pack::open(&request.pack)?;
    let (expected, found) = (request.spec.pack, pack.digest());
    ensure!(found == expected, "the files of pack {expected} are those of {found}");
    Ok(pack)
}

fn open_imported(request: &Request) -> anyhow::Result<Option<Weights>> {
    let Some(folder) = &request.imported else { return Ok(None) };
    let weights = Weights::open(folder)?;
    let expected = request.spec.imported.map(|imported| imported.weights);
    let found = weights.digest();
    ensure!(
        expected.is_none_or(|expected| expected == found),
        "the files of the weights are those of {found}"
    );
    weights.verify()?;
    Ok(Some(weights))
}

/// A training with everything it needs but where it begins.
pub(crate) struct Work<'a> {
    request: &'a Request,
    pack: Pack,
    source: Option<Checkpoint>,
    imported: Option<Weights>,
    /// What it computes on.
    pub(crate) device: selffer_training::Device,
    threads: usize,
}

impl<'a> Work<'a> {
    /// Opens what the request names; `damaged` hears which input cannot be read.
    ///
    /// # Errors
    /// An input cannot be read, or the device is not there.
    pub(crate) fn open(request: &'a Request, damaged: impl Fn(Input)) -> anyhow::Result<Self> {
        let source = request.source.as_deref().map(Checkpoint::read_folder).transpose();
        Ok(Self {
            request,
            pack: open_pack(request).inspect_err(|_| damaged(Input::Pack))?,
            source: source.inspect_err(|_| damaged(Input::Source))?,
            imported: open_imported(request).inspect_err(|_| damaged(Input::Imported))?,
            device: select_device(request.device.request())?,
            threads: request.device.threads(),
        })
    }
}

impl Work<'_> {
    /// Trains from the first checkpoint that can be used, else from the start.
    fn train(&self, teller: &mut Teller) -> Result<Ended, TrainError> {
        for folder in &self.request.resume {
            let checkpoint = match Checkpoint::read_folder(folder) {
                Ok(checkpoint) => checkpoint,
                Err(error) => {
                    note(format_args!("no going on from a checkpoint: {:#}", anyhow::Error::from(error)));
                    self.discard(folder);
                    continue;
                }
            };
            let iteration = checkpoint.iteration;
            let files = Checkpoint::files_in(folder).ok().filter(|_| self.is_local(folder));
            let saved = |files| Saved { folder: folder.clone(), files, iteration, weights: None };
            teller.saver.begins_at(files.map(saved));
            note(format_args!("going on from iteration {iteration}"));
            match self.train_from(Some(checkpoint), teller) {
                // Work is lost, but the job is not: it may have moved to another kind of device.
                Err(
                    error @ (TrainError::ResumeDevice { .. }
                    | TrainError::ResumeJob { .. }
                    | TrainError::ResumeShape { .. }),
                ) => note(format_args!("no going on from iteration {iteration}: {error}")),
                trained => return trained,
            }
        }
        if !self.request.resume.is_empty() {
            note("starting over");
        }
        teller.saver.begins_at(None);
        self.train_from(None, teller)
    }

    // Only what was fetched can be fetched again.
    fn discard(&self, folder: &Path) {
        match self.is_local(folder) {
            true => drop(fs::remove_dir_all(folder)),
            false => say(&Event::Damaged(Input::Resume)),
        }
    }

    fn loaders(&self) -> usize {
        loaders_for(&self.request.spec, &self.pack, self.threads)
    }

    fn is_local(&self, folder: &Path) -> bool {
        folder.starts_with(&self.request.folder)
    }

    /// Trains from this checkpoint, or from the start.
    ///
    /// # Errors
    /// As [`train`].
    pub(crate) fn train_from(
        &self,
        resume: Option<Checkpoint>,
        observer: &mut dyn Observer,
    ) -> Result<Ended, TrainError> {
        let training = Training {
            spec: &self.request.spec,
            pack: &self.pack,
            source: self.source.as_ref(),
            imported: self.imported.as_ref(),
            resume,
            threads: self.threads,
            loaders: self.loaders(),
            means: self.request.means.as_deref(),
            device: self.device,
        };
        train(training, observer)
    }
}

fn failed(class: FailureClass, error: &anyhow::Error) -> Event {
    Event::Failed(evidence::judged(Failure { class, message: format!("{error:#}") }))
}
