//! Trained networks that people delete, and what is freed of the chunk store.

use std::fs;

use selffer_core::ids::Digest;
use selffer_proto::{
    client::Connection,
    v1::{self, delete_networks_request::What},
};
use tonic::{Code, Status};

use crate::{
    harness::{DEADLINE, GRID, Server, import_pack, open_session, submit},
    worker::Holding,
};

async fn delete(
    connection: &Connection,
    what: What,
    dry_run: bool,
) -> Result<v1::DeleteNetworksResponse, Status> {
    let request = v1::DeleteNetworksRequest { what: Some(what), dry_run, reason: "no longer wanted".into() };
    connection.store().delete_networks(request).await.map(tonic::Response::into_inner)
}

async fn collect(connection: &Connection, dry_run: bool) -> v1::CollectGarbageResponse {
    let request = v1::CollectGarbageRequest { dry_run };
    connection.store().collect_garbage(request).await.unwrap().into_inner()
}

fn job(name: &str) -> What {
    What::Job(name.to_owned())
}

async fn detail(connection: &Connection, selector: &str) -> v1::GetJobResponse {
    let request = v1::GetJobRequest { selector: selector.into() };
    connection.studies().get_job(request).await.unwrap().into_inner()
}

/// The two base networks trained, in the order in which they were given out; two copy from them.
async fn two_trained(server: &Server, connection: &Connection) -> [String; 2] {
    import_pack(connection).await;
    submit(connection, 1, GRID).await.unwrap();
    let session = open_session(connection, 1, "node").await;
    let mut names = Vec::new();
    for number in [1, 2] {
        let holding = Holding::claimed(connection, &session, "node", number).await;
        holding.finish(150).await;
        names.push(holding.assignment.name.clone());
    }
    server.assert_sound().await;
    names.try_into().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_network_that_others_have_yet_to_copy_cannot_be_deleted() {
    let server = Server::start_patient();
    let connection = server.connection();
    let [name, _] = two_trained(&server, &connection).await;

    let refused = delete(&connection, job(&name), false).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    assert!(refused.message().contains("networks copy from it and have not ended: first:"), "{refused}");
    let unended = delete(&connection, job("leather-cloth/A1B"), false).await.unwrap_err();
    assert_eq!(unended.code(), Code::FailedPrecondition, "{unended}");
    let of_study = delete(&connection, What::Study("first".into()), true).await.unwrap();
    assert_eq!((of_study.checkpoints, of_study.unended, of_study.needed), (0, 2, 2));
    let nobody = delete(&connection, job("leather-cloth/none"), true).await.unwrap_err();
    assert_eq!(nobody.code(), Code::NotFound, "{nobody}");
    assert!(server.chunk_file(name.as_bytes()).exists());
    server.assert_sound().await;
}

/// Finals are kept until a person deletes them; then: row, grace, re-check, file.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_deleted_network_leaves_the_disk_its_result_stays_and_whoever_needs_it_has_it_trained_again() {
    let server = Server::start_patient();
    let connection = server.connection();
    let [name, _] = two_trained(&server, &connection).await;
    let session = uuid::Uuid::from_u128(1).to_string();
    for number in [3, 4] {
        Holding::claimed(&connection, &session, "node", number).await.finish(150).await;
    }
    // Another study has the network too, and wants it.
    let again = GRID.replace("study: first", "study: again");
    submit(&connection, 2, &again).await.unwrap();
    let file = server.chunk_file(name.as_bytes());

    let would = delete(&connection, job(&name), true).await.unwrap();
    assert_eq!((would.networks, would.checkpoints, would.copies), (1, 1, 1), "{would:?}");
    let others: Vec<_> = would.others.iter().map(|other| other.study.as_str()).collect();
    assert_eq!(others, ["again", "first"]);
    let of_study = delete(&connection, What::Study("first".into()), true).await.unwrap();
    assert_eq!((of_study.checkpoints, of_study.others[0].jobs), (0, 4), "another study wants them all");
    assert!(collect(&connection, true).await.kept.iter().any(|kept| kept.what == "final" && kept.count == 4));
    assert!(file.exists(), "a dry run changes nothing");

    let deleted = delete(&connection, job(&name), false).await.unwrap();

    assert_eq!((deleted.networks, deleted.bytes), (would.networks, would.bytes));
    let gone = async {
        while file.exists() {
            collect(&connection, false).await;
        }
    };
    tokio::time::timeout(DEADLINE, gone).await.expect("its chunk goes");
    let kept = collect(&connection, true).await;
    assert!(kept.kept.iter().any(|kept| kept.what == "final" && kept.count == 3), "{kept:?}");
    assert_eq!(delete(&connection, job(&name), false).await.unwrap().checkpoints, 0, "once");
    let shown = detail(&connection, &name).await;
    let shown_job = shown.job.unwrap();
    assert!(shown_job.state() == v1::JobState::Succeeded && shown_job.result.is_some());
    assert!(
        shown
            .events
            .iter()
            .any(|event| event.what == "network deleted" && event.detail == "by owner: no longer wanted")
    );
    server.assert_sound().await;

    // Somebody needs it again: a copy at another depth.
    submit(&connection, 3, &again.replace("again", "deeper").replace("n: [1]", "n: [2]")).await.unwrap();
    assert_eq!(detail(&connection, &name).await.job.unwrap().state(), v1::JobState::Ready);
    server.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_is_of_no_manifest_is_told_in_a_dry_run_and_freed_by_the_real_one() {
    let server = Server::start_patient();
    let connection = server.connection();
    import_pack(&connection).await;
    let orphan = server.chunk_file(b"of no manifest");
    fs::create_dir_all(orphan.parent().unwrap()).unwrap();
    fs::write(&orphan, b"of no manifest").unwrap();

    let looked = collect(&connection, true).await;
    assert_eq!(looked.unknown, Some(v1::Chunks { chunks: 1, bytes: 14 }));
    assert_eq!(looked.stored, Some(v1::Chunks { chunks: 3, bytes: 43 }));
    assert_eq!(looked.waiting, Some(v1::Chunks::default()), "a dry run changes nothing");
    assert!(looked.kept.iter().any(|kept| kept.what == "pack" && kept.count == 1 && kept.bytes == 29));

    let noted = collect(&connection, false).await;
    assert_eq!(noted.unknown, looked.unknown);
    let [waiting, freed] = [noted.waiting, noted.freed].map(Option::unwrap_or_default);
    assert_eq!((waiting.chunks + freed.chunks, waiting.bytes + freed.bytes), (1, 14), "after its grace");
    let gone = async {
        while orphan.exists() {
            collect(&connection, true).await;
        }
    };
    tokio::time::timeout(DEADLINE, gone).await.expect("it goes");
    let digest = Digest::of(b"train pixels").to_string();
    assert!(server.chunk_files().contains(&digest), "what an import has stays");
    server.assert_sound().await;
}
