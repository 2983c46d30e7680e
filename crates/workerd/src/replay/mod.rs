//! `workerd replay`: trains a recorded job again, here, and prints what came of it.
//!
//! It is nobody's worker: it has no session and no lease, asks the coordinator only for what
//! everybody may read, and changes nothing there. What it fetches goes with it. Progress goes
//! to standard error and one JSON document, a [`Replay`], to standard output. Comparing it
//! with what was recorded is `core::replay`'s, and telling people is `jobctl`'s business.

mod arguments;
mod distance;
mod room;
mod subject;
mod watcher;

use std::{
    env,
    future::Future,
    io::{self, Read, Write},
    process, thread,
};

use anyhow::{Context, ensure};
use selffer_core::{
    ids::CheckpointId,
    outcome::JobResult,
    replay::{LayerDistance, REPLAY_SCHEMA, Replay},
};
use selffer_proto::client::{Connection, find_token};
use selffer_training::{Checkpoint, Ended, device_kind};
use tokio::{
    runtime::Runtime,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

pub use self::arguments::ReplayArguments;
use self::{room::Room, subject::Subject, watcher::Watcher};
use crate::{
    cache::Cache,
    data_folders::DataFolders,
    fetch::Fetch,
    inputs::Inputs,
    protocol::{Device, Request, line},
    trainer::Work,
    voice::note,
};

/// It was told to stop.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

impl Interrupted {
    /// Exit status after it: as a shell reports SIGINT.
    pub const STATUS: u8 = 130;
}

/// Trains the job again and prints the outcome.
///
/// # Errors
/// There is no such job, something that it reads is gone, its training fails here, or
/// [`Interrupted`].
pub fn run(arguments: &ReplayArguments, runtime: &Runtime) -> anyhow::Result<()> {
    let stop = runtime.block_on(async { stop_on_signals() }).context("cannot listen for signals")?;
    if arguments.ends_with_stdin {
        stop_with_stdin(stop.clone());
    }
    let token = find_token(arguments.token_file.as_deref(), |name| env::var_os(name))?;
    let connection = runtime.block_on(async { Connection::lazy(&arguments.coordinator, &token) })?;
    let room = Room::take(&arguments.base()?)?;
    // Nothing is ever in the way: all of it goes with the room.
    let cache = Cache::open(room.path().join("cache"), u64::MAX)
        .with_context(|| format!("cannot write to {}", room.path().display()))?;
    let data = DataFolders::none();
    let replaying =
        Replaying { arguments, runtime, stop, connection, room: &room, cache: &cache, data: &data };
    let replay = replaying.replay()?;
    let mut out = io::stdout().lock();
    out.write_all(line(&replay).as_bytes()).and_then(|()| out.flush()).context("cannot print the outcome")
}

// The second signal ends the process at once; the next replay removes what it leaves.
fn stop_on_signals() -> io::Result<CancellationToken> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = CancellationToken::new();
    let asked = stop.clone();
    tokio::spawn(async move {
        tokio::select! { _ = terminate.recv() => {} _ = interrupt.recv() => {} }
        asked.cancel();
        tokio::select! { _ = terminate.recv() => {} _ = interrupt.recv() => {} }
        process::exit(i32::from(Interrupted::STATUS));
    });
    Ok(stop)
}

// Whoever started it and waits for the outcome may die; then nobody wants that any more.
fn stop_with_stdin(stop: CancellationToken) {
    thread::spawn(move || {
        let _ = io::stdin().lock().read_to_end(&mut Vec::new());
        stop.cancel();
    });
}

/// One job being trained again.
struct Replaying<'a> {
    arguments: &'a ReplayArguments,
    runtime: &'a Runtime,
    stop: CancellationToken,
    connection: Connection,
    room: &'a Room,
    cache: &'a Cache,
    data: &'a DataFolders,
}

