//! A database that is away for long, that cuts everybody off, that takes no writes: faults 33,
//! 34 and 36 of the reliability page.

use std::time::{Duration, Instant};

use selffer_proto::{client::Connection, v1};
use tonic::{Code, Status};

use crate::{
    external::Shared,
    harness::{DEADLINE, GRID, Server, import_pack, open_session, submit},
    outages::patiently,
    worker::Holding,
};

/// A fleet's session times are 3 s and 4 s in these tests.
const SESSION_TTL: Duration = Duration::from_secs(3);

async fn beat(connection: &Connection, holding: &Holding<'_>) -> Result<v1::Verdict, Status> {
    let inventory = vec![v1::Inventory { claim: holding.claim(), ..Default::default() }];
    let request = v1::HeartbeatRequest { session_id: holding.session_id.clone(), inventory };
    let answer = connection.workers().heartbeat(request).await?.into_inner();
    Ok(answer.verdicts[0].verdict())
}

async fn start(shared: &Shared) -> Server {
    let server = shared.coordinator();
    import_pack(&server.connection()).await;
    submit(&server.connection(), 1, GRID).await.unwrap();
    server
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_away_for_three_lives_of_a_session_costs_nobody_a_job() {
    let mut shared = Shared::start().await;
    let server = start(&shared).await;
    let connection = server.connection();
    let mut holdings = Vec::new();
    for (session, node) in [(1, "one"), (2, "two")] {
        let id = open_session(&connection, session, node).await;
        holdings.push(Holding::claimed(&connection, &id, node, session as u8).await);
    }
    let began_at = Instant::now();

    shared.stop_database().await;
    while began_at.elapsed() < 3 * SESSION_TTL {
        let status = beat(&connection, &holdings[0]).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status}");
    }
    shared.start_database().await;

    for holding in &holdings {
        assert_eq!(patiently(|| beat(&connection, holding)).await, v1::Verdict::Ok);
    }
    for holding in &holdings {
        holding.finish(150).await;
    }
    assert_eq!(shared.psql("SELECT COUNT(*) FROM attempts WHERE outcome <> 'succeeded'"), "0");
    drop(server);
    shared.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_coordinator_whose_every_connection_is_cut_twice_goes_on() {
    let shared = Shared::start().await;
    let server = start(&shared).await;
    let connection = server.connection();
    let session = open_session(&connection, 1, "one").await;
    let holding = Holding::claimed(&connection, &session, "one", 1).await;

    for round in 0..2 {
        shared.psql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE application_name LIKE 'selffer%' AND pid <> pg_backend_pid()",
        );
        assert_eq!(patiently(|| beat(&connection, &holding)).await, v1::Verdict::Ok, "round {round}");
    }

    holding.finish(150).await;
    drop(server);
    shared.stop().await;
}

/// Fault 36: a server that was demoted is left, not waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_to_a_server_that_takes_no_writes_are_dropped_for_others() {
    let shared = Shared::start().await;
    let server = start(&shared).await;
    let connection = server.connection();
    let session = open_session(&connection, 1, "one").await;
    let holding = Holding::claimed(&connection, &session, "one", 1).await;

    // As after a failover: whoever is connected stays with the server that was demoted.
    shared.psql("ALTER DATABASE selffer SET default_transaction_read_only = on");
    shared.psql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE application_name LIKE 'selffer%' AND pid <> pg_backend_pid()",
    );
    let refused = async {
        loop {
            match submit(&connection, 2, &GRID.replace("study: first", "study: second")).await {
                Err(status) if status.message().contains("read-only") => return status,
                Err(status) => assert_eq!(status.code(), Code::Unavailable, "{status}"),
                Ok(submitted) => panic!("written to a server that takes no writes: {submitted:?}"),
            }
        }
    };
    let status = tokio::time::timeout(DEADLINE, refused).await.unwrap();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    // From here on new connections reach one that takes writes; nobody cuts the old ones.
    shared.psql("ALTER DATABASE selffer RESET default_transaction_read_only");

    assert_eq!(patiently(|| beat(&connection, &holding)).await, v1::Verdict::Ok);
    // Each of the old ones is found out by a call that is told to come again.
    let weights = b"weights".as_slice();
    let id = patiently(|| holding.checkpoint(v1::CheckpointKind::Final, 8, weights)).await;
    patiently(|| holding.complete(&id, 150)).await;
    let second = GRID.replace("study: first", "study: second");
    let submitted = patiently(|| submit(&connection, 2, &second)).await;
    assert_eq!(submitted.study, "second");
    drop(server);
    shared.stop().await;
}
