//! What keeps a coordinator from starting is one sentence; what stops it leaves nothing.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::{Command, Output},
};

use selffer_core::import::ImportKind;
use selffer_proto::v1;

use crate::harness::{Server, command, import_pack, list_imports, remove_database};

/// Runs a coordinator that is expected to end by itself; what it said.
fn refusal(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.env("RUST_LOG", "off").output().unwrap();
    let said = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(stdout.is_empty(), "{stdout:?}");
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), 1, "more than one line: {said}");
    said.trim_end().to_owned()
}

#[test]
fn a_taken_port_is_told_with_its_address() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for option in ["--listen", "--http-listen"] {
        let mut command = command(folder.path());
        // Given twice, an option would be an error of usage: start from nothing.
        let said = refusal(replaced(&mut command, option, &address));

        assert!(said.starts_with(&format!("coordinatord: {address} is taken by another program")), "{said}");
        assert!(said.ends_with(option), "{said}");
    }
}

/// The same command with another value of one option.
fn replaced<'a>(command: &'a mut Command, option: &str, value: &str) -> &'a mut Command {
    let mut arguments: Vec<_> = command.get_args().map(std::borrow::ToOwned::to_owned).collect();
    let place = arguments.iter().position(|argument| argument == option).unwrap();
    arguments[place + 1] = value.into();
    let state = command.get_envs().find(|(name, _)| *name == "XDG_STATE_HOME").and_then(|(_, value)| value);
    let mut other = Command::new(command.get_program());
    other.env("XDG_STATE_HOME", state.unwrap()).env_remove("SELFFER_DATABASE_URL").args(arguments);
    *command = other;
    command
}

#[test]
fn an_address_that_others_reach_is_refused_without_insecure() {
    let folder = tempfile::tempdir().unwrap();

    let said = refusal(replaced(&mut command(folder.path()), "--listen", "0.0.0.0:0"));

    assert!(said.contains("--listen 0.0.0.0:0 can be reached from other machines"), "{said}");
    assert!(!folder.path().join("data").exists());
}

#[test]
fn a_data_folder_of_another_version_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("FORMAT"), "selffer-data 7\n").unwrap();

    let said = refusal(&mut command(folder.path()));

    assert!(said.contains("is of another version: its FORMAT is \"selffer-data 7\""), "{said}");
    let names = |folder: &Path| {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&data), ["FORMAT", "lock"]);
}

#[test]
fn missing_postgresql_programs_are_told_with_what_to_install() {
    let folder = tempfile::tempdir().unwrap();

    let said = refusal(command(folder.path()).arg("--pg-bin").arg(folder.path()));

    remove_database(folder.path());
    assert!(said.contains("postgres") && said.contains("install"), "{said}");
}

#[test]
fn a_second_coordinator_on_the_same_folder_is_refused() {
    let server = Server::start();

    let said = refusal(&mut command(server.folder.path()));

    assert!(said.contains("another coordinator is running on the data folder"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_stop_ends_with_success_and_takes_postgresql_along() {
    let server = Server::start();
    // An open stream and a waiting claim must not hold it up.
    let connection = server.connection();
    import_pack(&connection).await;
    let mut studies = connection.studies();
    let packs = list_imports(&connection, ImportKind::Pack).await;
    assert_eq!(packs.len(), 1);
    studies.list_studies(v1::ListStudiesRequest {}).await.unwrap();
    let session = crate::harness::open_session(&connection, 1, "node").await;
    let waiting =
        tokio::spawn(async move { crate::harness::claim(&connection, &session, "node", 1, 30_000).await });

    let database = server.database_folder().display().to_string();
    let status = tokio::task::spawn_blocking(move || server.stop()).await.unwrap();

    assert_eq!(status.code(), Some(0));
    // Answered with no job, or cut off: never with an assignment.
    assert!(!matches!(waiting.await.unwrap(), Ok(Some(_))));
    let said = Command::new("ps").args(["-eo", "args"]).output().unwrap();
    let processes = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(!processes.contains(&database), "left behind:\n{processes}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_coordinator_that_was_killed_goes_on_where_it_was() {
    let server = Server::start();
    import_pack(&server.connection()).await;
    let token = server.token();

    let server = Server::start_in(server.kill());

    assert!(server.token() == token);
    let packs = list_imports(&server.connection(), ImportKind::Pack).await;
    assert_eq!(packs[0].name, "tiny");
}
