//! A coordinator that finds another chunk store than its database's, or none.

use std::fs;

use crate::{
    harness::{GRID, Server, command, import_pack, open_session, remove_database, submit},
    worker::Holding,
};

/// How a start ended, and what it said.
fn start(folder: &std::path::Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = command(folder).args(arguments).env("RUST_LOG", "off").output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_empty_or_foreign_store_is_refused_at_the_start_and_at_a_check() {
    let server = Server::start_patient();
    let connection = server.connection();
    import_pack(&connection).await;
    submit(&connection, 1, GRID).await.unwrap();
    let session = open_session(&connection, 1, "node").await;
    Holding::claimed(&connection, &session, "node", 1).await.finish(150).await;
    let folder = server.kill();
    let empty = folder.path().join("empty");
    let foreign = folder.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("store-id"), "another\n").unwrap();

    let (code, said) = start(folder.path(), &["--store", empty.to_str().unwrap()]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("is not the one of this database, or is not mounted"), "{said}");
    let (code, said) = start(folder.path(), &["--store", foreign.to_str().unwrap()]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("is another fleet's: its store-id is another"), "{said}");
    let (code, said) = start(folder.path(), &["--store", "gs://lab/x"]);
    assert_eq!(code, Some(2), "{said}");
    let (code, said) = start(folder.path(), &["check", "--store", empty.to_str().unwrap()]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("this is not the chunk store of the database"), "{said}");

    // With its own it starts, wherever that has been moved to.
    let moved = folder.path().join("moved");
    fs::rename(folder.path().join("data/store"), &moved).unwrap();
    let server = Server::start_with(folder, &["--store", moved.to_str().unwrap()]);
    server.assert_sound().await;
}

#[test]
fn a_new_database_does_not_take_over_a_store_that_another_one_uses() {
    let folder = tempfile::tempdir().unwrap();
    let foreign = folder.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("store-id"), "another\n").unwrap();

    let (code, said) = start(folder.path(), &["--store", foreign.to_str().unwrap()]);

    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("two databases cannot share a store"), "{said}");
    remove_database(folder.path());
}
