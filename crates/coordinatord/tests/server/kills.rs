//! The coordinator is killed at chosen points of its work: before a transaction, after it and
//! before the answer, in the middle of a stream and of a sweep. Fault 27 of the reliability page.
//!
//! The point is held open from outside: a lock on the row that the work needs next.

use std::{
    io::{Read, Write},
    process::{Child, Command, Stdio},
    time::Duration,
};

use selffer_artifacts::cut_bytes;
use selffer_core::artifact::Manifest;
use selffer_proto::v1;
use tonic::Code;

use crate::{
    external::Shared,
    harness::{DEADLINE, GRID, Server, open_session, submit},
    worker::Holding,
};

/// A transaction of somebody else that stays open until dropped.
struct Lock(Child);

impl Lock {
    /// Runs these statements and keeps what they locked.
    fn hold(shared: &Shared, statements: &str) -> Self {
        let mut child = Command::new("psql")
            .args(["-X", "-A", "-t", "-q", &shared.url])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.as_mut().unwrap();
        writeln!(stdin, "SET idle_in_transaction_session_timeout = 0; BEGIN; {statements};\n\\echo held")
            .unwrap();
        stdin.flush().unwrap();
        let mut said = Vec::new();
        let stdout = child.stdout.as_mut().unwrap();
        while !said.ends_with(b"held\n") {
            let mut byte = [0];
            stdout.read_exact(&mut byte).unwrap();
            said.extend(byte);
        }
        Self(child)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until so many of the coordinator's calls wait for a lock.
async fn until_waiting(shared: &Shared, count: u32) {
    let waiting = "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    let reached = async {
        while shared.psql(waiting).parse::<u32>().unwrap() < count {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, reached).await.expect("a call that waits for the lock");
}

/// One more coordinator, with a study and a job that is being trained.
async fn with_a_job(shared: &Shared) -> (Server, String, v1::Assignment) {
    let server = shared.coordinator();
    let connection = server.connection();
    let Holding { session_id, assignment, .. } = Holding::running(&connection).await;
    (server, session_id, assignment)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_before_it_could_commit_nothing_was_done_and_the_same_call_does_it() {
    let shared = Shared::start().await;
    let (server, session, assignment) = with_a_job(&shared).await;
    let connection = server.connection();
    let holding =
        Holding { connection: &connection, session_id: session.clone(), assignment: assignment.clone() };
    let checkpoint = holding.checkpoint(v1::CheckpointKind::Final, 8, b"weights").await.unwrap();

    let lock = Lock::hold(&shared, "SELECT 1 FROM jobs WHERE state = 'running' FOR UPDATE");
    let result = holding.result(150);
    let (through, id) = (connection.clone(), checkpoint.clone());
    let of = (session.clone(), assignment.clone());
    let completing = tokio::spawn(async move {
        let holding = Holding { connection: &through, session_id: of.0, assignment: of.1 };
        holding.complete_with(&id, result).await
    });
    until_waiting(&shared, 1).await;
    drop(server.kill());
    let answer = completing.await.unwrap();
    drop(lock);

    assert!(answer.is_err(), "nobody acknowledged it");
    assert_eq!(shared.psql("SELECT COUNT(*) FROM results"), "0");
    let server = shared.coordinator();
    let connection = server.connection();
    let holding = Holding { connection: &connection, session_id: session, assignment };
    holding.complete(&checkpoint, 150).await.unwrap();
    assert_eq!(shared.psql("SELECT COUNT(*) FROM results"), "1");
    drop(server);
    shared.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_after_the_commit_and_before_the_answer_the_same_call_answers_as_if_it_were_new() {
    let shared = Shared::start().await;
    let (server, session, assignment) = with_a_job(&shared).await;
    let connection = server.connection();
    let holding =
        Holding { connection: &connection, session_id: session.clone(), assignment: assignment.clone() };
    let checkpoint = holding.checkpoint(v1::CheckpointKind::Final, 8, b"weights").await.unwrap();
    holding.complete(&checkpoint, 150).await.unwrap();
    submit(&connection, 7, &GRID.replace("study: first", "study: second")).await.unwrap();
    // As if those two answers had never come.
    drop(server.kill());

    let server = shared.coordinator();
    let connection = server.connection();
    let holding = Holding { connection: &connection, session_id: session, assignment };
    for _ in 0..10 {
        holding.complete(&checkpoint, 150).await.unwrap();
        submit(&connection, 7, &GRID.replace("study: first", "study: second")).await.unwrap();
    }
    assert_eq!(shared.psql("SELECT COUNT(*) FROM results"), "1");
    assert_eq!(shared.psql("SELECT COUNT(*) FROM studies"), "2");
    assert_eq!(shared.psql("SELECT COUNT(*) FROM events WHERE what = 'completed'"), "1");
    drop(server);
    shared.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_the_middle_of_a_chunk_it_is_sent_again_and_nothing_half_is_kept() {
    use v1::put_checkpoint_chunk_request::{Frame, Header};
    let shared = Shared::start().await;
    let (server, session, assignment) = with_a_job(&shared).await;
    let connection = server.connection();
    let holding =
        Holding { connection: &connection, session_id: session.clone(), assignment: assignment.clone() };
    let bytes = vec![7; 3 << 20];
    let manifest = Manifest { objects: vec![cut_bytes("state.json", &bytes)] };
    let begin = v1::BeginCheckpointRequest {
        session_id: session.clone(),
        claim: holding.claim(),
        kind: v1::CheckpointKind::Intermediate.into(),
        iteration: 4,
        manifest: Some((&manifest).into()),
    };
    let begun = connection.checkpoints().begin(begin.clone()).await.unwrap().into_inner();
    let header = Header {
        session_id: session.clone(),
        claim: holding.claim(),
        checkpoint_id: begun.checkpoint_id.clone(),
        chunk: Some((&manifest.objects[0].chunks[0]).into()),
    };
    let (frames, sent) = tokio::sync::mpsc::channel(1);
    let through = connection.clone();
    let putting = tokio::spawn(async move {
        through.checkpoints().put_chunk(tokio_stream::wrappers::ReceiverStream::new(sent)).await
    });
    let frame = |frame| v1::PutCheckpointChunkRequest { frame: Some(frame) };
    frames.send(frame(Frame::Header(header))).await.unwrap();
    for part in bytes.chunks(1 << 20).take(2) {
        frames.send(frame(Frame::Data(part.to_vec()))).await.unwrap();
    }

    drop(server.kill());

    assert!(putting.await.unwrap().is_err());
    let server = shared.coordinator();
    let connection = server.connection();
    let again = connection.checkpoints().begin(begin).await.unwrap().into_inner();
    assert_eq!(
        (again.checkpoint_id, again.missing.len()),
        (begun.checkpoint_id, 1),
        "the same, still missing"
    );
    let holding = Holding { connection: &connection, session_id: session, assignment };
    holding.finish(150).await;
    drop(server);
    shared.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_the_middle_of_a_sweep_the_next_one_does_the_rest_once() {
    let shared = Shared::start().await;
    let (server, _, _) = with_a_job(&shared).await;
    let connection = server.connection();
    let other = open_session(&connection, 2, "other").await;
    Holding::claimed(&connection, &other, "other", 2).await;
    // Both fall silent. The sweep takes one away, and waits for the other's row.
    let lock = Lock::hold(&shared, "SELECT 1 FROM jobs WHERE worker = 'other/cpu0' FOR UPDATE");
    until_waiting(&shared, 1).await;

    drop(server.kill());
    drop(lock);
    let server = shared.coordinator();

    let lost = "SELECT COUNT(*) FROM attempts WHERE outcome = 'worker_lost'";
    let swept = async {
        while shared.psql(lost) != "2" {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, swept).await.expect("both taken away");
    let once =
        "SELECT COUNT(*) FROM jobs WHERE state = 'ready' AND (budgets->>'lost')::int = 1 AND attempt = 1";
    assert_eq!(shared.psql(once), "2");
    drop(server);
    shared.stop().await;
}

/// Fault 40: calls that find no connection are shed; heartbeats have their own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_slow_queries_have_every_connection_calls_are_shed_and_heartbeats_go_on() {
    let shared = Shared::start().await;
    let (server, session, assignment) = with_a_job(&shared).await;
    let connection = server.connection();
    let lock = Lock::hold(&shared, "LOCK TABLE studies");
    let calls: Vec<_> = (0..40)
        .map(|_| {
            let connection = connection.clone();
            tokio::spawn(async move { connection.studies().list_studies(v1::ListStudiesRequest {}).await })
        })
        .collect();
    until_waiting(&shared, 12).await;

    let inventory = vec![v1::Inventory { claim: assignment.claim.clone(), ..Default::default() }];
    for _ in 0..20 {
        let request = v1::HeartbeatRequest { session_id: session.clone(), inventory: inventory.clone() };
        let mut workers = connection.workers();
        let answer = tokio::time::timeout(Duration::from_secs(3), workers.heartbeat(request));
        let verdicts = answer.await.expect("a heartbeat is not held up").unwrap().into_inner().verdicts;
        assert_eq!(verdicts[0].verdict(), v1::Verdict::Ok);
    }

    for call in calls {
        let status = call.await.unwrap().unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status}");
    }
    drop(lock);
    let all_through = (0..40).map(|_| connection.clone()).map(|connection| async move {
        connection.studies().list_studies(v1::ListStudiesRequest {}).await.unwrap();
    });
    for call in all_through {
        call.await;
    }
    drop(server);
    shared.stop().await;
}
