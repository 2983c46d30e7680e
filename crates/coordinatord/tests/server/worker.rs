//! A worker as its coordinator knows it: one that holds a job, and only says that it trains.

use std::collections::BTreeSet;

use selffer_artifacts::cut_bytes;
use selffer_core::{artifact::Manifest, identity::job_key, ids::Digest, spec::JobSpec, weights::layer_file};
use selffer_proto::{client::Connection, v1};
use tonic::Status;

use crate::harness::{GRID, claim, import_pack, open_session, submit};

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

    /// A job of a new study that runs, on a fresh coordinator.
    pub(crate) async fn running(connection: &'a Connection) -> Self {
        import_pack(connection).await;
        submit(connection, 1, GRID).await.unwrap();
        let session = open_session(connection, 1, "node").await;
        Self::claimed(connection, &session, "node", 1).await
    }

    pub(crate) fn claim(&self) -> Option<v1::JobClaim> {
        self.assignment.claim.clone()
    }

    /// What its layers are: those of its source while frozen, else its own; one chunk for each,
    /// so that the calls stay few.
    fn layers(&self) -> Vec<(String, Vec<u8>)> {
        let spec = self.spec();
        let frozen = usize::from(spec.treatment.layers_frozen);
        let source = spec.source.map(|source| source.job.to_string());
        let own = job_key(&self.spec()).to_string();
        let layers = spec.network.layers.iter().map(|layer| layer.name.clone()).enumerate();
        let weights = |(index, layer): (usize, String)| {
            let owner = source.as_ref().filter(|_| index < frozen).unwrap_or(&own);
            let bytes = format!("weights of {owner}").into_bytes();
            (layer, bytes)
        };
        layers.map(weights).collect()
    }

    fn spec(&self) -> JobSpec {
        serde_json::from_str(&self.assignment.spec_json).unwrap()
    }

    /// Uploads its layers, and with them a state of these bytes; the checkpoint's id.
    pub(crate) async fn checkpoint(
        &self,
        kind: v1::CheckpointKind,
        iteration: u32,
        state: &[u8],
    ) -> Result<String, Status> {
        let layers = self.layers();
        let files = layers.iter().enumerate();
        let files = files.map(|(index, (layer, bytes))| (layer_file(index, layer), bytes.as_slice()));
        let files: Vec<_> = std::iter::once(("state.json".to_owned(), state)).chain(files).collect();
        self.upload(kind, iteration, &files).await
    }

    async fn upload(
        &self,
        kind: v1::CheckpointKind,
        iteration: u32,
        files: &[(String, &[u8])],
    ) -> Result<String, Status> {
        use v1::put_checkpoint_chunk_request::{Frame, Header};
        let objects: Vec<_> = files.iter().map(|(name, bytes)| cut_bytes(name, bytes)).collect();
        let manifest = Manifest { objects };
        let mut client = self.connection.checkpoints();
        let begin = v1::BeginCheckpointRequest {
            session_id: self.session_id.clone(),
            claim: self.claim(),
            kind: kind.into(),
            iteration,
            manifest: Some((&manifest).into()),
        };
        let begun = client.begin(begin).await?.into_inner();
        let mut missing: BTreeSet<Vec<u8>> = begun.missing.into_iter().collect();
        for (object, (_, bytes)) in manifest.objects.iter().zip(files) {
            if !missing.remove(object.chunks[0].digest.0.as_slice()) {
                continue;
            }
            let header = Header {
                session_id: self.session_id.clone(),
                claim: self.claim(),
                checkpoint_id: begun.checkpoint_id.clone(),
                chunk: Some((&object.chunks[0]).into()),
            };
            let frames = [Frame::Header(header), Frame::Data(bytes.to_vec())];
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
        self.complete_with(checkpoint_id, self.result(top1_correct)).await
    }

    /// A result that goes with its checkpoint.
    pub(crate) fn result(&self, top1_correct: u64) -> v1::JobResult {
        let test = v1::TestResult { images: 200, top1_correct, top5_correct: 200, loss: 0.5 };
        let layers = self.layers().into_iter();
        let layer_digests =
            layers.map(|(layer, bytes)| v1::LayerDigest { layer, digest: Digest::of(&bytes).0.to_vec() });
        let treatment = self.spec().treatment;
        v1::JobResult {
            test: Some(test),
            tests: 2,
            correct_bits: vec![0xff; 25],
            weights_digest: Digest::of(b"weights").0.to_vec(),
            layer_digests: layer_digests.collect(),
            copied_layers_unchanged: (treatment.layers_copied > 0)
                .then_some(treatment.layers_frozen == treatment.layers_copied),
            training_s: 1.5,
            testing_s: 0.5,
            waiting_s: 0.25,
            device_kind: "cpu x86-64-v3".into(),
            ..Default::default()
        }
    }

    pub(crate) async fn complete_with(
        &self,
        checkpoint_id: &str,
        result: v1::JobResult,
    ) -> Result<(), Status> {
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
