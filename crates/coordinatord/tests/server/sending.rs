//! A checkpoint on its way, step by step, so that a test can cut it off anywhere.

use selffer_artifacts::cut_bytes;
use selffer_core::{
    artifact::{Chunk, Manifest},
    limits::{CHUNK_BYTES_MAX, FRAME_BYTES_MAX},
};
use selffer_proto::v1::{
    self,
    put_checkpoint_chunk_request::{Frame, Header},
};
use tonic::Status;

use crate::worker::Holding;

/// One object of a checkpoint that a worker sends; it says that it lives before each step, so
/// that a slow machine does not cost it its lease.
pub(crate) struct Sending<'a> {
    pub(crate) holding: &'a Holding<'a>,
    pub(crate) kind: v1::CheckpointKind,
    pub(crate) iteration: u32,
    pub(crate) manifest: Manifest,
    bytes: Vec<u8>,
}

impl<'a> Sending<'a> {
    pub(crate) fn new(
        holding: &'a Holding<'a>,
        kind: v1::CheckpointKind,
        iteration: u32,
        bytes: Vec<u8>,
    ) -> Self {
        let manifest = Manifest { objects: vec![cut_bytes("state.bin", &bytes)] };
        Self { holding, kind, iteration, manifest, bytes }
    }

    pub(crate) fn chunks(&self) -> Vec<Chunk> {
        self.manifest.chunks().cloned().collect()
    }

    /// The bytes of its chunk of this number.
    pub(crate) fn bytes(&self, index: usize) -> &[u8] {
        self.bytes.chunks(CHUNK_BYTES_MAX as usize).nth(index).unwrap()
    }

    pub(crate) async fn begin(&self) -> Result<v1::BeginCheckpointResponse, Status> {
        beat(self.holding).await;
        let request = v1::BeginCheckpointRequest {
            session_id: self.holding.session_id.clone(),
            claim: self.holding.claim(),
            kind: self.kind.into(),
            iteration: self.iteration,
            manifest: Some((&self.manifest).into()),
        };
        self.holding.connection.checkpoints().begin(request).await.map(tonic::Response::into_inner)
    }

    /// The frames of a chunk: header first.
    pub(crate) fn frames(
        &self,
        checkpoint_id: &str,
        chunk: v1::Chunk,
        bytes: &[u8],
    ) -> Vec<v1::PutCheckpointChunkRequest> {
        let header = Header {
            session_id: self.holding.session_id.clone(),
            claim: self.holding.claim(),
            checkpoint_id: checkpoint_id.to_owned(),
            chunk: Some(chunk),
        };
        let data = bytes.chunks(FRAME_BYTES_MAX).map(|data| Frame::Data(data.to_vec()));
        let frames = std::iter::once(Frame::Header(header)).chain(data);
        frames.map(|frame| v1::PutCheckpointChunkRequest { frame: Some(frame) }).collect()
    }

    /// Sends bytes as a chunk.
    pub(crate) async fn put(
        &self,
        checkpoint_id: &str,
        chunk: v1::Chunk,
        bytes: &[u8],
    ) -> Result<(), Status> {
        beat(self.holding).await;
        let frames = self.frames(checkpoint_id, chunk, bytes);
        self.holding.connection.checkpoints().put_chunk(tokio_stream::iter(frames)).await.map(drop)
    }

    /// Sends its chunk of this number.
    pub(crate) async fn put_own(&self, checkpoint_id: &str, index: usize) -> Result<(), Status> {
        let chunk = (&self.chunks()[index]).into();
        self.put(checkpoint_id, chunk, self.bytes(index)).await
    }

    pub(crate) async fn publish(&self, checkpoint_id: &str) -> Result<(), Status> {
        beat(self.holding).await;
        let request = v1::PublishCheckpointRequest {
            session_id: self.holding.session_id.clone(),
            claim: self.holding.claim(),
            checkpoint_id: checkpoint_id.to_owned(),
        };
        self.holding.connection.checkpoints().publish(request).await.map(drop)
    }

    /// All of it; its id.
    pub(crate) async fn send(&self) -> Result<String, Status> {
        let begun = self.begin().await?;
        for (index, chunk) in self.chunks().iter().enumerate() {
            if begun.missing.contains(&chunk.digest.0.to_vec()) {
                self.put_own(&begun.checkpoint_id, index).await?;
            }
        }
        self.publish(&begun.checkpoint_id).await?;
        Ok(begun.checkpoint_id)
    }
}

/// Says that this worker lives, and trains what it holds.
pub(crate) async fn beat(holding: &Holding<'_>) {
    let inventory =
        v1::Inventory { claim: holding.claim(), phase: v1::Phase::Training.into(), ..Default::default() };
    let request = v1::HeartbeatRequest { session_id: holding.session_id.clone(), inventory: vec![inventory] };
    holding.connection.workers().heartbeat(request).await.unwrap();
}

/// So many bytes that no other number gives.
pub(crate) fn content(number: u8, bytes: u64) -> Vec<u8> {
    (0..bytes).map(|index| (index / 251).wrapping_mul(index) as u8 ^ number).collect()
}
