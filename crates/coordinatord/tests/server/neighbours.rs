//! Several coordinators on one database and one chunk store; and those that may not join.

use std::{process::Command, time::Duration};

use nix::sys::signal::{Signal, kill};
use selffer_proto::{
    client::{Connection, Token},
    v1,
};
use tonic::{Code, Status};

use crate::{
    external::Shared,
    harness::{DEADLINE, GRID, Server, claim, command, import_pack, open_session, remove_database, submit},
    worker::Holding,
};

/// Who leads the sweeping: a coordinator's id and the number of its term.
fn leader(shared: &Shared) -> String {
    shared.psql("SELECT coordinator_id, term FROM leaders WHERE duty = 'sweep' AND until > clock_timestamp()")
}

/// Waits until this holds.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, waiting).await.unwrap_or_else(|_| panic!("waited in vain for {what}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_coordinators_serve_one_fleet_and_either_goes_on_alone() {
    let shared = Shared::start().await;
    let (first, second) = (shared.coordinator(), shared.coordinator());
    import_pack(&first.connection()).await;
    submit(&second.connection(), 1, GRID).await.unwrap();
    let through_second = second.connection();
    let session = open_session(&through_second, 1, "node").await;
    let holding = Holding::claimed(&through_second, &session, "node", 1).await;
    let checkpoint = holding.checkpoint(v1::CheckpointKind::Final, 8, b"weights").await.unwrap();
    until("a leader", || !leader(&shared).is_empty()).await;
    let before = leader(&shared);

    drop(first.kill());

    // Whoever led, the one that lives does within a term; and the worker, silent from now on,
    // is noticed by it.
    let silent = open_session(&through_second, 2, "silent").await;
    Holding::claimed(&through_second, &silent, "silent", 2).await;
    holding.complete(&checkpoint, 150).await.unwrap();
    until("the silent one's job taken away", || {
        shared.psql("SELECT COUNT(*) FROM attempts WHERE outcome = 'worker_lost'") == "1"
    })
    .await;
    let after = leader(&shared);
    let (id, term) = after.split_once('|').unwrap();
    let (id_before, term_before) = before.split_once('|').unwrap();
    let numbers: (u32, u32) = (term_before.parse().unwrap(), term.parse().unwrap());
    assert!(numbers.1 > numbers.0 || id == id_before, "{before} {after}");
    drop(second);
    shared.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_paused_is_replaced_and_changes_nothing_when_it_comes_back() {
    let shared = Shared::start().await;
    let first = shared.coordinator();
    until("a leader", || !leader(&shared).is_empty()).await;
    let before = leader(&shared);
    let second = shared.coordinator();
    import_pack(&second.connection()).await;
    submit(&second.connection(), 1, GRID).await.unwrap();
    let through_second = second.connection();

    kill(first.pid(), Signal::SIGSTOP).unwrap();
    until("another leader", || !leader(&shared).is_empty() && leader(&shared) != before).await;
    let session = open_session(&through_second, 1, "node").await;
    let holding = Holding::claimed(&through_second, &session, "node", 1).await;
    kill(first.pid(), Signal::SIGCONT).unwrap();

    // Both serve, one leads, and a job is lost by nobody but a worker that is silent.
    let through_first = first.connection();
    let other = open_session(&through_first, 2, "other").await;
    let also = Holding::claimed(&through_first, &other, "other", 2).await;
    let leads = leader(&shared);
    holding.finish(150).await;
    also.finish(150).await;
    assert!(leads.is_empty() || leads != before, "{leads}");
    assert_eq!(shared.psql("SELECT COUNT(*) FROM attempts WHERE outcome <> 'succeeded'"), "0");
    drop((first, second));
    shared.stop().await;
}

