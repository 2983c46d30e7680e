//! The coordinator outlives its PostgreSQL, and goes on after being killed together with it.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use selffer_proto::{client::Connection, v1};
use tonic::{Code, Status};

use crate::{
    harness::{DEADLINE, GRID, Server, import_pack, open_session, submit},
    worker::Holding,
};

/// Repeats a call for as long as it is told to try again, as workers and people's tools do.
pub(crate) async fn patiently<T, F: Future<Output = Result<T, Status>>>(mut call: impl FnMut() -> F) -> T {
    let answered = async {
        loop {
            match call().await {
                Ok(answer) => return answer,
                Err(status) => assert_eq!(status.code(), Code::Unavailable, "{status}"),
            }
        }
    };
    tokio::time::timeout(DEADLINE, answered).await.expect("an answer, once the database is back")
}

async fn studies(connection: &Connection) -> Vec<String> {
    let listed = patiently(|| async { connection.studies().list_studies(v1::ListStudiesRequest {}).await });
    listed.await.into_inner().studies.into_iter().map(|study| study.name).collect()
}

/// Submits one study after another; the names of those that were acknowledged.
async fn load(connection: Connection, enough: Arc<AtomicBool>) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for number in 0.. {
        let name = format!("load-{number}");
        let grid = GRID.replace("study: first", &format!("study: {name}"));
        let submitted = patiently(|| submit(&connection, 1_000 + number, &grid)).await;
        assert_eq!(submitted.study, name);
        acknowledged.push(name);
        if enough.load(Ordering::Relaxed) {
            break;
        }
    }
    acknowledged
}

async fn beat(connection: &Connection, holding: &Holding<'_>) -> v1::Verdict {
    let inventory = vec![v1::Inventory { claim: holding.claim(), ..Default::default() }];
    let request = v1::HeartbeatRequest { session_id: holding.session_id.clone(), inventory };
    let answer = patiently(|| async { connection.workers().heartbeat(request.clone()).await }).await;
    answer.into_inner().verdicts[0].verdict()
}

/// Waits until this many studies are there.
async fn wait_for_studies(connection: &Connection, count: usize) {
    let there = async { while studies(connection).await.len() < count {} };
    tokio::time::timeout(DEADLINE, there).await.expect("studies");
}

/// A server process that works for a connection, as PostgreSQL titles it.
fn backend_of(postmaster: Pid) -> Pid {
    let children = fs::read_to_string(format!("/proc/{postmaster}/task/{postmaster}/children")).unwrap();
    let title = |pid: &&str| fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let found = children.split_whitespace().find(|pid| title(pid).contains("selffer selffer [local]"));
    Pid::from_raw(found.expect("a connected backend").parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_killed_under_load_comes_back_and_nothing_acknowledged_is_lost() {
    let server = Server::start();
    let connection = server.connection();
    import_pack(&connection).await;
    submit(&connection, 1, GRID).await.unwrap();
    let session = open_session(&connection, 1, "node").await;
    let holding = Holding::claimed(&connection, &session, "node", 1).await;
    let enough = Arc::new(AtomicBool::new(false));
    let load = tokio::spawn(load(connection.clone(), enough.clone()));
    wait_for_studies(&connection, 5).await;
    let before = server.postmaster();

    kill(before, Signal::SIGKILL).unwrap();

    assert_eq!(beat(&connection, &holding).await, v1::Verdict::Ok, "nobody lost its job over this");
    assert_ne!(server.postmaster(), before);
    // One of its processes dying makes PostgreSQL itself drop all connections and recover.
    let again = server.postmaster();
    kill(backend_of(again), Signal::SIGKILL).unwrap();
    assert_eq!(beat(&connection, &holding).await, v1::Verdict::Ok);
    assert_eq!(server.postmaster(), again);

    let weights = b"weights".as_slice();
    let id = patiently(|| holding.checkpoint(v1::CheckpointKind::Final, 8, weights)).await;
    patiently(|| holding.complete(&id, 150)).await;
    let there = studies(&connection).await.len();
    wait_for_studies(&connection, there + 3).await;
    enough.store(true, Ordering::Relaxed);
    let acknowledged = load.await.unwrap();
    let there = studies(&connection).await;
    let lost: Vec<_> = acknowledged.iter().filter(|name| !there.contains(name)).collect();
    assert!(lost.is_empty() && acknowledged.len() > 5, "{lost:?} of {acknowledged:?}");
    server.assert_sound().await;
    let log = server.log();
    assert_eq!(log.matches("has ended without our doing").count(), 1, "{log}");
    assert_eq!(log.matches("the private PostgreSQL answers again").count(), 1, "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_acknowledged_survives_the_death_of_coordinator_and_database_together() {
    let server = Server::start();
    let connection = server.connection();
    import_pack(&connection).await;
    submit(&connection, 1, GRID).await.unwrap();
    let session = open_session(&connection, 1, "node").await;
    let holding = Holding::claimed(&connection, &session, "node", 1).await;
    let checkpoint = holding.checkpoint(v1::CheckpointKind::Intermediate, 4, b"half").await.unwrap();
    let postmaster = server.postmaster();

    kill(postmaster, Signal::SIGKILL).unwrap();
    let server = Server::start_in(server.kill());

    let connection = server.connection();
    let holding = Holding { connection: &connection, ..holding };
    assert_ne!(server.postmaster(), postmaster);
    assert_eq!(beat(&connection, &holding).await, v1::Verdict::Ok, "the claim outlives both");
    let request = v1::GetCheckpointRequest { checkpoint_id: checkpoint };
    assert_eq!(connection.checkpoints().get(request).await.unwrap().into_inner().iteration, 4);
    holding.finish(150).await;
    server.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_coordinator_that_stops_while_its_database_is_away_leaves_nothing_running() {
    let server = Server::start();
    let database = server.database_folder().display().to_string();
    kill(server.postmaster(), Signal::SIGKILL).unwrap();

    let stopped = tokio::task::spawn_blocking(move || server.stop());

    let status = tokio::time::timeout(DEADLINE, stopped).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(0));
    let said = std::process::Command::new("ps").args(["-eo", "args"]).output().unwrap();
    let processes = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(!processes.contains(&database), "left behind:\n{processes}");
}
