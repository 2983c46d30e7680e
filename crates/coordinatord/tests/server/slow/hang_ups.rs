//! Ten thousand clients that hang up at any moment, through a network that is slow: fault 30 of
//! the reliability page. The fast one is [`crate::hang_ups`].

use std::{fs, time::Duration};

use futures_util::{StreamExt, stream};
use selffer_proto::client::Connection;

use crate::{
    hang_ups::call,
    harness::{DEADLINE, GRID, Server, import_pack, open_session, submit},
    proxy::{Fault, Proxy},
};

const HANG_UPS: u64 = 10_000;
const AT_A_TIME: usize = 64;
/// Of each direction.
const DELAY: Duration = Duration::from_millis(50);
/// By then a call is answered through that network.
const PATIENCE_MAX_US: u64 = 220_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_hang_ups_through_a_slow_network_leave_the_pool_whole() {
    let server = Server::start();
    let connection = server.connection();
    import_pack(&connection).await;
    let session_id = open_session(&connection, 1, "node").await;
    let proxy = Proxy::start(server.address.parse().unwrap());
    proxy.set(Fault::Delay(DELAY));
    let slow = Connection::lazy(&proxy.url(), &server.token()).unwrap();

    stream::iter(0..HANG_UPS)
        .for_each_concurrent(AT_A_TIME, |number| {
            // In steps that no call's stages line up with.
            let patience = Duration::from_micros(number * 13_700 % PATIENCE_MAX_US);
            let (slow, session_id) = (&slow, &session_id);
            async move { drop(tokio::time::timeout(patience, call(slow, session_id, number)).await) }
        })
        .await;

    let all_through = async {
        for number in 0..30 {
            // What was begun and hung up on may still be under way: it is done to its end.
            while let Err(status) = submit(&connection, 1_000_000 + number, GRID).await {
                assert_eq!(status.code(), tonic::Code::Unavailable, "{status}");
            }
        }
    };
    tokio::time::timeout(DEADLINE, all_through).await.expect("the pool has no connection left");
    let health = server.get("/api/health");
    assert!(health.contains("\"transactions_left_open\":0"), "{health}");
    let log = fs::read_to_string(server.database_folder().join("server.log")).unwrap();
    assert!(!log.contains("already a transaction in progress"), "{log}");
    server.assert_sound().await;
    proxy_ends(proxy).await;
}

/// A runtime may not end within another one.
async fn proxy_ends(proxy: Proxy) {
    tokio::task::spawn_blocking(move || drop(proxy)).await.unwrap();
}
