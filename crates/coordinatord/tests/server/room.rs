//! A chunk store whose disk fills up, is full or is gone (fault 38), and what intermediate
//! checkpoints may take: finals get through longest, and the coordinator stays up.

use std::{fs, path::Path, process::Command};

use selffer_core::limits::CHUNK_BYTES_MAX;
use selffer_proto::{client::Connection, v1};
use tonic::Code;

use crate::{
    harness::{DEADLINE, GRID, Server, import_pack, open_session, submit},
    sending::{Sending, beat, content},
    small_disk::SmallDisk,
    worker::Holding,
};

const INTERMEDIATE: v1::CheckpointKind = v1::CheckpointKind::Intermediate;
const FINAL: v1::CheckpointKind = v1::CheckpointKind::Final;

async fn running<'a>(connection: &'a Connection) -> Holding<'a> {
    import_pack(connection).await;
    submit(connection, 1, GRID).await.unwrap();
    let session = open_session(connection, 1, "node").await;
    Holding::claimed(connection, &session, "node", 1).await
}

fn on_disk(disk: &SmallDisk, more: &[&str]) -> Server {
    let store = ["--store", disk.path().to_str().unwrap()];
    Server::start_with(tempfile::tempdir().unwrap(), &[&store[..], more].concat())
}

/// Waits until the dashboard tells of the chunk store in this word.
async fn wait_for_health(server: &Server, holding: &Holding<'_>, state: &str) {
    let expected = format!("\"state\":\"{state}\"");
    let comes = async {
        while !server.get("/api/health").contains(&expected) {
            beat(holding).await;
        }
    };
    let came = tokio::time::timeout(DEADLINE, comes).await;
    came.unwrap_or_else(|_| panic!("not {state}: {}", server.get("/api/health")));
}

fn fill(disk: &Path, name: &str, bytes: usize) {
    fs::write(disk.join(name), vec![1; bytes]).unwrap();
}

