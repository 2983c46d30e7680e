//! Clients that hang up at any moment leave no open transaction behind.
//!
//! tonic drops a handler when its client goes away; sqlx 0.9.0 returns a connection that
//! is dropped while it begins a transaction to its pool with that transaction open.

use std::time::Duration;

use selffer_proto::{client::Connection, v1};

use crate::harness::{DEADLINE, GRID, Server, import_pack, open_session, submit};

/// Calls that are cut off, each after another delay.
const HANG_UPS: u64 = 1_500;

/// One call that changes rows, or waits.
async fn call(connection: &Connection, session_id: &str, number: u64) {
    let claim = v1::JobClaim {
        job_id: uuid::Uuid::from_u128(u128::from(number)).to_string(),
        claim_id: number.to_be_bytes().repeat(2),
    };
    let session_id = session_id.to_owned();
    let mut workers = connection.workers();
    // What they answer does not matter here.
    match number % 4 {
        0 => {
            let grid = GRID.replace("first", &format!("s{number}"));
            drop(submit(connection, u128::from(number), &grid).await);
        }
        1 => {
            let request = v1::HeartbeatRequest { session_id, inventory: Vec::new() };
            drop(workers.heartbeat(request).await);
        }
        2 => drop(workers.confirm(v1::ConfirmRequest { session_id, claim: Some(claim) }).await),
        _ => {
            let request = v1::ClaimRequest {
                session_id,
                worker: "node/cpu0".into(),
                claim_id: claim.claim_id,
                wait_ms: 50,
                cached_checkpoints: Vec::new(),
            };
            drop(workers.claim(request).await);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn clients_that_hang_up_at_any_moment_leave_no_open_transaction() {
    let server = Server::start();
    let connection = server.connection();
    import_pack(&connection).await;
    let session_id = open_session(&connection, 1, "node").await;

    for number in 0..HANG_UPS {
        // From at once to about 10 ms, in steps that no call's stages line up with.
        let delay = Duration::from_micros(number * 137 % 10_000);
        drop(tokio::time::timeout(delay, call(&connection, &session_id, number)).await);
    }

    // The pool is whole: more calls than it has connections go through, one after another.
    let all_through = async {
        for number in 0..100 {
            submit(&connection, 1_000_000 + number, &GRID.replace("first", "last-one")).await.unwrap();
        }
    };
    tokio::time::timeout(DEADLINE, all_through).await.expect("the pool has no connection left");
    let health = server.get("/api/health");
    assert!(health.contains("\"transactions_left_open\":0"), "{health}");
}
