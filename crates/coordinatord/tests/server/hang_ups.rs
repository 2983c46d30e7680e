//! Clients that hang up at any moment leave no open transaction behind.
//!
//! tonic drops a handler when its client goes away; sqlx 0.9.0 returns a connection that
//! is dropped while it begins a transaction to its pool with that transaction open. The
//! next one who begins on it makes PostgreSQL warn, which its log keeps.

use std::{fs, time::Duration};

use selffer_proto::{client::Connection, v1};

use crate::harness::{DEADLINE, GRID, Server, import_pack, open_session, submit};

/// Calls that are cut off, each after another delay. Without the tasks that finish what a
/// handler began, some tens of these leave a transaction open.
const HANG_UPS: u64 = 3_000;
/// The longest delay: by then the call is over on a machine that has nothing else to do.
const DELAY_MAX_US: u64 = 4_000;

/// One call that begins a transaction, or waits; what it answers does not matter here.
pub(crate) async fn call(connection: &Connection, session_id: &str, number: u64) {
    let session_id = session_id.to_owned();
    let claim = v1::JobClaim {
        job_id: uuid::Uuid::from_u128(u128::from(number)).to_string(),
        claim_id: number.to_be_bytes().repeat(2),
    };
    let mut workers = connection.workers();
    match number % 4 {
        0 => {
            let inventory = vec![v1::Inventory { claim: Some(claim), ..Default::default() }];
            drop(workers.heartbeat(v1::HeartbeatRequest { session_id, inventory }).await);
        }
        1 => {
            let request = v1::ClaimRequest {
                session_id,
                worker: "node/cpu0".into(),
                claim_id: claim.claim_id,
                wait_ms: 2,
                ..Default::default()
            };
            drop(workers.claim(request).await);
        }
        2 => drop(submit(connection, u128::from(number), GRID).await),
        _ => drop(workers.confirm(v1::ConfirmRequest { session_id, claim: Some(claim) }).await),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn clients_that_hang_up_at_any_moment_leave_no_open_transaction() {
    let server = Server::start();
    let connection = server.connection();
    import_pack(&connection).await;
    let session_id = open_session(&connection, 1, "node").await;

    for number in 0..HANG_UPS {
        // In steps that no call's stages line up with.
        let delay = Duration::from_micros(number * 137 % DELAY_MAX_US);
        drop(tokio::time::timeout(delay, call(&connection, &session_id, number)).await);
    }

    // The pool is whole: more calls than it has connections go through, one after another.
    let all_through = async {
        for number in 0..100 {
            submit(&connection, 1_000_000 + number, GRID).await.unwrap();
        }
    };
    tokio::time::timeout(DEADLINE, all_through).await.expect("the pool has no connection left");
    let health = server.get("/api/health");
    assert!(health.contains("\"transactions_left_open\":0"), "{health}");
    let log = fs::read_to_string(server.database_folder().join("server.log")).unwrap();
    let warnings = log.matches("there is already a transaction in progress").count();
    assert_eq!(warnings, 0, "a connection came back with its transaction open");
}
