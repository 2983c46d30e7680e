//! Checkpoints: begin, put what is missing, publish; read.

use std::pin::Pin;

use futures_util::Stream;
use selffer_artifacts::ArtifactError;
use selffer_core::{
    artifact::{Chunk, Manifest},
    ids::CheckpointId,
};
use selffer_proto::{
    convert::{checkpoint_id, digest, required},
    v1::{self, checkpoint_service_server::CheckpointService},
};
use selffer_storage::{CheckpointKind, CheckpointRow, CheckpointState, Holder, NewCheckpoint, StoreError};
use tonic::{Request, Response, Status, Streaming};

use super::{
    Service, chunks,
    status::{bad_manifest, of_artifact, of_store, unconvertible},
    worker_messages::holder,
};
use crate::{auth::principal, chunk_room::Need};

#[tonic::async_trait]
impl CheckpointService for Service {
    async fn begin(
        &self,
        request: Request<v1::BeginCheckpointRequest>,
    ) -> Result<Response<v1::BeginCheckpointResponse>, Status> {
        principal(&request)?;
        let message = request.into_inner();
        let holder = holder(&message.session_id, message.claim)?;
        let kind = kind(message.kind)?;
        let manifest: Manifest =
            required("manifest", message.manifest).map_err(|error| unconvertible(&error))?;
        manifest.check().map_err(|error| bad_manifest(&error))?;
        let iteration = message.iteration;
        self.coordinator.check_room(need(kind)).await?;
        let quota = self.coordinator.chunk_args.intermediates_max;
        let (store, chunks) = (self.coordinator.store.clone(), self.coordinator.chunks.clone());
        let begin = async move {
            let checkpoint = NewCheckpoint { kind, iteration, manifest: &manifest };
            let id = store.begin_checkpoint_within(&holder, &checkpoint, quota).await;
            let id = id.map_err(|error| of_store(&error))?;
            let missing = chunks.missing(&manifest).await.map_err(|error| of_artifact(&error))?;
            Ok(v1::BeginCheckpointResponse {
                checkpoint_id: id.to_string(),
                missing: chunks::digests(&missing),
            })
        };
        self.coordinator.act(begin).await.map(Response::new)
    }

    async fn put_chunk(
        &self,
        request: Request<Streaming<v1::PutCheckpointChunkRequest>>,
    ) -> Result<Response<v1::PutCheckpointChunkResponse>, Status> {
        principal(&request)?;
        let mut frames = request.into_inner();
        let header = header(frames.message().await?)?;
        let holder = holder(&header.session_id, header.claim)?;
        let id = checkpoint(&header.checkpoint_id)?;
        let declared: Chunk =
            required("header.chunk", header.chunk).map_err(|error| unconvertible(&error))?;
        let store = self.coordinator.store.clone();
        let open = async move { store.open_checkpoint(&holder, id).await.map_err(|error| of_store(&error)) };
        let row = self.coordinator.act(open).await?;
        let chunk = chunks::declared(&row.manifest, &declared)?.clone();
        let _room = self.coordinator.uploads.acquire().await;
        let bytes = chunks::receive(&mut frames, &chunk, data).await?;
        let store = self.coordinator.chunks.clone();
        let put = async move { store.put(&chunk, bytes).await.map_err(|error| of_artifact(&error)) };
        self.coordinator.act(put).await?;
        Ok(Response::new(v1::PutCheckpointChunkResponse {}))
    }

    async fn publish(
        &self,
        request: Request<v1::PublishCheckpointRequest>,
    ) -> Result<Response<v1::PublishCheckpointResponse>, Status> {
        principal(&request)?;
        let message = request.into_inner();
        let holder = holder(&message.session_id, message.claim)?;
        let id = checkpoint(&message.checkpoint_id)?;
        let service = self.clone();
        self.coordinator.act(async move { service.publish_checkpoint(holder, id).await }).await?;
        Ok(Response::new(v1::PublishCheckpointResponse {}))
    }

    async fn get(
        &self,
        request: Request<v1::GetCheckpointRequest>,
    ) -> Result<Response<v1::GetCheckpointResponse>, Status> {
        principal(&request)?;
        let row = self.published(&request.into_inner().checkpoint_id).await?;
        Ok(Response::new(v1::GetCheckpointResponse {
            checkpoint_id: row.checkpoint_id.to_string(),
            job_id: row.claim.job_id.to_string(),
            kind: kind_on_the_wire(row.kind).into(),
            iteration: row.iteration,
            manifest: Some((&row.manifest).into()),
        }))
    }

    type ReadChunkStream = Pin<Box<dyn Stream<Item = Result<v1::ChunkFrame, Status>> + Send>>;