impl Replaying<'_> {
    fn replay(&self) -> anyhow::Result<Replay> {
        let ReplayArguments { job, coordinator, .. } = self.arguments;
        let subject = self.wait_for(Subject::ask(&self.connection, coordinator, job))?;
        let all = subject.spec.recipe.iterations;
        let iterations = self.arguments.iterations.unwrap_or(all);
        ensure!(iterations <= all, "--iterations {iterations} is more than the {all} of {}", subject.name);
        let inputs = self.wait_for(self.gather(&subject))?;
        let request = self.request(&subject, &inputs);
        let work = Work::open(&request, |_| {})?;
        note(format_args!("{}: {iterations} of {all} iterations on {}", subject.name, work.device));

        let mut watcher = Watcher::new(iterations, self.stop.clone());
        let ended = work.train_from(None, &mut watcher)?;

        if self.stop.is_cancelled() {
            return Err(Interrupted.into());
        }
        let (result, weights) = self.outcome(&subject, ended);
        Ok(Replay {
            schema: REPLAY_SCHEMA.to_owned(),
            key: subject.key,
            program_version: env!("CARGO_PKG_VERSION").to_owned(),
            device: device_kind(work.device),
            threads: threads(request.device),
            iterations,
            points: watcher.points,
            result,
            weights,
        })
    }

    /// The result of a training to its end, and how far its weights are from the recorded ones
    /// if they are others and those can be had.
    fn outcome(&self, subject: &Subject, ended: Ended) -> (Option<JobResult>, Option<Vec<LayerDistance>>) {
        let Ended::Finished { result, checkpoint } = ended else { return (None, None) };
        let others = subject.recorded.filter(|(_, weights)| *weights != result.weights_digest);
        let weights = others.and_then(|(id, weights)| {
            note(format_args!("the recorded weights are others: {weights}"));
            let distances = self.distances(id, &checkpoint);
            distances.inspect_err(|error| note(format_args!("they cannot be compared: {error:#}"))).ok()
        });
        (Some(result), weights)
    }

    fn wait_for<T>(&self, what: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => Err(Interrupted.into()),
                done = what => done,
            }
        })
    }

    async fn gather(&self, subject: &Subject) -> anyhow::Result<Inputs> {
        let connection = || self.connection.clone();
        let fetch = Fetch { connection: &connection, cache: self.cache, data: self.data, done: &|| {} };
        let pack = fetch.pack(subject.spec.pack).await.context("cannot get the images")?;
        let source = match subject.source {
            Some(id) => {
                Some(fetch.checkpoint(id).await.context("cannot get the network that it copies from")?)
            }
            None => None,
        };
        let imported = match subject.spec.imported {
            Some(imported) => {
                let weights = fetch.weights(imported.weights).await;
                Some(weights.context("cannot get the weights that it copies from")?)
            }
            None => None,
        };
        Ok(Inputs { spec: subject.spec.clone(), pack, source, imported, resume: None })
    }

    fn request(&self, subject: &Subject, inputs: &Inputs) -> Request {
        Request {
            key: subject.key,
            spec: inputs.spec.clone(),
            pack: inputs.pack.folder().to_owned(),
            source: inputs.source.as_ref().map(|source| source.folder.clone()),
            imported: inputs.imported.as_ref().map(|imported| imported.folder.clone()),
            // Always from the start: a checkpoint would be taken on trust.
            resume: Vec::new(),
            device: self.arguments.device.device(),
            checkpoint_every_ms: None,
            // Computed again, like everything else.
            means: None,
            folder: self.room.path().to_owned(),
        }
    }

    fn distances(&self, recorded: CheckpointId, replayed: &Checkpoint) -> anyhow::Result<Vec<LayerDistance>> {
        let connection = || self.connection.clone();
        let fetch = Fetch { connection: &connection, cache: self.cache, data: self.data, done: &|| {} };
        let recorded = self.wait_for(async { Ok(fetch.checkpoint(recorded).await?) })?;
        Ok(distance::of_layers(&Checkpoint::read_folder(&recorded.folder)?, replayed))
    }
}

fn threads(device: Device) -> u32 {
    match device {
        Device::Cpu { threads } => u32::try_from(threads).unwrap_or(u32::MAX),
        Device::Gpu { .. } => 0,
    }
}
