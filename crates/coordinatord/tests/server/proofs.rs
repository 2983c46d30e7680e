//! Results that cannot be true, and what is told of those that can.

use selffer_core::ids::Digest;
use selffer_proto::{client::Connection, v1};
use tonic::Code;

use crate::{
    harness::{GRID, Server, import_pack, open_session, submit},
    worker::Holding,
};

async fn job(connection: &Connection, selector: &str) -> v1::GetJobResponse {
    let request = v1::GetJobRequest { selector: selector.into() };
    connection.studies().get_job(request).await.unwrap().into_inner()
}

/// Both base networks trained, and a transfer with its final checkpoint, not yet completed.
async fn transfer<'a>(connection: &'a Connection, session: &str) -> (Holding<'a>, String) {
    for number in [1, 2] {
        Holding::claimed(connection, session, "node", number).await.finish(150).await;
    }
    let holding = Holding::claimed(connection, session, "node", 3).await;
    let checkpoint = holding.checkpoint(v1::CheckpointKind::Final, 8, b"state").await.unwrap();
    (holding, checkpoint)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_frozen_layer_that_moved_fails_the_attempt_and_is_tried_again() {
    let server = Server::start();
    let connection = server.connection();
    import_pack(&connection).await;
    submit(&connection, 1, GRID).await.unwrap();
    let session = open_session(&connection, 1, "node").await;
    let (holding, checkpoint) = transfer(&connection, &session).await;

    let mut result = holding.result(160);
    result.layer_digests[0].digest = Digest::of(b"moved").0.to_vec();
    let refused = holding.complete_with(&checkpoint, result).await.unwrap_err();

    assert_eq!(refused.code(), Code::FailedPrecondition);
    let problem = "the result cannot be true: layer conv1 was frozen and is not that of its source: \
                   by the digests of their weights";
    assert_eq!(refused.message(), problem);
    let found = job(&connection, &holding.assignment.name).await;
    assert!(found.job.unwrap().result.is_none());
    assert_eq!(found.attempts[0].outcome, "failed: trainer_error");
    assert_eq!(found.attempts[0].message, problem);
    // What it says afterwards comes too late.
    let late = holding.complete(&checkpoint, 160).await.unwrap_err();
    assert_eq!(late.code(), Code::Aborted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_succeeded_job_shows_each_layer_beside_its_source() {
    let server = Server::start();
    let connection = server.connection();
    import_pack(&connection).await;
    submit(&connection, 1, GRID).await.unwrap();
    let session = open_session(&connection, 1, "node").await;
    let (holding, checkpoint) = transfer(&connection, &session).await;

    holding.complete(&checkpoint, 160).await.unwrap();

    let found = job(&connection, &holding.assignment.name).await;
    assert_eq!(found.layers.len(), 8);
    let conv1 = &found.layers[0];
    assert_eq!((conv1.role(), conv1.same_bytes), (v1::LayerRole::Frozen, Some(true)));
    assert_eq!(conv1.digest, conv1.source_digest);
    let conv2 = &found.layers[1];
    assert_eq!((conv2.role(), conv2.same_bytes), (v1::LayerRole::Own, None));
    assert!(conv2.source_digest.is_empty());
    assert_eq!((found.dataset.as_str(), found.network.as_str()), ("tiny", "caffenet-28-slim"));
    assert_eq!(found.source_seed, Some(0));
    assert!(!found.attempts[0].program_version.is_empty());

    let speeds = connection.studies().list_device_speeds(v1::ListDeviceSpeedsRequest {}).await;
    let speeds = speeds.unwrap().into_inner().speeds;
    assert_eq!(speeds.len(), 1, "{speeds:?}");
    assert_eq!((speeds[0].jobs, speeds[0].network.as_str()), (3, "caffenet-28-slim"));
    assert!(speeds[0].flops_per_s > 0.0);
}