const MIB: usize = 1 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn below_what_is_kept_free_intermediates_are_refused_and_below_half_of_it_everything() {
    let name = "room::below_what_is_kept_free_intermediates_are_refused_and_below_half_of_it_everything";
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::for_test(folder.path(), "size=100m", name) else { return };
    let server = on_disk(&disk, &["--keep-free", "40%"]);
    let connection = server.connection();
    let holding = running(&connection).await;
    let checkpoint = |kind, number| Sending::new(&holding, kind, number, content(number as u8, 1_000));
    let published = checkpoint(INTERMEDIATE, 1).send().await.unwrap();
    assert!(server.get("/api/health").contains(r#""state":"ok""#), "{}", server.get("/api/health"));

    // 35 MiB free: 40 are to be kept.
    fill(disk.path(), "somebody-elses", 64 * MIB);
    let refused = checkpoint(INTERMEDIATE, 2).begin().await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    assert!(refused.message().starts_with("intermediate checkpoints are not taken: "), "{refused}");
    checkpoint(FINAL, 8).send().await.unwrap();
    wait_for_health(&server, &holding, "low").await;

    // 15 MiB free: less than half of them.
    fill(disk.path(), "more", 20 * MIB);
    let refused = checkpoint(FINAL, 9).begin().await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    assert!(refused.message().starts_with("nothing is taken: "), "{refused}");
    wait_for_health(&server, &holding, "full").await;
    let request = v1::GetCheckpointRequest { checkpoint_id: published };
    connection.checkpoints().get(request).await.unwrap();

    // Room is made, and counts at once.
    fs::remove_file(disk.path().join("somebody-elses")).unwrap();
    fs::remove_file(disk.path().join("more")).unwrap();
    checkpoint(INTERMEDIATE, 3).send().await.unwrap();
    wait_for_health(&server, &holding, "ok").await;
    let log = server.log();
    for once in ["the chunk store has little room left", "the chunk store has no room left", "has room again"]
    {
        assert_eq!(log.matches(once).count(), 1, "{once}: {log}");
    }
    server.assert_sound().await;
}

/// Nothing is kept free, so the disk itself says no: in the middle of the second chunk.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_disk_that_fills_up_in_the_middle_of_a_chunk_keeps_what_is_published_and_goes_on() {
    let name = "room::a_disk_that_fills_up_in_the_middle_of_a_chunk_keeps_what_is_published_and_goes_on";
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::for_test(folder.path(), "size=16m", name) else { return };
    let server = on_disk(&disk, &["--keep-free", "0"]);
    let connection = server.connection();
    let holding = running(&connection).await;
    let kept = Sending::new(&holding, INTERMEDIATE, 1, b"kept".to_vec());
    let published = kept.send().await.unwrap();
    let sending = Sending::new(&holding, INTERMEDIATE, 2, content(2, 2 * CHUNK_BYTES_MAX));
    let id = sending.begin().await.unwrap().checkpoint_id;
    sending.put_own(&id, 0).await.unwrap();
    let files_before = disk.files().len();

    let refused = sending.put_own(&id, 1).await.unwrap_err();

    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    assert!(refused.message().contains("make room on the coordinator's disk"), "{refused}");
    assert_eq!(disk.files().len(), files_before, "no part of it stays");
    let refused = sending.publish(&id).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    let request = v1::ReadCheckpointChunkRequest {
        checkpoint_id: published,
        digest: kept.chunks()[0].digest.0.to_vec(),
    };
    let mut frames = connection.checkpoints().read_chunk(request).await.unwrap().into_inner();
    assert_eq!(frames.message().await.unwrap().unwrap().data, b"kept");

    // A larger disk, and it goes on where it was.
    let mut larger = Command::new("mount");
    let larger = larger.args(["-o", "remount,size=64m"]).arg(disk.path()).status().unwrap();
    assert!(larger.success());
    beat(&holding).await;
    assert_eq!(sending.begin().await.unwrap().missing.len(), 1);
    sending.put_own(&id, 1).await.unwrap();
    sending.publish(&id).await.unwrap();
    server.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_disk_that_is_not_mounted_any_more_is_told_once_and_nothing_is_taken_for_lost() {
    let server = Server::start_patient();
    let connection = server.connection();
    let holding = running(&connection).await;
    let kept = Sending::new(&holding, INTERMEDIATE, 1, b"kept".to_vec());
    let published = kept.send().await.unwrap();
    let store = server.folder.path().join("data/store");
    let elsewhere = store.with_extension("elsewhere");
    fs::rename(&store, &elsewhere).unwrap();
    fs::create_dir(&store).unwrap();

    let request = v1::ReadCheckpointChunkRequest {
        checkpoint_id: published.clone(),
        digest: kept.chunks()[0].digest.0.to_vec(),
    };
    for _ in 0..3 {
        let away = connection.checkpoints().read_chunk(request.clone()).await.unwrap_err();
        assert_eq!(away.code(), Code::Unavailable, "{away}");
        let next = Sending::new(&holding, INTERMEDIATE, 2, b"next".to_vec());
        let away = next.begin().await.unwrap_err();
        assert_eq!(away.code(), Code::Unavailable, "{away}");
    }
    wait_for_health(&server, &holding, "away").await;
    // Jobs, sessions and everything else of the database go on.
    beat(&holding).await;
    assert_eq!(fs::read_dir(&store).unwrap().count(), 0, "nothing is written below the mount point");

    fs::remove_dir(&store).unwrap();
    fs::rename(&elsewhere, &store).unwrap();
    wait_for_health(&server, &holding, "ok").await;
    connection.checkpoints().read_chunk(request).await.unwrap();
    Sending::new(&holding, INTERMEDIATE, 2, b"next".to_vec()).send().await.unwrap();
    let log = server.log();
    assert_eq!(log.matches("the chunk store takes no chunks").count(), 1, "{log}");
    assert!(!log.contains("damaged"), "{log}");
    server.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_intermediates_may_take_is_never_held_against_a_final_one() {
    // 3,000 bytes.
    let arguments = ["--intermediates-max", "0.000002793968"];
    let server = Server::start_with(tempfile::tempdir().unwrap(), &arguments);
    let connection = server.connection();
    let holding = running(&connection).await;
    let checkpoint = |kind, number| Sending::new(&holding, kind, number, content(number as u8, 1_000));
    let mut ids = Vec::new();
    for number in [1, 2, 3, 4] {
        ids.push(checkpoint(INTERMEDIATE, number).send().await.unwrap());
    }

    let too_large = Sending::new(&holding, INTERMEDIATE, 5, content(5, 2_500));
    let refused = too_large.begin().await.unwrap_err();

    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    assert!(refused.message().starts_with("intermediate checkpoints take "), "{refused}");
    // The newest is there all the same, and a final one is taken.
    let request = v1::GetCheckpointRequest { checkpoint_id: ids[3].clone() };
    connection.checkpoints().get(request).await.unwrap();
    Sending::new(&holding, FINAL, 8, content(8, 5_000)).send().await.unwrap();
    server.assert_sound().await;
}
