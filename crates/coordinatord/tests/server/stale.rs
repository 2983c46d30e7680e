//! A stale claim id is refused everywhere: by every method whose request carries one.

use std::collections::{BTreeMap, BTreeSet};

use prost_types::{FileDescriptorSet, field_descriptor_proto::Type};
use selffer_artifacts::cut_bytes;
use selffer_core::artifact::Manifest;
use selffer_proto::{client::Connection, v1};
use selffer_storage::{CheckpointRow, Store};
use tonic::{Code, Status};

use crate::{
    harness::{GRID, Server, claim, import_pack, open_session, submit},
    worker::Holding,
};

const CLAIM: &str = ".selffer.v1.JobClaim";

/// Every method whose request has a claim in it, at whatever depth: `Service/Method`.
fn methods_with_a_claim() -> BTreeSet<String> {
    let files: FileDescriptorSet = prost::Message::decode(selffer_proto::DESCRIPTORS).unwrap();
    let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut open: Vec<_> = files
        .file
        .iter()
        .flat_map(|file| &file.message_type)
        .map(|m| (String::from(".selffer.v1"), m))
        .collect();
    while let Some((parent, message)) = open.pop() {
        let name = format!("{parent}.{}", message.name());
        let of_messages = message.field.iter().filter(|field| field.r#type() == Type::Message);
        fields.insert(name.clone(), of_messages.map(|field| field.type_name().to_owned()).collect());
        open.extend(message.nested_type.iter().map(|nested| (name.clone(), nested)));
    }
    fn has_claim(fields: &BTreeMap<String, Vec<String>>, message: &str) -> bool {
        let within = fields.get(message).into_iter().flatten();
        message == CLAIM || within.into_iter().any(|field| has_claim(fields, field))
    }
    let services = files.file.iter().flat_map(|file| &file.service);
    let methods = services.flat_map(|service| service.method.iter().map(move |method| (service, method)));
    methods
        .filter(|(_, method)| has_claim(&fields, method.input_type()))
        .map(|(service, method)| format!("{}/{}", service.name(), method.name()))
        .collect()
}

/// Calls each of them with a claim that has ended.
async fn call_all(connection: &Connection, old: &Holding<'_>, begun: &str) -> BTreeMap<String, Status> {
    let (session_id, claim) = (old.session_id.clone(), old.claim());
    let (mut workers, mut checkpoints) = (connection.workers(), connection.checkpoints());
    let mut answers = BTreeMap::new();
    let mut refused = |method: &str, answer: Result<(), Status>| {
        answers.insert(method.to_owned(), answer.expect_err(method));
    };
    let request = v1::ConfirmRequest { session_id: session_id.clone(), claim: claim.clone() };
    refused("WorkerService/Confirm", workers.confirm(request).await.map(drop));
    let request = v1::AppendLogRequest {
        session_id: session_id.clone(),
        claim: claim.clone(),
        offset: 0,
        text: "late\n".into(),
    };
    refused("WorkerService/AppendLog", workers.append_log(request).await.map(drop));
    refused("WorkerService/CompleteAttempt", old.complete(begun, 1).await);
    let failure = v1::Failure { class: v1::FailureClass::TrainerError.into(), message: "late".into() };
    let request = v1::FailAttemptRequest {
        session_id: session_id.clone(),
        claim: claim.clone(),
        failure: Some(failure),
        iteration: 1,
    };
    refused("WorkerService/FailAttempt", workers.fail_attempt(request).await.map(drop));
    let reason = v1::GiveBackReason::WorkerStopping.into();
    let request = v1::GiveBackRequest { session_id: session_id.clone(), claim: claim.clone(), reason };
    refused("WorkerService/GiveBack", workers.give_back(request).await.map(drop));
    let manifest = Manifest { objects: vec![cut_bytes("late", b"late")] };
    let request = v1::BeginCheckpointRequest {
        session_id: session_id.clone(),
        claim: claim.clone(),
        kind: v1::CheckpointKind::Final.into(),
        iteration: 8,
        manifest: Some((&manifest).into()),
    };
    refused("CheckpointService/Begin", checkpoints.begin(request).await.map(drop));
    let header = v1::put_checkpoint_chunk_request::Header {
        session_id: session_id.clone(),
        claim: claim.clone(),
        checkpoint_id: begun.into(),
        chunk: Some((&manifest.objects[0].chunks[0]).into()),
    };
    let frame = Some(v1::put_checkpoint_chunk_request::Frame::Header(header));
    let frames = tokio_stream::iter([v1::PutCheckpointChunkRequest { frame }]);
    refused("CheckpointService/PutChunk", checkpoints.put_chunk(frames).await.map(drop));
    let request = v1::PublishCheckpointRequest { session_id, claim, checkpoint_id: begun.into() };
    refused("CheckpointService/Publish", checkpoints.publish(request).await.map(drop));
    answers
}

/// What people see of the job, and what is stored of its checkpoints.
async fn seen(
    connection: &Connection,
    store: &Store,
    name: &str,
) -> (v1::GetJobResponse, String, Vec<CheckpointRow>) {
    let request = v1::GetJobRequest { selector: name.into() };
    let job = connection.studies().get_job(request).await.unwrap().into_inner();
    let request = v1::GetLogRequest { selector: name.into(), ..Default::default() };
    let log = connection.studies().get_log(request).await.unwrap().into_inner().text;
    (job, log, store.published_checkpoints().await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_stale_claim_is_refused_by_every_method_and_nothing_changes() {
    let server = Server::start();
    let connection = server.connection();
    import_pack(&connection).await;
    let one = GRID.replace("[base, AnB]", "[base]").replace("n: [1]\n", "direction: [AtoB]\n");
    submit(&connection, 1, &one).await.unwrap();
    let session = open_session(&connection, 1, "node").await;
    let old = Holding::claimed(&connection, &session, "node", 1).await;
    let begun = old.checkpoint(v1::CheckpointKind::Intermediate, 4, b"half").await.unwrap();
    // Forgotten by its node's next daemon, so that no outcome below repeats one that it had.
    let session = open_session(&connection, 2, "node").await;
    let request = v1::HeartbeatRequest { session_id: session.clone(), inventory: Vec::new() };
    connection.workers().heartbeat(request).await.unwrap();
    let old = Holding { session_id: session.clone(), ..old };
    let new = Holding::claimed(&connection, &session, "node", 2).await;
    let store = server.look().await;
    let before = seen(&connection, &store, &new.assignment.name).await;

    let refused = |answers: BTreeMap<String, Status>| {
        for (method, status) in &answers {
            assert_eq!(status.code(), Code::Aborted, "{method}: {status}");
        }
        answers.into_keys().collect::<BTreeSet<_>>()
    };
    let mut walked = refused(call_all(&connection, &old, &begun).await);
    assert_eq!(beat(&old).await, v1::Verdict::Revoked);
    walked.insert("WorkerService/Heartbeat".into());
    assert_eq!(walked, methods_with_a_claim());
    let spent = claim(&connection, &session, "node", 1, 0).await.unwrap_err();
    assert_eq!(spent.code(), Code::Aborted, "{spent}");

    assert_eq!(seen(&connection, &store, &new.assignment.name).await, before);
    store.close().await;
    new.finish(150).await;
    server.assert_sound().await;
}

/// It may be that of a database that was rolled back: whoever shows it must not lose the work of
/// a day for it before all is known.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_claim_that_nobody_knows_is_refused_only_after_a_heartbeat_has_told_of_it() {
    let server = Server::start();
    let connection = server.connection();
    import_pack(&connection).await;
    submit(&connection, 1, GRID).await.unwrap();
    let session = open_session(&connection, 1, "node").await;
    let known = Holding::claimed(&connection, &session, "node", 1).await;
    let begun = known.checkpoint(v1::CheckpointKind::Intermediate, 4, b"half").await.unwrap();
    let stranger = v1::JobClaim { claim_id: vec![77; 16], ..known.claim().unwrap() };
    let assignment = v1::Assignment { claim: Some(stranger), ..known.assignment.clone() };
    let unknown = Holding { connection: &connection, session_id: session.clone(), assignment };

    for (method, status) in call_all(&connection, &unknown, &begun).await {
        assert_eq!(status.code(), Code::Unavailable, "{method}: {status}");
    }
    assert_eq!(beat(&unknown).await, v1::Verdict::Revoked, "the job is another claim's");
    for (method, status) in call_all(&connection, &unknown, &begun).await {
        assert_eq!(status.code(), Code::Aborted, "{method}: {status}");
    }

    known.finish(150).await;
    server.assert_sound().await;
}

async fn beat(holding: &Holding<'_>) -> v1::Verdict {
    let inventory = vec![v1::Inventory { claim: holding.claim(), iteration: 7, ..Default::default() }];
    let request = v1::HeartbeatRequest { session_id: holding.session_id.clone(), inventory };
    holding.connection.workers().heartbeat(request).await.unwrap().into_inner().verdicts[0].verdict()
}
