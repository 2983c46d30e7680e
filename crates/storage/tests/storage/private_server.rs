//! The private server: starts, is found again, survives being killed, explains refusals.

use std::{fs, path::Path};

use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use selffer_storage::{PrivateServer, PrivateServerError, ServerConfig, Store, StoreOptions};

use crate::harness::{bases, remove, study, submit, uuid};

fn config(data: &Path) -> ServerConfig {
    ServerConfig { data_dir: data.to_owned(), pg_bin: None }
}

fn pid_of(folder: &Path) -> Pid {
    let text = fs::read_to_string(folder.join("cluster/postmaster.pid")).unwrap();
    Pid::from_raw(text.lines().next().unwrap().parse().unwrap())
}

async fn connect(server: &PrivateServer) -> Store {
    let few = StoreOptions { connections_max: 2, heartbeat_connections_max: 1 };
    Store::connect(server.connect_options(), &few).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_left_behind_is_found_again_and_stopped_in_order() {
    let data = tempfile::tempdir().unwrap();
    let server = PrivateServer::start(&config(data.path())).await.unwrap();
    assert!(!server.was_running());
    let store = connect(&server).await;
    submit(&store, &study(&bases("kept", 1)), uuid()).await.unwrap();
    store.close().await;
    let (folder, pid) = (server.folder().to_owned(), pid_of(server.folder()));
    // As if the coordinator had been killed.
    drop(server);

    let again = PrivateServer::start(&config(data.path())).await.unwrap();
    assert!(again.was_running());
    assert_eq!(pid_of(&folder), pid);
    let store = connect(&again).await;
    assert_eq!(store.study("kept").await.unwrap().jobs(), 2);
    store.close().await;

    again.stop().await.unwrap();
    assert!(!folder.join("cluster/postmaster.pid").exists());
    let gone = !Path::new(&format!("/proc/{pid}")).exists() || kill(pid, None) == Err(Errno::ESRCH);
    assert!(gone || is_unreaped(pid), "the server still runs");
    remove(folder);
}

// Its first parent has let it go; whoever inherits it may take a moment to notice.
fn is_unreaped(pid: Pid) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_acknowledged_survives_kill_9_of_the_server() {
    let data = tempfile::tempdir().unwrap();
    let server = PrivateServer::start(&config(data.path())).await.unwrap();
    let folder = server.folder().to_owned();
    let store = connect(&server).await;
    let (pid, mut acknowledged) = (pid_of(&folder), Vec::new());
    for number in 0.. {
        if number == 10 {
            kill(pid, Signal::SIGKILL).unwrap();
        }
        let name = format!("study-{number}");
        match submit(&store, &study(&bases(&name, 1)), uuid()).await {
            Ok(_) => acknowledged.push(name),
            Err(error) => {
                assert!(error.is_transient(), "{error:?}");
                break;
            }
        }
    }
    assert!(acknowledged.len() >= 10, "{acknowledged:?}");
    store.close().await;
    drop(server);

    let again = PrivateServer::start(&config(data.path())).await.unwrap();
    assert!(!again.was_running());
    let store = connect(&again).await;
    for name in &acknowledged {
        assert_eq!(store.study(name).await.unwrap().jobs(), 2);
    }
    store.close().await;
    again.stop().await.unwrap();
    remove(folder);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_in_use_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let server = PrivateServer::start(&config(data.path())).await.unwrap();
    let folder = server.folder().to_owned();

    let second = PrivateServer::start(&config(data.path())).await;

    assert!(matches!(second, Err(PrivateServerError::InUse { .. })), "{second:?}");
    server.stop().await.unwrap();
    remove(folder);
}

#[tokio::test(flavor = "multi_thread")]
async fn data_of_another_major_version_is_refused_with_what_to_install() {
    let data = tempfile::tempdir().unwrap();
    let server = PrivateServer::start(&config(data.path())).await.unwrap();
    let folder = server.folder().to_owned();
    server.stop().await.unwrap();
    fs::write(folder.join("cluster/PG_VERSION"), "11\n").unwrap();

    let refused = PrivateServer::start(&config(data.path())).await.unwrap_err().to_string();

    assert!(refused.contains("made by PostgreSQL 11") && refused.contains("install"), "{refused}");
    remove(folder);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pid_file_that_means_another_program_does_not_stop_it() {
    let data = tempfile::tempdir().unwrap();
    let server = PrivateServer::start(&config(data.path())).await.unwrap();
    let folder = server.folder().to_owned();
    let kept = fs::read_to_string(folder.join("cluster/postmaster.pid")).unwrap();
    server.stop().await.unwrap();
    let rest = kept.split_once('\n').unwrap().1;
    fs::write(folder.join("cluster/postmaster.pid"), format!("{}\n{rest}", std::process::id())).unwrap();

    let again = PrivateServer::start(&config(data.path())).await.unwrap();

    assert!(!again.was_running());
    again.stop().await.unwrap();
    remove(folder);
}
