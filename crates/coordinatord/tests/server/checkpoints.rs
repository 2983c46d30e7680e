//! Checkpoints on a coordinator's disk: verified before they count, replaced when damaged,
//! and gone from the disk once nobody needs them.

use std::fs;

use selffer_core::ids::Digest;
use selffer_proto::{client::Connection, v1};
use tonic::{Code, Status};

use crate::{
    harness::{DEADLINE, Server, claim},
    worker::Holding,
};

const INTERMEDIATE: v1::CheckpointKind = v1::CheckpointKind::Intermediate;

fn flip_a_bit(server: &Server, content: &[u8]) {
    let file = server.chunk_file(content);
    let mut bytes = fs::read(&file).unwrap();
    bytes[0] ^= 1;
    fs::write(file, bytes).unwrap();
}

async fn read(connection: &Connection, checkpoint_id: &str, content: &[u8]) -> Result<(), Status> {
    let request = v1::ReadCheckpointChunkRequest {
        checkpoint_id: checkpoint_id.into(),
        digest: Digest::of(content).0.to_vec(),
    };
    let mut frames = connection.checkpoints().read_chunk(request).await?.into_inner();
    while frames.message().await?.is_some() {}
    Ok(())
}

async fn state(connection: &Connection, selector: &str) -> v1::JobState {
    let request = v1::GetJobRequest { selector: selector.into() };
    connection.studies().get_job(request).await.unwrap().into_inner().job.unwrap().state()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_chunk_that_was_there_is_not_taken_on_trust() {
    let server = Server::start();
    let connection = server.connection();
    let holding = Holding::running(&connection).await;
    holding.checkpoint(INTERMEDIATE, 2, b"same").await.unwrap();
    flip_a_bit(&server, b"same");

    // It is announced as present, so it is not sent; publishing finds out.
    let refused = holding.checkpoint(INTERMEDIATE, 4, b"same").await.unwrap_err();

    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    let again = holding.checkpoint(INTERMEDIATE, 4, b"same").await.unwrap();
    read(&connection, &again, b"same").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_attempt_gets_the_newest_two_checkpoints_and_a_damaged_one_drops_out() {
    let server = Server::start();
    let connection = server.connection();
    let holding = Holding::running(&connection).await;
    let mut ids = Vec::new();
    for (iteration, content) in [(2, "two"), (4, "four"), (6, "six")] {
        ids.push(holding.checkpoint(INTERMEDIATE, iteration, content.as_bytes()).await.unwrap());
    }
    let session_id = holding.session_id.clone();
    let request = v1::GiveBackRequest {
        session_id: session_id.clone(),
        claim: holding.claim(),
        reason: v1::GiveBackReason::WorkerStopping.into(),
    };
    connection.workers().give_back(request).await.unwrap();

    let again = claim(&connection, &session_id, "node", 2, 20_000).await.unwrap().unwrap();
    assert_eq!(again.resume_checkpoint_ids, [ids[2].clone(), ids[1].clone()]);
    flip_a_bit(&server, b"six");
    let status = read(&connection, &ids[2], b"six").await.unwrap_err();
    assert_eq!(status.code(), Code::DataLoss, "{status}");
    let repeated = claim(&connection, &session_id, "node", 2, 0).await.unwrap().unwrap();
    assert_eq!(repeated.resume_checkpoint_ids, [ids[1].clone()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_damaged_final_is_trained_again_and_its_dependants_wait() {
    let server = Server::start();
    let connection = server.connection();
    let holding = Holding::running(&connection).await;
    let (source, content) = (holding.assignment.name.clone(), holding.assignment.name.clone());
    holding.finish(150).await;
    let session_id = holding.session_id.clone();
    // The other source first, then one that copies from ours.
    Holding::claimed(&connection, &session_id, "node", 2).await.finish(150).await;
    let mut copies = Holding::claimed(&connection, &session_id, "node", 3).await;
    let request = v1::GetJobRequest { selector: source.clone() };
    let ours = connection.studies().get_job(request).await.unwrap().into_inner().final_checkpoint_id;
    if copies.assignment.source_checkpoint_id != ours {
        copies = Holding::claimed(&connection, &session_id, "node", 4).await;
    }
    assert_eq!(copies.assignment.source_checkpoint_id, ours);
    flip_a_bit(&server, content.as_bytes());

    let status = read(&connection, &ours, content.as_bytes()).await.unwrap_err();

    assert_eq!(status.code(), Code::DataLoss, "{status}");
    assert_eq!(state(&connection, &source).await, v1::JobState::Ready);
    let failure = v1::Failure { class: v1::FailureClass::Infrastructure.into(), message: "no source".into() };
    let request = v1::FailAttemptRequest {
        session_id: session_id.clone(),
        claim: copies.claim(),
        failure: Some(failure),
        iteration: 0,
    };
    connection.workers().fail_attempt(request).await.unwrap();
    assert_eq!(state(&connection, &copies.assignment.name).await, v1::JobState::Waiting);
    server.assert_sound().await;

    let again = Holding::claimed(&connection, &session_id, "node", 5).await;
    assert_eq!(again.assignment.name, source);
    again.finish(150).await;
    let once_more = Holding::claimed(&connection, &session_id, "node", 6).await;
    assert_eq!(once_more.assignment.name, copies.assignment.name);
    read(&connection, &once_more.assignment.source_checkpoint_id, content.as_bytes()).await.unwrap();
    server.assert_sound().await;
}

/// Waits until a chunk's file is gone.
async fn wait_until_gone(server: &Server, connection: &Connection, content: &str) {
    let file = server.chunk_file(content.as_bytes());
    let gone = async {
        while file.exists() {
            connection.studies().list_studies(v1::ListStudiesRequest {}).await.unwrap();
        }
    };
    tokio::time::timeout(DEADLINE, gone).await.unwrap_or_else(|_| panic!("{content:?} is still there"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_nobody_needs_leaves_the_disk_and_what_somebody_needs_stays() {
    let server = Server::start();
    let connection = server.connection();
    let holding = Holding::running(&connection).await;
    for (iteration, content) in [(1, "one"), (2, "two"), (3, "three")] {
        holding.checkpoint(INTERMEDIATE, iteration, content.as_bytes()).await.unwrap();
    }

    wait_until_gone(&server, &connection, "one").await;
    assert!(server.chunk_file(b"two").exists() && server.chunk_file(b"three").exists());
    // Wanted again after it went: it is asked for again.
    holding.checkpoint(INTERMEDIATE, 4, b"one").await.unwrap();
    wait_until_gone(&server, &connection, "two").await;
    holding.finish(150).await;
    wait_until_gone(&server, &connection, "three").await;
    wait_until_gone(&server, &connection, "one").await;

    let content = holding.assignment.name.as_bytes();
    assert!(server.chunk_file(content).exists() && server.chunk_file(b"train pixels").exists());
    let log = server.log();
    assert!(log.contains("disk freed of what no checkpoint and no import has any more"), "{log}");
    server.assert_sound().await;
}
