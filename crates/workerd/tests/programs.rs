//! The real executable: as a trainer under the daemon's eyes, and as a daemon by itself.
//!
//! With a coordinator it is tested together with the other programs, in top-level `tests`.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests; the lint knows only the functions marked so.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use selffer_core::{
    identity::job_key,
    ids::{CheckpointId, JobKey},
    job::FailureClass,
    network::Network,
    recipe::Recipe,
    spec::{
        Classes, Half, ImageShape, ImagesPerClass, JobSpec, Origin, TRAINER_SEMANTICS_VERSION, Treatment,
    },
};
use selffer_data::import::idx::{self, IdxSource};
use uuid::Uuid;
use workerd::{
    cache::{Cache, EntryName},
    child::Trainer,
    inputs::Inputs,
    logs::AttemptLog,
    protocol::{Device, Event, Input, Request, line},
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
    let manifest = idx::import(&source, &pack, &mut |_| {}).unwrap();
    let spec = JobSpec {
        semantics_version: TRAINER_SEMANTICS_VERSION,
        pack: manifest.digest(),
        image: ImageShape { height: 28, width: 28, channels: 1 },
        split: "whole".into(),
        target: Classes { half: Half::W, indices: vec![0, 1] },
        source: None,
        treatment: Treatment { origin: Origin::None, layers_copied: 0, layers_frozen: 0 },
        network: Network::preset("caffenet-28-slim").unwrap(),
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
        resume: None,
        device: Device::Cpu { threads: 1 },
        checkpoint_every_s: None,
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

#[tokio::test]
async fn a_trainer_says_everything_up_to_its_result() {
    let folder = tempfile::tempdir().unwrap();
    let (mut trainer, log) = start(&request(folder.path(), 3)).await;

    let events = listen(&mut trainer).await;

    assert_eq!(trainer.verdict().await, None, "{}", log.tail(1000));
    let Some(Event::Finished { result, saved }) = events.last() else { panic!("{events:?}") };
    assert_eq!(result.test.images, 20);
    assert_eq!(saved.weights, Some(result.weights_digest));
    assert!(saved.files.iter().all(|file| saved.folder.join(file).is_file()));
    assert!(events.iter().any(|event| matches!(event, Event::Metric(_))));
}

#[tokio::test]
async fn a_trainer_told_to_stop_leaves_a_checkpoint_from_which_another_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut request = request(folder.path(), 1_000_000);
    let (mut trainer, log) = start(&request).await;
    assert!(matches!(trainer.next().await, Some(Event::Phase { iteration: 0, .. })));

    trainer.stop().await;

    let events = listen(&mut trainer).await;
    let Some(Event::Stopped(saved)) = events.last() else { panic!("{events:?} {}", log.tail(1000)) };
    assert_eq!(trainer.verdict().await, None);
    request.resume = Some(saved.folder.clone());
    let (mut trainer, _) = start(&request).await;
    let first = trainer.next().await;
    assert!(
        matches!(first, Some(Event::Phase { iteration, .. }) if iteration == saved.iteration),
        "{first:?}"
    );
    trainer.kill().await;
}

/// Flips the last bit of a file.
fn damage(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn a_damaged_source_in_the_cache_fails_one_attempt_and_is_fetched_afresh() {
    let folder = tempfile::tempdir().unwrap();
    let mut request = request(folder.path(), 3);
    let (mut trainer, _) = start(&request).await;
    let events = listen(&mut trainer).await;
    let Some(Event::Finished { saved, .. }) = events.last() else { panic!("{events:?}") };
    let cache = Cache::open(folder.path().join("cache"), u64::MAX).unwrap();
    let [pack, source] = [1, 2].map(|id| EntryName::checkpoint(CheckpointId(Uuid::from_u128(id))));
    let inputs = Inputs {
        spec: request.spec.clone(),
        pack: cache.admit(&pack, &request.pack).unwrap(),
        source: Some(cache.admit(&source, &saved.folder).unwrap()),
        resume: None,
    };
    damage(&inputs.source.as_ref().unwrap().folder.join(saved.files.last().unwrap()));
    request.pack = inputs.pack.folder.clone();
    request.source = inputs.source.as_ref().map(|source| source.folder.clone());

    let (mut trainer, _) = start(&request).await;
    let events = listen(&mut trainer).await;
    let [Event::Damaged(input), Event::Failed(failure)] = &events[..] else { panic!("{events:?}") };
    inputs.discard(&cache, *input);

    assert_eq!((*input, failure.class), (Input::Source, FailureClass::Infrastructure));
    assert!(cache.get(&source).is_none() && cache.get(&pack).is_some());
    assert_eq!(fs::read_dir(cache.part(&source).unwrap()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_damaged_checkpoint_to_go_on_from_means_starting_over() {
    let folder = tempfile::tempdir().unwrap();
    let mut request = request(folder.path(), 3);
    let (mut trainer, _) = start(&request).await;
    trainer.stop().await;
    let events = listen(&mut trainer).await;
    let (Some(Event::Stopped(saved)) | Some(Event::Finished { saved, .. })) = events.last() else {
        panic!("{events:?}")
    };
    damage(&saved.folder.join("mean.safetensors"));
    request.resume = Some(saved.folder.clone());
    request.folder = folder.path().join("next");
    fs::create_dir(&request.folder).unwrap();

    let (mut trainer, log) = start(&request).await;
    let events = listen(&mut trainer).await;

    assert_eq!(events[0], Event::Damaged(Input::Resume), "{}", log.tail(1000));
    assert!(matches!(events[1], Event::Phase { iteration: 0, .. }), "{events:?}");
    assert!(matches!(events.last(), Some(Event::Finished { .. })), "{events:?}");
}

#[tokio::test]
async fn a_job_that_is_not_what_its_key_says_is_invalid() {
    let folder = tempfile::tempdir().unwrap();
    let request = Request { key: JobKey([7; 32]), ..request(folder.path(), 3) };
    let (mut trainer, _) = start(&request).await;

    let events = listen(&mut trainer).await;

    let Some(Event::Failed(failure)) = events.last() else { panic!("{events:?}") };
    assert_eq!(failure.class, FailureClass::Invalid);
}

#[tokio::test]
async fn a_trainer_that_is_killed_is_a_trainer_error_and_the_next_one_works() {
    let folder = tempfile::tempdir().unwrap();
    let mut request = request(folder.path(), 1_000_000);
    let (mut trainer, _) = start(&request).await;
    assert!(trainer.next().await.is_some());

    kill(Pid::from_raw(trainer.process_id().unwrap() as i32), Signal::SIGKILL).unwrap();

    listen(&mut trainer).await;
    let failure = trainer.verdict().await.unwrap();
    assert_eq!(failure.class, FailureClass::TrainerError);
    assert!(failure.message.contains("SIGKILL"), "{}", failure.message);
    request.key = JobKey([7; 32]);
    let (mut trainer, _) = start(&request).await;
    assert!(matches!(trainer.next().await, Some(Event::Failed(_))));
}

#[tokio::test]
async fn a_trainer_that_panics_is_a_trainer_error_in_its_own_words() {
    let folder = tempfile::tempdir().unwrap();
    let mut request = request(folder.path(), 3);
    // No grid can say this; it stands for a bug.
    request.spec.recipe.batch = 0;
    request.key = job_key(&request.spec);
    let (mut trainer, log) = start(&request).await;

    let events = listen(&mut trainer).await;

    assert!(!events.iter().any(|event| matches!(event, Event::Finished { .. })), "{events:?}");
    let failure = trainer.verdict().await.unwrap();
    assert_eq!(failure.class, FailureClass::TrainerError);
    assert!(failure.message.contains("panicked at"), "{} {}", failure.message, log.tail(1000));
}

#[test]
fn a_trainer_whose_daemon_died_leaves_a_checkpoint_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    let request = request(folder.path(), 1_000_000);
    let mut child = spawn(Command::new(WORKERD).arg("trainer").stdin(Stdio::piped()));
    let mut input = child.stdin.take().unwrap();
    input.write_all(line(&request).as_bytes()).unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.contains("training"), "{first}");

    drop(input);

    wait(&mut child);
    let left = fs::read_dir(&request.folder).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(left.into_iter().any(|name| name.to_string_lossy().starts_with("checkpoint-")));
}

#[test]
fn a_gpu_without_cuda_is_an_error_that_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = daemon(folder.path(), &["--gpu", "0"]);
    let error = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
    assert!(!wait(&mut child).success());
    assert!(error.contains("--cpu"), "{error}");
}

#[test]
fn a_daemon_that_waits_for_its_coordinator_stops_at_a_signal_in_good_order() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let folder = tempfile::tempdir().unwrap();
        let mut child = daemon(folder.path(), &["--cpu"]);
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("waiting for the coordinator")));

        kill(Pid::from_raw(child.id() as i32), signal).unwrap();

        assert!(wait(&mut child).success(), "{signal}");
    }
}

#[test]
fn a_second_daemon_on_one_scratch_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = daemon(folder.path(), &["--cpu"]);
    let mut lines = BufReader::new(first.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("waiting for the coordinator")));

    let mut second = daemon(folder.path(), &["--cpu"]);

    let error = std::io::read_to_string(second.stderr.take().unwrap()).unwrap();
    assert!(!wait(&mut second).success());
    assert!(error.contains("--name"), "{error}");
    first.kill().unwrap();
    first.wait().unwrap();
}

/// A daemon on this folder whose coordinator is not there.
fn daemon(folder: &Path, arguments: &[&str]) -> Child {
    let token = folder.join("token");
    fs::write(&token, "ab".repeat(32)).unwrap();
    // Nobody can listen on port 1 but root, and nobody does.
    let command = &mut Command::new(WORKERD);
    spawn(
        command
            .args(arguments)
            .args(["--coordinator", "http://127.0.0.1:1", "--name", "test"])
            .arg("--scratch-dir")
            .arg(folder.join("scratch"))
            .arg("--token-file")
            .arg(token),
    )
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
