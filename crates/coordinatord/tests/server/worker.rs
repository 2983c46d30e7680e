//! A worker as its coordinator knows it: one that holds a job, and only says that it trains.

use selffer_artifacts::cut_bytes;
use selffer_core::{artifact::Manifest, ids::Digest};
use selffer_proto::{client::Connection, v1};
use tonic::Status;

use crate::harness::claim;

/// A worker with the job that it holds.
pub(crate) struct Holding<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) session_id: String,
    pub(crate) assignment: v1::Assignment,
}

impl<'a> Holding<'a> {
    /// Claims and confirms a job.
    pub(crate) async fn claimed(
        connection: &'a Connection,
        session_id: &str,
        node: &str,
        number: u8,
    ) -> Self {
        let assignment = claim(connection, session_id, node, number, 20_000).await.unwrap().expect("a job");
        let holding = Self { connection, session_id: session_id.into(), assignment };
        let request = v1::ConfirmRequest { session_id: session_id.into(), claim: holding.claim() };
        connection.workers().confirm(request).await.unwrap();
        holding
    }

    pub(crate) fn claim(&self) -> Option<v1::JobClaim> {
        self.assignment.claim.clone()
    }

    /// Uploads these weights; the checkpoint's id.
    pub(crate) async fn checkpoint(
        &self,
        kind: v1::CheckpointKind,
        iteration: u32,
        weights: &[u8],
    ) -> Result<String, Status> {
        use v1::put_checkpoint_chunk_request::{Frame, Header};
        let manifest = Manifest { objects: vec![cut_bytes("01-conv1.safetensors", weights)] };
        let mut client = self.connection.checkpoints();
        let begin = v1::BeginCheckpointRequest {
            session_id: self.session_id.clone(),
            claim: self.claim(),
            kind: kind.into(),
            iteration,
            manifest: Some((&manifest).into()),
        };
        let begun = client.begin(begin).await?.into_inner();
        let header = Header {
            session_id: self.session_id.clone(),
            claim: self.claim(),
            checkpoint_id: begun.checkpoint_id.clone(),
            chunk: Some((&manifest.objects[0].chunks[0]).into()),
        };
        if !begun.missing.is_empty() {
            let frames = [Frame::Header(header), Frame::Data(weights.to_vec())];
            let frames = frames.map(|frame| v1::PutCheckpointChunkRequest { frame: Some(frame) });
            client.put_chunk(tokio_stream::iter(frames)).await?;
        }
        let publish = v1::PublishCheckpointRequest {
            session_id: self.session_id.clone(),
            claim: self.claim(),
            checkpoint_id: begun.checkpoint_id.clone(),
        };
        client.publish(publish.clone()).await?;
        // Idempotent.
        client.publish(publish).await?;
        Ok(begun.checkpoint_id)
    }

    pub(crate) async fn complete(&self, checkpoint_id: &str, top1_correct: u64) -> Result<(), Status> {
        let test = v1::TestResult { images: 200, top1_correct, top5_correct: 200, loss: 0.5 };
        let result = v1::JobResult {
            test: Some(test),
            tests: 2,
            correct_bits: vec![0xff; 25],
            weights_digest: Digest::of(b"weights").0.to_vec(),
            training_s: 1.5,
            testing_s: 0.5,
            device_kind: "cpu x86-64-v3".into(),
            ..Default::default()
        };
        let request = v1::CompleteAttemptRequest {
            session_id: self.session_id.clone(),
            claim: self.claim(),
            result: Some(result),
            checkpoint_id: checkpoint_id.into(),
        };
        self.connection.workers().complete_attempt(request).await.map(|_| ())
    }

    /// Trains nothing, but reports as if.
    pub(crate) async fn finish(&self, top1_correct: u64) {
        let weights = self.assignment.name.as_bytes();
        let checkpoint = self.checkpoint(v1::CheckpointKind::Final, 8, weights).await.unwrap();
        self.complete(&checkpoint, top1_correct).await.unwrap();
    }
}
