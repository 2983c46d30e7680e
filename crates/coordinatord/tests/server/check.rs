//! `coordinatord check`: beside a running coordinator and without one.

use std::{fs, path::Path, process::Command};

use crate::{
    harness::{GRID, Server, command, import_pack, open_session, remove_database, submit},
    worker::Holding,
};

/// How it ended, and what it said.
fn check(folder: &Path) -> (Option<i32>, String) {
    let output = command(folder).arg("check").env("RUST_LOG", "off").output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_flipped_bit_is_found_by_a_look_that_changes_nothing() {
    let server = Server::start();
    let connection = server.connection();
    import_pack(&connection).await;
    submit(&connection, 1, GRID).await.unwrap();
    let session = open_session(&connection, 1, "node").await;
    let holding = Holding::claimed(&connection, &session, "node", 1).await;
    holding.finish(150).await;
    let folder = server.folder.path().to_owned();
    let (code, said) = check(&folder);
    assert!(code == Some(0) && said.starts_with("all is well: 2 checkpoints and imports, "), "{said}");

    let file = server.chunk_file(holding.assignment.name.as_bytes());
    let mut bytes = fs::read(&file).unwrap();
    bytes[0] ^= 1;
    fs::write(&file, &bytes).unwrap();

    let (code, said) = check(&folder);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("is published, but stored chunk") && said.ends_with("1 problems found\n"),
        "{said}"
    );
    assert_eq!(fs::read(&file).unwrap(), bytes, "it only looks");

    // The same with the coordinator gone; the folder goes with the server, so it is kept here.
    let folder = server.kill();
    assert_eq!(check(folder.path()), (code, said));
    let database = fs::canonicalize(folder.path().join("data/postgres")).unwrap();
    let running = Server::start_in(folder);
    assert_eq!(running.database_folder(), database);
    running.assert_sound().await;
}

#[test]
fn a_folder_that_is_no_data_folder_is_told_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();

    let (code, said) = check(folder.path());

    assert_eq!(code, Some(1));
    assert!(said.contains("is no data folder of a coordinator; name it with --data-dir"), "{said}");
    assert!(!folder.path().join("data").exists());
    let help = Command::new(env!("CARGO_BIN_EXE_coordinatord")).args(["check", "--help"]).output().unwrap();
    assert!(String::from_utf8(help.stdout).unwrap().contains("Ends with 0 if all is well"));
    remove_database(folder.path());
}
