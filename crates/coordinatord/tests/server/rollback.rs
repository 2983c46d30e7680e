//! An older state of the database is restored while workers go on: what they hold is taken up
//! again where that is possible, reported where not, and nothing is done twice.

use std::{fs, path::Path, process::Command};

use nix::sys::signal::{Signal, kill};
use selffer_proto::{client::Connection, v1};
use serde_json::Value;
use tonic::Status;

use crate::{
    harness::{DEADLINE, GRID, Server, claim, import_pack, open_session, submit},
    worker::Holding,
};

/// Copies a database's files with their owners, as a backup of a stopped server does.
fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}

/// Puts an older state of a database in place of the present one, which is killed.
fn roll_back(server: Server, backup: &Path) -> Server {
    let cluster = server.database_folder().join("cluster");
    let postmaster = server.postmaster();
    let folder = server.kill();
    kill(postmaster, Signal::SIGKILL).unwrap();
    while fs::read_to_string(format!("/proc/{postmaster}/stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
        std::thread::yield_now();
    }
    fs::remove_dir_all(&cluster).unwrap();
    copy(backup, &cluster);
    Server::start_in(folder)
}

async fn beat(connection: &Connection, holding: &Holding<'_>) -> Result<v1::Verdict, Status> {
    let inventory = vec![v1::Inventory { claim: holding.claim(), ..Default::default() }];
    let request = v1::HeartbeatRequest { session_id: holding.session_id.clone(), inventory };
    let answer = connection.workers().heartbeat(request).await?.into_inner();
    Ok(answer.verdicts[0].verdict())
}

fn health(server: &Server) -> Value {
    let answer = server.get("/api/health");
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_restored_backup_free_work_goes_on_the_rest_is_reported_and_then_it_thaws() {
    let server = Server::start();
    let connection = server.connection();
    import_pack(&connection).await;
    submit(&connection, 1, GRID).await.unwrap();
    let first = open_session(&connection, 1, "first").await;
    let old = Holding::claimed(&connection, &first, "first", 1).await;
    let backup = tempfile::tempdir().unwrap();
    let (cluster, folder) = (server.database_folder().join("cluster"), server.stop_and_keep());
    copy(&cluster, &backup.path().join("cluster"));
    let server = Server::start_in(folder);

    // What the backup does not have: the first gave its job back, two others have the two.
    let connection = server.connection();
    let request = v1::GiveBackRequest {
        session_id: first.clone(),
        claim: old.claim(),
        reason: v1::GiveBackReason::WorkerStopping.into(),
    };
    connection.workers().give_back(request).await.unwrap();
    let second = open_session(&connection, 2, "second").await;
    let third = open_session(&connection, 3, "third").await;
    let one = Holding::claimed(&connection, &second, "second", 2).await;
    let two = Holding::claimed(&connection, &third, "third", 3).await;
    let job = |holding: &Holding<'_>| holding.claim().unwrap().job_id;
    let (taken, free) = if job(&one) == job(&old) { (&one, &two) } else { (&two, &one) };

    let server = roll_back(server, &backup.path().join("cluster"));

    let connection = server.connection();
    for (holding, session, node) in [(&one, 2, "second"), (&two, 3, "third")] {
        assert!(beat(&connection, holding).await.is_err(), "a session that the backup does not know");
        open_session(&connection, session, node).await;
    }
    assert_eq!(beat(&connection, free).await.unwrap(), v1::Verdict::Ok);
    assert_eq!(beat(&connection, taken).await.unwrap(), v1::Verdict::Revoked);
    let idle = open_session(&connection, 4, "idle").await;
    assert!(claim(&connection, &idle, "idle", 9, 10).await.unwrap().is_none(), "nothing is handed out");
    let told = health(&server);
    assert!(told["frozen_since"].is_string(), "{told}");
    let adopted = |told: &Value, adopted: bool| {
        let divergences = told["divergences"].as_array().unwrap().clone();
        divergences.iter().filter(|divergence| divergence["adopted"] == adopted).count()
    };
    assert_eq!((adopted(&told, true), adopted(&told, false)), (1, 1), "{told}");
    let notice =
        connection.studies().list_workers(v1::ListWorkersRequest {}).await.unwrap().into_inner().notice;
    assert!(notice.contains("the database was rolled back"), "{notice}");

    let free = Holding {
        connection: &connection,
        session_id: free.session_id.clone(),
        assignment: free.assignment.clone(),
    };
    free.finish(150).await;
    let thawed = async {
        while !health(&server)["frozen_since"].is_null() {
            beat(&connection, &free).await.unwrap();
            let request = v1::HeartbeatRequest { session_id: idle.clone(), inventory: Vec::new() };
            connection.workers().heartbeat(request).await.unwrap();
        }
    };
    tokio::time::timeout(DEADLINE, thawed).await.expect("an end of the freeze");
    // The first worker never comes back: its job returns, and the study can end.
    let again = Holding::claimed(&connection, &idle, "idle", 10).await;
    again.finish(150).await;
    server.assert_sound().await;
    assert_eq!(server.log().matches("the database was rolled back; its fleet goes on").count(), 1);
}
