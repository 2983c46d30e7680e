//! What a daemon that died left in its scratch folder, as the next one finds it.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt, fs::symlink},
    path::Path,
};

use selffer_core::ids::{Claim, ClaimId, JobId};
use uuid::Uuid;
use workerd::{
    assignment::Task,
    device::Place,
    folder::AttemptFolder,
    lease::Order,
    protocol::{Device, Event, Request},
    reclaim,
    soundness::Wanted,
    trainer_lock,
};

use super::{damage, listen, request, start};

/// The folder of attempt `number` on this request's job.
fn left(attempts: &Path, number: u8, worker: &str, request: &Request) -> AttemptFolder {
    let claim = Claim { job_id: JobId(Uuid::from_u128(number.into())), claim_id: ClaimId([number; 16]) };
    let folder = AttemptFolder::at(attempts.join(claim.claim_id.to_string()));
    let task = Task {
        claim,
        attempt: 3,
        name: "study:network".into(),
        key: request.key,
        spec_json: serde_json::to_string(&request.spec).unwrap(),
        source: None,
        resume: Vec::new(),
    };
    folder.create(worker, &task).unwrap();
    folder
}

fn places() -> [Place; 2] {
    let place = |worker: &str, device| Place { worker: worker.into(), device, kind: "kind".into() };
    [place("node/cpu0", Device::Cpu { threads: 1 }), place("node/gpu0", Device::Gpu { index: 0 })]
}

#[tokio::test]
async fn the_attempts_of_all_devices_are_found_and_the_damaged_one_is_removed() {
    let scratch = tempfile::tempdir().unwrap();
    let request = request(scratch.path(), 3);
    let attempts = scratch.path().join("attempts");
    left(&attempts, 1, "node/cpu0", &request);
    let of_gpu = left(&attempts, 2, "node/gpu0", &request);
    for iteration in [40, 300] {
        fs::create_dir(of_gpu.checkpoint(iteration)).unwrap();
    }
    let damaged = left(&attempts, 3, "node/cpu0", &request);
    fs::write(damaged.path().join("task.json"), "{\"schema\":").unwrap();
    let changed = left(&attempts, 4, "node/cpu0", &Request { key: request.key, ..other_job(&request) });
    let elsewhere = left(&attempts, 5, "other/cpu0", &request);

    let found = reclaim::find(&attempts, &places()).await;

    let workers: Vec<_> = found.iter().map(|left| left.worker.as_str()).collect();
    assert_eq!(workers, ["node/cpu0", "node/gpu0"]);
    assert_eq!(found[1].task.attempt, 3);
    assert_eq!(found[1].lease.iteration(), 300);
    assert!(found.iter().all(|left| left.lease.ordered() == Order::GoOn && !left.lease.is_affirmed()));
    assert!([damaged, changed, elsewhere].iter().all(|folder| !folder.path().exists()));
}

#[tokio::test]
async fn links_and_odd_names_among_the_attempts_are_removed_and_what_they_lead_to_stays() {
    let scratch = tempfile::tempdir().unwrap();
    let request = request(scratch.path(), 3);
    let (attempts, outside) = (scratch.path().join("attempts"), scratch.path().join("outside"));
    let elsewhere = left(&outside, 1, "node/cpu0", &request);
    fs::create_dir(&attempts).unwrap();
    let name = elsewhere.path().file_name().unwrap();
    symlink(elsewhere.path(), attempts.join(name)).unwrap();
    fs::write(attempts.join("a file"), "").unwrap();
    for odd in ["..a", " ", "\u{202e}gpj", &"x".repeat(255)] {
        fs::create_dir(attempts.join(odd)).unwrap();
    }
    fs::create_dir(attempts.join(OsStr::from_bytes(b"\xff\xfe"))).unwrap();

    let found = reclaim::find(&attempts, &places()).await;

    assert!(found.is_empty(), "{found:?}");
    assert_eq!(attempts.read_dir().unwrap().count(), 0);
    assert!(elsewhere.path().join("task.json").is_file());
}

fn other_job(request: &Request) -> Request {
    let mut other = request.clone();
    other.spec.seed += 1;
    other
}

#[tokio::test]
async fn a_trainer_of_nobody_is_killed_with_its_folder() {
    let scratch = tempfile::tempdir().unwrap();
    let mut request = request(scratch.path(), 1_000_000);
    let attempts = scratch.path().join("attempts");
    let folder = left(&attempts, 1, "other/cpu0", &request);
    request.folder = folder.path().to_owned();
    let (mut trainer, _) = start(&request).await;
    assert!(matches!(trainer.next().await, Some(Event::Phase { .. })));
    assert!(trainer_lock::is_held(&folder));
    let ended = tokio::spawn(async move {
        listen(&mut trainer).await;
        trainer.verdict().await
    });

    let found = reclaim::find(&attempts, &places()).await;

    assert!(found.is_empty() && !folder.path().exists());
    let failure = ended.await.unwrap().unwrap();
    assert!(failure.message.contains("SIGKILL"), "{}", failure.message);
}

#[tokio::test]
async fn a_damaged_result_is_given_up_for_the_newest_whole_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let mut request = request(folder.path(), 400);
    request.checkpoint_every_ms = Some(1);
    let (mut trainer, _) = start(&request).await;
    let events = listen(&mut trainer).await;
    let Some(Event::Finished { result, saved }) = events.last() else { panic!("{events:?}") };
    let folder = AttemptFolder::at(request.folder);
    let wanted = Wanted { key: request.key, device_kind: result.device_kind.clone() };
    let mut told = Vec::new();
    let kept = wanted.outcome(&folder, |problem| told.push(problem));
    assert_eq!(kept, Some(((**result).clone(), saved.clone())), "{told:?}");
    let checkpoints = folder.checkpoints();
    let [(_, newest), (older, _), ..] = &checkpoints[..] else { panic!("{checkpoints:?}") };

    damage(&saved.folder.join(saved.files.last().unwrap()));
    damage(&newest.join("mean.safetensors"));

    assert_eq!(wanted.outcome(&folder, |problem| told.push(problem)), None);
    assert_eq!(wanted.newest(&folder, |problem| told.push(problem)).unwrap().iteration, *older);
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(folder.checkpoints().len(), 1);
    assert_eq!(folder.outcome().unwrap(), None);
    let elsewhere = Wanted { device_kind: "cpu abacus".into(), ..wanted };
    assert_eq!(elsewhere.newest(&folder, |_| {}), None);
}
