//! A trainer as the daemon sees it: what it says, and what becomes of it.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use selffer_core::{
    identity::job_key,
    ids::{CheckpointId, JobKey},
    job::FailureClass,
};
use uuid::Uuid;
use workerd::{
    cache::{Cache, EntryName},
    folder::AttemptFolder,
    inputs::{Inputs, PackAtHand},
    points,
    protocol::{Event, Input, Request, line},
};

use super::{WORKERD, damage, listen, request, spawn, start, wait};

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
    let told = events.iter().filter_map(|event| match event {
        Event::Metric(point) => Some(*point),
        _ => None,
    });
    let told: Vec<_> = told.collect();
    let folder = AttemptFolder::at(folder.path().join("attempt"));
    assert!(!told.is_empty());
    assert_eq!(points::read(&folder), told, "a later daemon finds what was told");
    assert_eq!(folder.outcome().unwrap(), Some(((**result).clone(), saved.clone())));
}

#[tokio::test]
async fn of_several_checkpoints_the_first_that_can_be_used_is_gone_on_from() {
    let folder = tempfile::tempdir().unwrap();
    let mut request = request(folder.path(), 1_000_000);
    request.checkpoint_every_ms = Some(1);
    let (mut trainer, _) = start(&request).await;
    let mut saved = Vec::new();
    while saved.len() < 3 {
        if let Event::Checkpoint(checkpoint) = trainer.next().await.unwrap() {
            saved.push(checkpoint);
        }
    }
    trainer.kill().await;
    // The first is in the attempt's own folder, the second was fetched, the third is whole.
    damage(&saved[2].folder.join("mean.safetensors"));
    let fetched = folder.path().join("fetched");
    fs::rename(&saved[1].folder, &fetched).unwrap();
    damage(&fetched.join("mean.safetensors"));
    request.resume = vec![saved[2].folder.clone(), fetched, saved[0].folder.clone()];

    let (mut trainer, log) = start(&request).await;
    let events = [trainer.next().await.unwrap(), trainer.next().await.unwrap()];
    trainer.kill().await;

    assert_eq!(events[0], Event::Damaged(Input::Resume), "{}", log.tail(1000));
    assert!(
        matches!(events[1], Event::Phase { iteration, .. } if iteration == saved[0].iteration),
        "{events:?}"
    );
    assert!(!saved[2].folder.exists(), "what is damaged is removed");
    let told = log.tail(2000);
    assert_eq!(told.matches("no going on from a checkpoint").count(), 2, "{told}");
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
    request.resume = vec![saved.folder.clone()];
    let (mut trainer, _) = start(&request).await;
    let first = trainer.next().await;
    assert!(
        matches!(first, Some(Event::Phase { iteration, .. }) if iteration == saved.iteration),
        "{first:?}"
    );
    trainer.kill().await;
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
        pack: PackAtHand::Cached(cache.admit(&pack, &request.pack).unwrap()),
        source: Some(cache.admit(&source, &saved.folder).unwrap()),
        imported: None,
        resume: None,
    };
    damage(&inputs.source.as_ref().unwrap().folder.join(saved.files.last().unwrap()));
    request.pack = inputs.pack.folder().to_owned();
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
    request.resume = vec![saved.folder.clone()];
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
async fn a_trainer_that_is_killed_is_not_at_fault_and_the_next_one_works() {
    let folder = tempfile::tempdir().unwrap();
    let mut request = request(folder.path(), 1_000_000);
    let (mut trainer, _) = start(&request).await;
    assert!(trainer.next().await.is_some());

    kill(Pid::from_raw(trainer.process_id().unwrap() as i32), Signal::SIGKILL).unwrap();

    listen(&mut trainer).await;
    let failure = trainer.verdict().await.unwrap();
    assert_eq!(failure.class, FailureClass::Infrastructure);
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
    assert_eq!(AttemptFolder::at(request.folder).checkpoints().len(), 1);
}