    async fn read_chunk(
        &self,
        request: Request<v1::ReadCheckpointChunkRequest>,
    ) -> Result<Response<Self::ReadChunkStream>, Status> {
        principal(&request)?;
        let message = request.into_inner();
        let digest = digest("digest", &message.digest).map_err(|error| unconvertible(&error))?;
        let row = self.published(&message.checkpoint_id).await?;
        let chunk = chunks::of_manifest(&row.manifest, digest)?;
        match self.coordinator.chunks.read(chunk).await {
            Ok(bytes) => Ok(Response::new(Box::pin(chunks::send(bytes)))),
            Err(error) => {
                if matches!(error, ArtifactError::Damaged { .. } | ArtifactError::Missing { .. }) {
                    self.quarantine(row.checkpoint_id).await?;
                }
                Err(of_artifact(&error))
            }
        }
    }
}

impl Service {
    async fn publish_checkpoint(&self, holder: Holder, id: CheckpointId) -> Result<(), Status> {
        let store = &self.coordinator.store;
        let row = store.checkpoint(id).await.map_err(|error| match error {
            // Never begun, or given up since: what helps is to begin.
            StoreError::NotFound { .. } => Status::failed_precondition(format!("{error}; begin it first")),
            error => of_store(&error),
        })?;
        if row.state == CheckpointState::Begun {
            self.check_whole(&row).await?;
        }
        store.publish_checkpoint(&holder, id).await.map_err(|error| of_store(&error))?;
        Ok(())
    }

    /// Every byte is read once more before the row flips: a chunk that the store already had
    /// (a frozen layer is never sent twice) is not taken on trust, and with the flip an older
    /// checkpoint may go. Measured: 0.45 s of one processor for the 480 MB of a full network with
    /// its momentum, just written; sending them takes longer on any wire.
    async fn check_whole(&self, row: &CheckpointRow) -> Result<(), Status> {
        let chunks = &self.coordinator.chunks;
        let faults = chunks.verify(&row.manifest).await.map_err(|error| of_artifact(&error))?;
        for fault in &faults {
            if let ArtifactError::Damaged { digest } = fault {
                tracing::error!(%digest, "a stored chunk is damaged and was put aside");
                chunks.put_aside(*digest).await.map_err(|error| of_artifact(&error))?;
            }
        }
        match faults.len() {
            0 => Ok(()),
            count => {
                let message = format!("{count} chunks are missing; begin again to learn which");
                Err(Status::failed_precondition(message))
            }
        }
    }

    /// A checkpoint that people and workers may see.
    async fn published(&self, id: &str) -> Result<CheckpointRow, Status> {
        let row = self.coordinator.store.checkpoint(checkpoint(id)?).await;
        let row = row.map_err(|error| of_store(&error))?;
        match row.state {
            CheckpointState::Published => Ok(row),
            CheckpointState::Begun => Err(Status::not_found(format!("checkpoint {id} is not published"))),
            CheckpointState::Deleted => Err(Status::not_found(format!("checkpoint {id} was deleted"))),
            CheckpointState::Quarantined => {
                Err(Status::data_loss(format!("checkpoint {id} is damaged and was put aside")))
            }
        }
    }

    /// Nobody gets this checkpoint any more; the one before is used.
    async fn quarantine(&self, id: CheckpointId) -> Result<(), Status> {
        let store = self.coordinator.store.clone();
        let quarantine =
            async move { store.quarantine_checkpoint(id).await.map_err(|error| of_store(&error)) };
        let trained_again = self.coordinator.act(quarantine).await?;
        tracing::error!(checkpoint_id = %id, trained_again, "checkpoint is damaged and was put aside");
        if trained_again {
            self.coordinator.dispatcher.wake();
        }
        self.coordinator.changed();
        Ok(())
    }
}

fn checkpoint(text: &str) -> Result<CheckpointId, Status> {
    checkpoint_id("checkpoint_id", text).map_err(|error| unconvertible(&error))
}

fn kind(number: i32) -> Result<CheckpointKind, Status> {
    match v1::CheckpointKind::try_from(number) {
        Ok(v1::CheckpointKind::Intermediate) => Ok(CheckpointKind::Intermediate),
        Ok(v1::CheckpointKind::Final) => Ok(CheckpointKind::Final),
        _ => Err(Status::invalid_argument(format!("kind: {number} is no kind that is known here"))),
    }
}

fn need(kind: CheckpointKind) -> Need {
    match kind {
        CheckpointKind::Intermediate => Need::Intermediate,
        CheckpointKind::Final => Need::Lasting,
    }
}

fn kind_on_the_wire(kind: CheckpointKind) -> v1::CheckpointKind {
    match kind {
        CheckpointKind::Intermediate => v1::CheckpointKind::Intermediate,
        CheckpointKind::Final => v1::CheckpointKind::Final,
    }
}

fn header(
    frame: Option<v1::PutCheckpointChunkRequest>,
) -> Result<v1::put_checkpoint_chunk_request::Header, Status> {
    match frame.and_then(|frame| frame.frame) {
        Some(v1::put_checkpoint_chunk_request::Frame::Header(header)) => Ok(header),
        _ => Err(Status::invalid_argument("frame: the first one must be a header")),
    }
}

fn data(frame: v1::PutCheckpointChunkRequest) -> Option<Vec<u8>> {
    match frame.frame {
        Some(v1::put_checkpoint_chunk_request::Frame::Data(data)) => Some(data),
        _ => None,
    }
}
