//! Workers of another release (fault 26): refused at the door, or understood as far as they go.

use selffer_proto::{PROTOCOL_VERSION, client::Connection, v1};
use tonic::{Code, Status};

use crate::{
    harness::{GRID, Server, import_pack, open_session, submit},
    worker::Holding,
};

async fn open(connection: &Connection, protocol_version: u32) -> Result<(), Status> {
    let device = v1::Device { worker: "old/cpu0".into(), kind: "cpu".into(), ..Default::default() };
    let request = v1::OpenSessionRequest {
        session_id: uuid::Uuid::from_u128(protocol_version.into()).to_string(),
        node: "old".into(),
        devices: vec![device],
        protocol_version,
        program_version: "9.9.9".into(),
    };
    connection.workers().open_session(request).await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_worker_that_is_one_version_older_or_newer_is_refused_at_the_door_and_told_what_to_do() {
    let server = Server::start();
    let connection = server.connection();

    for version in [PROTOCOL_VERSION - 1, PROTOCOL_VERSION + 1] {
        let refusal = open(&connection, version).await.unwrap_err();
        assert_eq!(refusal.code(), Code::FailedPrecondition);
        let told = refusal.message();
        assert!(told.contains(&format!("version {version} ")), "{told}");
        assert!(told.contains(&format!("version {PROTOCOL_VERSION}")), "{told}");
        assert!(told.contains("install the same release on both"), "{told}");
    }
    open(&connection, PROTOCOL_VERSION).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn words_that_only_a_newer_worker_knows_cost_it_neither_its_lease_nor_its_report() {
    let server = Server::start();
    let connection = server.connection();
    import_pack(&connection).await;
    submit(&connection, 1, GRID).await.unwrap();
    let session_id = open_session(&connection, 1, "new").await;
    let holding = Holding::claimed(&connection, &session_id, "new", 1).await;

    let inventory = v1::Inventory { claim: holding.claim(), phase: 99, ..Default::default() };
    let beat = v1::HeartbeatRequest { session_id: session_id.clone(), inventory: vec![inventory] };
    let answer = connection.workers().heartbeat(beat).await.unwrap().into_inner();
    assert_eq!(answer.verdicts[0].verdict(), v1::Verdict::Ok);

    let request = v1::FailAttemptRequest {
        session_id: session_id.clone(),
        claim: holding.claim(),
        failure: Some(v1::Failure { class: 99, message: "something new".into() }),
        iteration: 3,
    };
    connection.workers().fail_attempt(request).await.unwrap();
}
