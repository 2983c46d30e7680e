//! The database's disk is full: fault 37 of the reliability page.
//!
//! The disk is a small one in memory, so this needs the right to mount it (root).

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use selffer_proto::{client::Connection, v1};
use tonic::Code;

use crate::{
    harness::{DEADLINE, GRID, Server, import_pack, submit},
    small_disk::SmallDisk,
};

/// Submits studies until it is told that there is enough; the names of those acknowledged.
async fn load(connection: Connection, enough: Arc<AtomicBool>, refused: Arc<AtomicBool>) -> Vec<String> {
    let mut acknowledged = Vec::new();
    let mut number = 0;
    while !enough.load(Ordering::Relaxed) {
        let name = format!("load-{number}");
        // Large enough for the disk to matter.
        let splits: Vec<_> = (0..50).map(|split| format!("random-{split}")).collect();
        let grid = GRID
            .replace("study: first", &format!("study: {name}"))
            .replace("split: [leather-cloth]", &format!("split: [{}]", splits.join(", ")))
            + &format!("seed: [{number}]\n");
        match submit(&connection, 1_000 + number, &grid).await {
            Ok(_) => {
                acknowledged.push(name);
                number += 1;
            }
            Err(status) => {
                assert_eq!(status.code(), Code::Unavailable, "{status}");
                refused.store(true, Ordering::Relaxed);
            }
        }
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_of_the_database_loses_nothing_and_room_is_all_it_takes_to_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let disk = SmallDisk::mount(&folder.path().join("disk"), "size=160m,mode=0711");
    fs::create_dir(folder.path().join("data")).unwrap();
    fs::write(folder.path().join("data/FORMAT"), "selffer-data 1\n").unwrap();
    std::os::unix::fs::symlink(disk.path().join("postgres"), folder.path().join("data/postgres")).unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o711)).unwrap();
    std::fs::set_permissions(folder.path().join("data"), std::os::unix::fs::PermissionsExt::from_mode(0o711))
        .unwrap();
    let server = Server::start_in(folder);
    let connection = server.connection();
    import_pack(&connection).await;
    let (enough, refused) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let load = tokio::spawn(load(connection.clone(), Arc::clone(&enough), Arc::clone(&refused)));

    let mut filler = None;
    let full = async {
        while !refused.load(Ordering::Relaxed) {
            filler = Some(disk.fill());
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, full).await.expect("a submission that finds no room");
    fs::remove_file(filler.expect("it was filled")).unwrap();
    refused.store(false, Ordering::Relaxed);

    // It goes on by itself, whether PostgreSQL had stopped or not.
    let before = studies(&connection).await.len();
    let more = async { while studies(&connection).await.len() < before + 2 {} };
    tokio::time::timeout(DEADLINE, more).await.expect("submissions after there is room again");
    enough.store(true, Ordering::Relaxed);
    let acknowledged = load.await.unwrap();
    let there = studies(&connection).await;
    let lost: Vec<_> = acknowledged.iter().filter(|name| !there.contains(name)).collect();
    assert!(lost.is_empty(), "{lost:?} of {acknowledged:?}");
    server.assert_sound().await;
    drop(server);
}

async fn studies(connection: &Connection) -> Vec<String> {
    loop {
        match connection.studies().list_studies(v1::ListStudiesRequest {}).await {
            Ok(listed) => return listed.into_inner().studies.into_iter().map(|study| study.name).collect(),
            Err(status) => assert_eq!(status.code(), Code::Unavailable, "{status}"),
        }
    }
}
