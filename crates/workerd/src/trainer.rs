//! The child's main: trains what one request says and tells the daemon how it goes.
//!
//! Knows no network. Ends early, with a checkpoint, when it is told to stop and when its
//! standard input closes, which means that the daemon died. Signals that ask to stop are left
//! to the daemon: a service manager sends them to both.

use std::{
    fmt::Display,
    fs::{self, File},
    io::{self, BufRead, Write},
    path::Path,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use nix::sys::signal::{SigSet, Signal};
use selffer_core::{
    identity::job_key,
    ids::Digest,
    job::{Failure, FailureClass, Phase},
    outcome::{MetricPoint, MetricValue},
    recipe::Recipe,
};
use selffer_data::Pack;
use selffer_training::{
    Checkpoint, CheckpointError, DeviceRequest, Ended, Observer, TrainError, Training, select_device, train,
};

use crate::{
    ambient,
    protocol::{Device, Event, Input, Request, Saved, line},
    scratch::ATTEMPT_LOCK_FILE,
};

/// Reads the request, trains, and says what came of it.
#[must_use]
pub fn run() -> ExitCode {
    block_signals();
    let last = read_request().and_then(|request| {
        let stop = stop_flag();
        let _lock = lock(&request.folder)?;
        work(&request, stop)
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

// Tells a later daemon on this folder that we still live.
fn lock(folder: &Path) -> anyhow::Result<File> {
    let cannot_lock = || format!("cannot lock {}", folder.display());
    let file = File::create(folder.join(ATTEMPT_LOCK_FILE)).with_context(cannot_lock)?;
    file.lock().with_context(cannot_lock)?;
    Ok(file)
}

fn work(request: &Request, stop: Arc<AtomicBool>) -> anyhow::Result<Event> {
    let found = job_key(&request.spec);
    if found != request.key {
        let message = format!("the spec is that of job {found}, not of {}", request.key);
        return Ok(Event::Failed(Failure { class: FailureClass::Invalid, message }));
    }
    let (device, threads) = match request.device {
        Device::Cpu { threads } => (DeviceRequest::Cpu, threads),
        Device::Gpu { index } => (DeviceRequest::Gpu(index), 1),
    };
    let work = Work {
        request,
        pack: or_damaged(Input::Pack, open_pack(request))?,
        source: or_damaged(Input::Source, read(request.source.as_deref()))?,
        device: select_device(device)?,
        threads,
    };
    let Recipe { iterations, batch, .. } = request.spec.recipe;
    note(format_args!("{iterations} iterations of {batch} images on {}, {threads} threads", work.device));
    let mut teller = Teller::new(request, stop);
    let resume = or_damaged(Input::Resume, read(request.resume.as_deref())).unwrap_or_else(|error| {
        note(format_args!("starting over: {:#}", anyhow::Error::from(error)));
        None
    });
    let trained = match work.train_from(resume, &mut teller) {
        // Work is lost, but the job is not: it may have moved to another kind of device.
        Err(
            error @ (TrainError::ResumeDevice { .. }
            | TrainError::ResumeJob { .. }
            | TrainError::ResumeShape { .. }),
        ) if request.resume.is_some() => {
            note(format_args!("starting over: {error}"));
            work.train_from(None, &mut teller)
        }
        trained => trained,
    };
    match trained {
        Ok(Ended::Finished { result, checkpoint }) => {
            let weights = result.weights_digest;
            Ok(match save(request, &checkpoint, Some(weights)) {
                Ok(saved) => Event::Finished { result: Box::new(result), saved },
                Err(error) => failed(error.class(), &error.into()),
            })
        }
        Ok(Ended::Stopped { checkpoint }) => Ok(match save(request, &checkpoint, None) {
            Ok(saved) => Event::Stopped(saved),
            Err(error) => failed(error.class(), &error.into()),
        }),
        Err(error) => Ok(failed(error.class(), &error.into())),
    }
}

// By its name in the cache it is the job's; one that says otherwise is damaged.
fn open_pack(request: &Request) -> anyhow::Result<Pack> {
    let pack = Pack::open(&request.pack)?;
    let (expected, found) = (request.spec.pack, pack.digest());
    ensure!(found == expected, "the files of pack {expected} are those of {found}");
    Ok(pack)
}

fn read(folder: Option<&Path>) -> Result<Option<Checkpoint>, CheckpointError> {
    folder.map(Checkpoint::read_folder).transpose()
}

/// Tells the daemon of an input that cannot be read, so that it is fetched again.
fn or_damaged<T, E>(input: Input, opened: Result<T, E>) -> Result<T, E> {
    opened.inspect_err(|_| say(&Event::Damaged(input)))
}

/// A training with everything it needs but where it begins.
struct Work<'a> {
    request: &'a Request,
    pack: Pack,
    source: Option<Checkpoint>,
    device: selffer_training::Device,
    threads: usize,
}

impl Work<'_> {
    fn train_from(&self, resume: Option<Checkpoint>, teller: &mut Teller<'_>) -> Result<Ended, TrainError> {
        let training = Training {
            spec: &self.request.spec,
            pack: &self.pack,
            source: self.source.as_ref(),
            resume,
            threads: self.threads,
            device: self.device,
        };
        train(training, teller)
    }
}

// Seen under its name only when it is whole.
fn save(request: &Request, checkpoint: &Checkpoint, weights: Option<Digest>) -> Result<Saved, TrainError> {
    let iteration = checkpoint.iteration;
    let name = if weights.is_some() { "final".to_owned() } else { format!("checkpoint-{iteration}") };
    let folder = request.folder.join(&name);
    let part = request.folder.join(format!("{name}.part"));
    let files = checkpoint.write_folder(&part).inspect_err(|_| {
        // Half of it would only take the room that the next one needs.
        let _ = fs::remove_dir_all(&part);
    })?;
    fs::rename(&part, &folder)
        .map_err(|error| TrainError::Observer { iteration, source: Box::new(error) })?;
    Ok(Saved { folder, files, iteration, weights })
}

fn failed(class: FailureClass, error: &anyhow::Error) -> Event {
    Event::Failed(Failure { class, message: format!("{error:#}") })
}

/// A line of the attempt's log.
fn note(text: impl Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

// A daemon that is gone cannot hear us; the training still ends with a checkpoint.
fn say(event: &Event) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(line(event).as_bytes()).and_then(|()| out.flush());
}

/// Tells the daemon how the training goes.
struct Teller<'a> {
    request: &'a Request,
    stop: Arc<AtomicBool>,
    checkpoint_every: Option<Duration>,
    saved_at: Instant,
}

impl<'a> Teller<'a> {
    fn new(request: &'a Request, stop: Arc<AtomicBool>) -> Self {
        let checkpoint_every = request.checkpoint_every_s.map(Duration::from_secs);
        Self { request, stop, checkpoint_every, saved_at: ambient::now() }
    }
}

impl Observer for Teller<'_> {
    fn phase(&mut self, phase: Phase, iteration: u32) {
        say(&Event::Phase { phase, iteration });
    }

    fn progress(&mut self, iteration: u32, images_per_s: f32) {
        say(&Event::Progress { iteration, images_per_s });
    }

    fn metric(&mut self, point: MetricPoint) {
        let iteration = point.iteration;
        match &point.value {
            MetricValue::TrainingLoss(loss) => {
                note(format_args!("iteration {iteration}: training loss {loss:.4}"));
            }
            MetricValue::Test(test) => {
                let top1_percent = 100.0 * test.top1();
                note(format_args!(
                    "iteration {iteration}: test top-1 {top1_percent:.2} %, loss {:.4}",
                    test.loss
                ));
            }
        }
        say(&Event::Metric(point));
    }

    fn wants_checkpoint(&self, _: u32) -> bool {
        self.checkpoint_every.is_some_and(|every| self.saved_at.elapsed() >= every)
    }

    // One that cannot be kept, on a full disk for example, costs safety, not the training.
    fn checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<(), TrainError> {
        let iteration = checkpoint.iteration;
        match save(self.request, checkpoint, None) {
            Ok(saved) => {
                note(format_args!("iteration {iteration}: checkpoint"));
                say(&Event::Checkpoint(saved));
            }
            Err(error) => {
                note(format_args!("iteration {iteration}: no checkpoint: {:#}", anyhow::Error::from(error)));
            }
        }
        self.saved_at = ambient::now();
        Ok(())
    }

    fn should_stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
