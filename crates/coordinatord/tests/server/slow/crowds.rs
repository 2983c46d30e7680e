//! Many at once: sessions that all come back after a restart, and clients that do not read.
//! Faults 47 and 48 of the reliability page.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use selffer_core::limits::SESSION_TTL_S;
use selffer_proto::{
    client::Connection,
    v1::{self, study_service_client::StudyServiceClient},
};
use tonic::{Code, Request, transport::Endpoint};

use crate::{
    external::Shared,
    harness::{GRID, import_pack, open_session, submit},
};

const SESSIONS: u128 = 1_000;
/// Connections that the sessions share.
const CONNECTIONS: usize = 20;
/// A third of the time after which a silent session expires.
const IN_TIME: Duration = Duration::from_secs(SESSION_TTL_S / 3);

async fn beat(connection: &Connection, session: u128) -> Duration {
    let sent_at = Instant::now();
    let session_id = uuid::Uuid::from_u128(session).to_string();
    let request = v1::HeartbeatRequest { session_id, inventory: Vec::new() };
    // Again and again while it is shed, as workers do: what counts is when it is through.
    while let Err(status) = connection.workers().heartbeat(request.clone()).await {
        assert_eq!(status.code(), Code::Unavailable, "{status}");
    }
    sent_at.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_sessions_that_return_at_once_are_all_heard_in_time() {
    let shared = Shared::start().await;
    let server = shared.patient_coordinator();
    let connection = server.connection();
    stream::iter(1..=SESSIONS)
        .map(|session| {
            let connection = connection.clone();
            async move { open_session(&connection, session, &format!("node{session}")).await }
        })
        .buffer_unordered(16)
        .collect::<Vec<_>>()
        .await;
    drop(server.kill());

    let server = shared.patient_coordinator();
    let connections: Vec<_> = (0..CONNECTIONS).map(|_| server.connection()).collect();
    let beats = (1..=SESSIONS).map(|session| {
        let connection = connections[session as usize % CONNECTIONS].clone();
        tokio::spawn(async move { beat(&connection, session).await })
    });
    let mut waits = Vec::new();
    for beat in beats.collect::<Vec<_>>() {
        waits.push(beat.await.unwrap());
    }
    waits.sort_unstable();

    let p99 = waits[waits.len() * 99 / 100];
    assert!(p99 < IN_TIME, "p99 is {p99:?}, the longest {:?}", waits.last());
    assert_eq!(shared.psql("SELECT COUNT(*) FROM sessions WHERE expired_at IS NOT NULL"), "0");
    drop(server);
    shared.stop().await;
}

/// What a process has in memory, in MiB.
fn memory_mib(pid: nix::unistd::Pid) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() >> 10
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watchers_that_do_not_read_are_dropped_and_cost_a_bounded_memory() {
    let shared = Shared::start().await;
    let server = shared.patient_coordinator();
    let connection = server.connection();
    import_pack(&connection).await;
    let splits: Vec<_> = (0..1_000).map(|split| format!("random-{split}")).collect();
    let grid = GRID.replace("split: [leather-cloth]", &format!("split: [{}]", splits.join(", ")));
    submit(&connection, 1, &grid).await.unwrap();
    let before = memory_mib(server.pid());

    // Each has room for the first part of an answer, and takes nothing more.
    let mut watchers = Vec::new();
    for _ in 0..20 {
        let endpoint = Endpoint::from_shared(format!("http://{}", server.address)).unwrap();
        let endpoint = endpoint.initial_stream_window_size(1 << 16).initial_connection_window_size(1 << 16);
        let mut request = Request::new(v1::WatchStudyRequest { study: "first".into() });
        let bearer = format!("Bearer {}", server.token().expose());
        request.metadata_mut().insert("authorization", bearer.parse().unwrap());
        let mut own = StudyServiceClient::new(endpoint.connect_lazy());
        let stream = own.watch_study(request).await.unwrap().into_inner();
        watchers.push((own, stream));
    }
    let dropped = async {
        while server.log().matches("a client that does not read was dropped").count() < watchers.len() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), dropped).await.expect("watchers dropped");

    let after = memory_mib(server.pid());
    assert!(after < before + 200, "{before} MiB before, {after} MiB after");
    // Who watches again hears everything that is true now.
    let request = v1::WatchStudyRequest { study: "first".into() };
    let mut again = connection.studies().watch_study(request).await.unwrap().into_inner();
    let mut jobs = 0;
    while jobs < 4_000 {
        jobs += again.message().await.unwrap().expect("more").jobs.len();
    }
    drop((watchers, server));
    shared.stop().await;
}
