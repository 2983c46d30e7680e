//! The real executable: as a trainer under the daemon's eyes, and as a daemon by itself.
//!
//! With a coordinator it is tested together with the other programs, in top-level `tests`.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests; the lint knows only the functions marked so.

mod bench;
mod daemon;
mod interrupted;
mod left;
mod trainer;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use selffer_core::{
    identity::job_key,
    network::Network,
    recipe::Recipe,
    spec::{
        Classes, Half, ImageShape, ImagesPerClass, JobSpec, Origin, TRAINER_SEMANTICS_VERSION, Treatment,
    },
};
use selffer_data::import::idx::{self, IdxSource};
use workerd::{
    child::Trainer,
    logs::AttemptLog,
    protocol::{Device, Event, Request},
};

const WORKERD: &str = env!("CARGO_BIN_EXE_workerd");
const DEADLINE: Duration = Duration::from_secs(60);

/// A request to train on a small pack in this folder.
fn request(folder: &Path, iterations: u32) -> Request {
    let source = IdxSource {
        train_images: idx_file(folder, "train-images", &[0, 0, 8, 3], &[40, 28, 28]),
        train_labels: idx_file(folder, "train-labels", &[0, 0, 8, 1], &[40]),
        validation_images: idx_file(folder, "test-images", &[0, 0, 8, 3], &[20, 28, 28]),
        validation_labels: idx_file(folder, "test-labels", &[0, 0, 8, 1], &[20]),
        class_names: None,
    };
    let pack = folder.join("pack");
    let manifest = idx::open(&source).unwrap().import(&pack, &mut |_| {}).unwrap().manifest;
    let spec = JobSpec {
        semantics_version: TRAINER_SEMANTICS_VERSION,
        pack: manifest.digest(),
        image: ImageShape { height: 28, width: 28, channels: 1 },
        split: "whole".into(),
        target: Classes { half: Half::W, indices: vec![0, 1].into() },
        source: None,
        imported: None,
        treatment: Treatment { origin: Origin::None, layers_copied: 0, layers_frozen: 0 },
        network: Network::preset("caffenet-28-slim").unwrap().into(),
        recipe: Recipe { iterations, batch: 4, test_every: iterations, ..Recipe::quick_28() },
        seed: 0,
        images_per_class: ImagesPerClass::All,
    };
    let attempt = folder.join("attempt");
    fs::create_dir(&attempt).unwrap();
    Request {
        key: job_key(&spec),
        spec,
        pack,
        source: None,
        imported: None,
        resume: Vec::new(),
        device: Device::Cpu { threads: 1 },
        checkpoint_every_ms: None,
        means: None,
        folder: attempt,
    }
}

/// An IDX file whose labels are 0 and 1 in turn, and whose pixels follow them.
fn idx_file(folder: &Path, name: &str, magic: &[u8; 4], sizes: &[u32]) -> PathBuf {
    let each: u32 = sizes[1..].iter().product();
    let mut bytes = magic.to_vec();
    sizes.iter().for_each(|size| bytes.extend(size.to_be_bytes()));
    let value =
        |index: u32, label_value: u8| if each == 1 { label_value } else { (index % 7) as u8 * label_value };
    bytes.extend((0..sizes[0]).flat_map(|image| (0..each).map(move |index| value(index, (image % 2) as u8))));
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

async fn start(request: &Request) -> (Trainer, Arc<AttemptLog>) {
    let log = Arc::new(AttemptLog::default());
    (Trainer::start(Path::new(WORKERD), request, log.clone()).await.unwrap(), log)
}

/// Everything it says until its last word.
async fn listen(trainer: &mut Trainer) -> Vec<Event> {
    let mut events = Vec::new();
    while let Some(event) = trainer.next().await {
        events.push(event);
    }
    events
}

/// Flips the last bit of a file.
fn damage(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(path, bytes).unwrap();
}

fn spawn(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn wait(child: &mut Child) -> std::process::ExitStatus {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if started.elapsed() > DEADLINE {
            child.kill().unwrap();
            panic!("the program did not end");
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
}