/// Fault 44: nothing that coordinators tell each other is needed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_starts_at_the_other_coordinator_also_when_its_notice_is_lost() {
    let shared = Shared::start().await;
    let (first, second) = (shared.coordinator(), shared.coordinator());
    import_pack(&first.connection()).await;
    let (through_first, through_second) = (first.connection(), second.connection());
    let session = open_session(&through_second, 1, "node").await;
    let (alive, of) = (through_second.clone(), session.clone());
    let alive = tokio::spawn(async move { beat_on(&alive, &of).await });
    for round in 1..6_u8 {
        let (waiting, waiter) = (through_second.clone(), session.clone());
        let waiting = tokio::spawn(async move { claim(&waiting, &waiter, "node", round, 30_000).await });
        if round > 1 {
            // Whoever listens is cut off, and must listen anew.
            shared.psql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE application_name = 'selffer notices'",
            );
        }
        let named = GRID.replace("study: first", &format!("study: round-{round}"));
        let grid = format!("{named}seed: [{round}]\n");
        submit(&through_first, u128::from(round), &grid).await.unwrap();

        let claimed = tokio::time::timeout(DEADLINE, waiting).await.unwrap().unwrap().unwrap();
        let claimed = claimed.expect("a job");
        let holding =
            Holding { connection: &through_second, session_id: session.clone(), assignment: claimed };
        let confirm = v1::ConfirmRequest { session_id: session.clone(), claim: holding.claim() };
        through_second.workers().confirm(confirm).await.unwrap();
        holding.finish(150).await;
    }
    assert!(!alive.is_finished(), "the session lived all the time");
    alive.abort();
    drop((first, second));
    shared.stop().await;
}

/// Heartbeats, until one is refused.
async fn beat_on(connection: &Connection, session_id: &str) -> Status {
    let mut pace = tokio::time::interval(Duration::from_millis(250));
    loop {
        pace.tick().await;
        let request = v1::HeartbeatRequest { session_id: session_id.into(), inventory: Vec::new() };
        if let Err(status) = connection.workers().heartbeat(request).await {
            // Cut off with everybody else: it beats again.
            if status.code() != Code::Unavailable {
                return status;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_knows_both_goes_on_when_one_is_gone() {
    let shared = Shared::start().await;
    let (first, second) = (shared.coordinator(), shared.coordinator());
    let token = Token::parse(&"5a".repeat(32)).unwrap();
    let both = Connection::lazy(&format!("{},{}", first.address, second.address), &token).unwrap();
    import_pack(&both).await;
    submit(&both, 1, GRID).await.unwrap();

    drop(first.kill());

    let answered = async {
        // What was under way is answered by nobody; the next try goes to who lives.
        while both.studies().list_studies(v1::ListStudiesRequest {}).await.is_err() {}
    };
    tokio::time::timeout(Duration::from_secs(10), answered).await.unwrap();
    submit(&both, 1, GRID).await.unwrap();
    drop(second);
    shared.stop().await;
}

fn refusal(mut command: Command) -> String {
    let output = command.env("RUST_LOG", "off").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_second_coordinator_with_a_store_of_its_own_does_not_start() {
    let shared = Shared::start().await;
    let first = shared.coordinator();
    let folder = shared.coordinators_folder();

    let mut own_store = command(folder.path());
    own_store.args(["--database-url", &shared.url]);
    let said = refusal(own_store);
    assert!(said.contains("is not the one of this database"), "{said}");

    // Nor with the store of another fleet.
    let other = Shared::start().await;
    drop(other.coordinator());
    let mut others_store = command(folder.path());
    others_store.args(["--database-url", &shared.url]).arg("--store").arg(other.store());
    let said = refusal(others_store);
    assert!(said.contains("is another fleet's: its store-id is"), "{said}");

    other.stop().await;
    drop(first);
    shared.stop().await;
}

#[test]
fn a_private_database_has_one_coordinator_and_not_anothers_store() {
    let server = Server::start();

    let said = refusal(command(server.folder.path()));
    assert!(said.contains("another coordinator is running on the data folder"), "{said}");

    let folder = tempfile::tempdir().unwrap();
    let mut with_store = command(folder.path());
    with_store.arg("--store").arg(server.folder.path().join("data/store"));
    let said = refusal(with_store);
    assert!(said.contains("belongs to another database"), "{said}");
    remove_database(folder.path());
}
