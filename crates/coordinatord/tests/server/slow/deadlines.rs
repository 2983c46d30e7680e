//! Calls whose deadline passes in the middle, of every kind: fault 31 of the reliability page.
//!
//! The client says how long it waits; the coordinator gives up the call then. What the call
//! did is there whole or not at all, and the pool of connections stays whole.

use std::{fs, time::Duration};

use selffer_core::{artifact::Manifest, import::ImportKind};
use selffer_proto::{client::Connection, convert::import_kind_number, v1};
use tonic::Request;

use crate::{
    harness::{DEADLINE, GRID, Server, import_pack, open_session, submit},
    worker::Holding,
};

/// Deadlines that are tried for each kind of call, in steps that its stages do not line up with.
const TRIES: u64 = 60;
const STEP: Duration = Duration::from_micros(137);

fn within<T>(message: T, deadline: Duration) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(deadline);
    request
}

/// Makes one call of each kind, each with this deadline; what comes of them does not matter.
async fn call_all(connection: &Connection, holding: &Holding<'_>, number: u64, deadline: Duration) {
    let (session_id, claim) = (holding.session_id.clone(), holding.claim());
    let study = || "first".to_owned();
    let grid = GRID.replace("study: first", &format!("study: deadline-{number}"));
    let (mut workers, mut studies) = (connection.workers(), connection.studies());
    let (mut checkpoints, mut imports) = (connection.checkpoints(), connection.imports());
    let inventory = vec![v1::Inventory { claim: claim.clone(), ..Default::default() }];
    let heartbeat = v1::HeartbeatRequest { session_id: session_id.clone(), inventory };
    drop(workers.heartbeat(within(heartbeat, deadline)).await);
    let confirm = v1::ConfirmRequest { session_id: session_id.clone(), claim: claim.clone() };
    drop(workers.confirm(within(confirm, deadline)).await);
    let log = v1::AppendLogRequest {
        session_id: session_id.clone(),
        claim: claim.clone(),
        offset: 0,
        text: format!("{number}\n"),
    };
    drop(workers.append_log(within(log, deadline)).await);
    let begin = v1::BeginCheckpointRequest {
        session_id: session_id.clone(),
        claim: claim.clone(),
        kind: v1::CheckpointKind::Intermediate.into(),
        iteration: 1 + number as u32 % 7,
        manifest: Some(
            (&Manifest { objects: vec![selffer_artifacts::cut_bytes("state.json", b"x")] }).into(),
        ),
    };
    drop(checkpoints.begin(within(begin, deadline)).await);
    let submission = v1::SubmitRequest {
        request_id: uuid::Uuid::from_u128(u128::from(number) + 100).to_string(),
        grid_yaml: grid,
        file_name: "grid.yaml".into(),
        ..Default::default()
    };
    drop(studies.submit(within(submission, deadline)).await);
    let change =
        if number.is_multiple_of(2) { v1::InterestChange::Pause } else { v1::InterestChange::Resume };
    let change = v1::ChangeInterestRequest { study: study(), change: change.into(), reason: String::new() };
    drop(studies.change_interest(within(change, deadline)).await);
    let priority =
        v1::PrioritizeStudyRequest { study: study(), priority: number as i32, reason: String::new() };
    drop(studies.prioritize_study(within(priority, deadline)).await);
    drop(studies.list_studies(within(v1::ListStudiesRequest {}, deadline)).await);
    let jobs = v1::ListJobsRequest { study: study(), ..Default::default() };
    drop(studies.list_jobs(within(jobs, deadline)).await);
    drop(studies.watch_study(within(v1::WatchStudyRequest { study: study() }, deadline)).await);
    let list = v1::ListImportsRequest { kind: import_kind_number(ImportKind::Pack) };
    drop(imports.list(within(list, deadline)).await);
    let claim = v1::ClaimRequest {
        session_id,
        worker: "other/cpu0".into(),
        claim_id: number.to_be_bytes().repeat(2),
        wait_ms: 2,
        ..Default::default()
    };
    drop(workers.claim(within(claim, deadline)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_run_out_of_time_at_any_moment_are_done_whole_or_not_at_all() {
    let server = Server::start_patient();
    let connection = server.connection();
    import_pack(&connection).await;
    submit(&connection, 1, GRID).await.unwrap();
    let session = open_session(&connection, 1, "node").await;
    let holding = Holding::claimed(&connection, &session, "node", 1).await;

    for number in 0..TRIES {
        call_all(&connection, &holding, number, STEP * (1 + number as u32)).await;
    }

    let all_through = async {
        for number in 0..30 {
            submit(&connection, 1_000_000 + number, GRID).await.unwrap();
        }
    };
    tokio::time::timeout(DEADLINE, all_through).await.expect("the pool has no connection left");
    holding.finish(150).await;
    let health = server.get("/api/health");
    assert!(health.contains("\"transactions_left_open\":0"), "{health}");
    let log = fs::read_to_string(server.database_folder().join("server.log")).unwrap();
    assert!(!log.contains("already a transaction in progress"), "{log}");
    server.assert_sound().await;
}
