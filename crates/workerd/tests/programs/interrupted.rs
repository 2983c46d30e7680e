//! Killed again and again: the network is the one of a training that ran through.

use std::path::Path;

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rand::{SeedableRng, rngs::StdRng, seq::index::sample};
use selffer_core::{ids::Digest, recipe::Recipe};
use workerd::{
    device::Place,
    folder::AttemptFolder,
    protocol::{Device, Event, Request},
    soundness::Wanted,
};

use super::{listen, request, start};

const ITERATIONS: u32 = 300;
const KILLS: usize = 20;
const SEED: u64 = 20;

/// As the others, but long enough to be killed in, and with tests on the way.
fn long_request(folder: &Path, threads: usize) -> Request {
    let mut request = request(folder, ITERATIONS);
    let recipe = &mut request.spec.recipe;
    *recipe = Recipe { batch: 8, test_every: ITERATIONS / 4, ..recipe.clone() };
    request.key = selffer_core::identity::job_key(&request.spec);
    request.device = Device::Cpu { threads };
    request.checkpoint_every_ms = Some(15);
    request
}

/// Iterations in rising order; none in the last twentieth, where a kill may come too late.
fn kills() -> Vec<u32> {
    let among = ITERATIONS as usize * 19 / 20;
    let mut kills = sample(&mut StdRng::seed_from_u64(SEED), among, KILLS).into_vec();
    kills.sort_unstable();
    kills.into_iter().map(|iteration| iteration as u32 + 1).collect()
}

fn iteration_of(event: &Event) -> Option<u32> {
    match event {
        Event::Phase { iteration, .. } | Event::Progress { iteration, .. } => Some(*iteration),
        Event::Metric(point) => Some(point.iteration),
        Event::Checkpoint(saved) => Some(saved.iteration),
        _ => None,
    }
}

/// Runs a trainer until it says that it has come so far, and kills it.
async fn kill_at(iteration: u32, request: &Request) {
    let (mut trainer, log) = start(request).await;
    loop {
        let event = trainer.next().await;
        let told = || format!("seed {SEED}: {event:?} before iteration {iteration}\n{}", log.tail(2000));
        let event = event.as_ref().unwrap_or_else(|| panic!("{}", told()));
        assert!(!matches!(event, Event::Finished { .. } | Event::Failed(_)), "{}", told());
        if iteration_of(event).is_some_and(|reached| reached >= iteration) {
            break;
        }
    }
    let process_id = trainer.process_id().expect("it has not ended") as i32;
    kill(Pid::from_raw(process_id), Signal::SIGKILL).unwrap();
    listen(&mut trainer).await;
    let failure = trainer.verdict().await.expect("it was killed");
    assert!(failure.message.contains("SIGKILL"), "{}", failure.message);
}

async fn digest_at_the_end(request: &Request) -> Digest {
    let (mut trainer, log) = start(request).await;
    let events = listen(&mut trainer).await;
    match events.last() {
        Some(Event::Finished { result, .. }) => result.weights_digest,
        last => panic!("seed {SEED}: {last:?}\n{}", log.tail(2000)),
    }
}

/// The digest after all the kills, and how often there was a checkpoint to go on from.
async fn digest_with_kills(threads: usize) -> (Digest, usize) {
    let folder = tempfile::tempdir().unwrap();
    let mut request = long_request(folder.path(), threads);
    let attempt = AttemptFolder::at(request.folder.clone());
    let device_kind = Place::find("test/cpu0", request.device).unwrap().kind;
    let wanted = Wanted { key: request.key, device_kind };
    let mut resumed = 0;
    for iteration in kills() {
        kill_at(iteration, &request).await;
        // What has a checkpoint's name is whole, whenever its trainer was killed.
        let newest = wanted.newest(&attempt, |problem| panic!("seed {SEED}: {problem}"));
        resumed += usize::from(newest.is_some());
        request.resume = newest.into_iter().map(|saved| saved.folder).collect();
    }
    (digest_at_the_end(&request).await, resumed)
}

#[tokio::test]
async fn a_trainer_killed_at_20_random_iterations_ends_with_the_digest_of_an_uninterrupted_run() {
    let folder = tempfile::tempdir().unwrap();
    let uninterrupted = digest_at_the_end(&long_request(folder.path(), 2)).await;

    let (one, two, four) = tokio::join!(digest_with_kills(1), digest_with_kills(2), digest_with_kills(4));

    for (threads, (digest, resumed)) in [(1, one), (2, two), (4, four)] {
        assert_eq!(digest, uninterrupted, "seed {SEED}, {threads} threads");
        assert!(resumed > KILLS / 2, "seed {SEED}, {threads} threads: resumed {resumed} times");
    }
}
