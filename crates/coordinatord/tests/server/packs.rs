//! Jobs go only to workers that have their pack or can hold it, and what waits for one says so.

use selffer_proto::{client::Connection, v1};

use crate::harness::{GRID, Server, import_pack, open_session, submit};

/// Length of the pack `tiny`.
const TINY_BYTES: u64 = 29;
const REASON: &str = "its pack of 29 B fits no worker: the most that one takes now is 28 B";

async fn claim(
    connection: &Connection,
    session_id: &str,
    claim: u8,
    room: (&[&[u8]], Option<u64>),
) -> Option<v1::Assignment> {
    let request = v1::ClaimRequest {
        session_id: session_id.into(),
        worker: "node/cpu0".into(),
        claim_id: vec![claim; 16],
        packs_at_hand: room.0.iter().map(|digest| digest.to_vec()).collect(),
        pack_bytes_max: room.1,
        ..Default::default()
    };
    connection.workers().claim(request).await.unwrap().into_inner().assignment
}

async fn job(connection: &Connection) -> v1::JobSummary {
    let request = v1::GetJobRequest { selector: "first:leather-cloth/baseA".into() };
    connection.studies().get_job(request).await.unwrap().into_inner().job.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_job_waits_for_a_worker_that_can_hold_its_pack_and_says_so() {
    let server = Server::start();
    let connection = server.connection();
    import_pack(&connection).await;
    submit(&connection, 1, GRID).await.unwrap();
    let session = open_session(&connection, 1, "node").await;
    assert_eq!(job(&connection).await.reason, "", "nobody has said what it can hold");

    let too_small = claim(&connection, &session, 1, (&[], Some(TINY_BYTES - 1))).await;

    assert_eq!(too_small, None);
    assert_eq!(job(&connection).await.reason, REASON);
    let page = server.get("/studies/first");
    assert!(page.contains(REASON), "{page}");
    assert!(server.get("/api/studies/first").contains(REASON));
    let listed = v1::ListJobsRequest { study: "first".into(), ..Default::default() };
    let listed = connection.studies().list_jobs(listed).await.unwrap().into_inner().jobs;
    assert_eq!(listed.iter().filter(|job| job.reason == REASON).count(), 2, "{listed:?}");

    assert!(claim(&connection, &session, 1, (&[], Some(TINY_BYTES))).await.is_some());
    assert_eq!(job(&connection).await.reason, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_worker_that_has_the_pack_or_says_nothing_of_packs_gets_the_job() {
    let server = Server::start();
    let connection = server.connection();
    import_pack(&connection).await;
    let pack = submit_and_find_pack(&connection).await;
    let session = open_session(&connection, 1, "node").await;

    assert!(claim(&connection, &session, 1, (&[&[7; 32]], Some(0))).await.is_none());
    assert!(claim(&connection, &session, 2, (&[&[7; 32], &pack], Some(0))).await.is_some());
    assert!(claim(&connection, &session, 3, (&[], None)).await.is_some(), "an earlier release is starved");
}

async fn submit_and_find_pack(connection: &Connection) -> Vec<u8> {
    submit(connection, 1, GRID).await.unwrap();
    let studies = connection.studies().list_studies(v1::ListStudiesRequest {}).await.unwrap().into_inner();
    studies.studies[0].pack_digest.clone()
}
