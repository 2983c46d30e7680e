//! Sending checkpoints: begin, put what the store lacks, publish.
//!
//! Beginning again is the resume, so trouble at any point is met by beginning again. Which
//! checkpoints of a running training go up is [`crate::intermediates`]' business.

use std::{
    collections::BTreeSet,
    future::ready,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt, TryStreamExt, stream};
use selffer_artifacts::{ArtifactError, cut_file, read_chunk_of_file};
use selffer_core::{
    artifact::{Chunk, Manifest, Object},
    ids::CheckpointId,
    limits::FRAME_BYTES_MAX,
};
use selffer_proto::{
    convert::{self, ConvertError},
    v1::{self, CheckpointKind, put_checkpoint_chunk_request::Frame},
};
use tokio::{
    sync::Semaphore,
    task::{JoinError, spawn_blocking},
};
use tonic::{Code, Status};
use tracing::{debug, info};

use crate::{
    ambient,
    calls::{self, patiently, patiently_within},
    lease::Lease,
    protocol::Saved,
    session::Session,
};

/// How long one chunk may take.
const CHUNK_WITHIN: Duration = Duration::from_secs(120);
/// Chunks under way at once: one on the wire, so that a connection that breaks costs one chunk
/// at most; the others are being read, or wait until the store has them on its disk.
const CHUNKS_AT_ONCE: usize = 4;
/// How often the store may say at publishing that something is missing after all.
const BEGIN_TRIES_MAX: u32 = 3;

/// Why a checkpoint was not published.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The coordinator does not take it.
    #[error("the coordinator does not take the checkpoint: {}", .0.message())]
    Refused(#[from] Status),
    /// Its answer cannot be read.
    #[error("the coordinator's answer cannot be read")]
    Answer(#[from] ConvertError),
    /// A file of the checkpoint cannot be read.
    #[error(transparent)]
    Read(#[from] ArtifactError),
    /// The reading panicked.
    #[error("reading the checkpoint broke off")]
    BrokeOff(#[from] JoinError),
}

impl UploadError {
    /// Whether it failed because the lease is gone.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        matches!(self, Self::Refused(status) if calls::is_stale(status))
    }
}

/// Publishes a saved checkpoint under a lease and says what it is called.
///
/// # Errors
/// The coordinator does not take it, or it cannot be read.
pub async fn publish(
    session: &Session,
    lease: &Lease,
    kind: CheckpointKind,
    saved: &Saved,
) -> Result<CheckpointId, UploadError> {
    let (folder, files) = (saved.folder.clone(), saved.files.clone());
    let manifest = spawn_blocking(move || cut_folder(&folder, &files)).await??;
    let sent = AtomicU64::new(0);
    let wire = Arc::new(Semaphore::new(1));
    let upload = Upload { session, lease, kind, saved, manifest: &manifest, wire: &wire, sent: &sent };
    let mut tries = 1;
    loop {
        match upload.run().await {
            // Something the store had is gone since; beginning again finds out what.
            Err(UploadError::Refused(status))
                if status.code() == Code::FailedPrecondition && tries < BEGIN_TRIES_MAX =>
            {
                debug!(reason = status.message(), "beginning a checkpoint again");
                tries += 1;
            }
            Ok(id) => {
                let (job_id, iteration) = (lease.claim.job_id, saved.iteration);
                let (bytes_sent, bytes_total) = (sent.load(Ordering::Relaxed), manifest.bytes());
                info!(%job_id, ?kind, iteration, bytes_sent, bytes_total, "checkpoint published");
                return Ok(id);
            }
            ended => return ended,
        }
    }
}

fn cut_folder(folder: &Path, files: &[String]) -> Result<Manifest, ArtifactError> {
    let objects = files.iter().map(|file| cut_file(file, &folder.join(file))).collect::<Result<_, _>>()?;
    Ok(Manifest { objects })
}

struct Upload<'a> {
    session: &'a Session,
    lease: &'a Lease,
    kind: CheckpointKind,
    saved: &'a Saved,
    manifest: &'a Manifest,
    /// Held by the one whose bytes are being sent.
    wire: &'a Arc<Semaphore>,
    /// Bytes of chunks that went over the wire, each as often as it arrived.
    sent: &'a AtomicU64,
}

impl Upload<'_> {
    async fn run(&self) -> Result<CheckpointId, UploadError> {
        self.session.until_trusted().await;
        let begun = patiently("BeginCheckpoint", || async {
            let request = v1::BeginCheckpointRequest {
                session_id: self.session.id(),
                claim: Some(self.lease.claim.into()),
                kind: self.kind.into(),
                iteration: self.saved.iteration,
                manifest: Some(self.manifest.into()),
            };
            self.settle(self.session.checkpoints().begin(request).await)
        });
        let begun = begun.await??.into_inner();
        self.lease.step_done(ambient::now());
        let id = convert::checkpoint_id("checkpoint_id", &begun.checkpoint_id)?;

        let missing: BTreeSet<Vec<u8>> = begun.missing.into_iter().collect();
        let puts = self.lacking(missing).into_iter().map(|(object, index)| self.put(id, object, index));
        stream::iter(puts.collect::<Vec<_>>()).buffer_unordered(CHUNKS_AT_ONCE).try_collect::<()>().await?;

        self.session.until_trusted().await;
        patiently("PublishCheckpoint", || async {
            let request = v1::PublishCheckpointRequest {
                session_id: self.session.id(),
                claim: Some(self.lease.claim.into()),
                checkpoint_id: id.to_string(),
            };
            self.settle(self.session.checkpoints().publish(request).await)
        })
        .await??;
        self.lease.step_done(ambient::now());
        Ok(id)
    }

    /// A store without room is an answer where another checkpoint comes soon; a final one waits
    /// until people have made room.
    fn settle<T>(&self, answer: Result<T, Status>) -> Result<Result<T, Status>, Status> {
        match answer {
            Err(full) if full.code() == Code::ResourceExhausted && self.kind != CheckpointKind::Final => {
                Ok(Err(full))
            }
            answer => answer.map(Ok),
        }
    }

    // Each missing chunk once, however often it occurs.
    fn lacking(&self, mut missing: BTreeSet<Vec<u8>>) -> Vec<(&Object, usize)> {
        let all = self.manifest.objects.iter().flat_map(|object| {
            object.chunks.iter().enumerate().map(move |(index, chunk)| (object, index, chunk))
        });
        all.filter(|(_, _, chunk)| missing.remove(chunk.digest.0.as_slice()))
            .map(|(object, index, _)| (object, index))
            .collect()
    }

    async fn put(&self, id: CheckpointId, object: &Object, index: usize) -> Result<(), UploadError> {
        let path = self.saved.folder.join(&object.name);
        let owned = object.clone();
        let bytes = spawn_blocking(move || read_chunk_of_file(&path, &owned, index)).await??;
        let chunk = &object.chunks[index];
        self.session.until_trusted().await;
        patiently_within(CHUNK_WITHIN, "PutChunk", || async {
            let turn = Arc::clone(self.wire).acquire_owned().await;
            // The turn ends with the last frame, before the answer.
            let frames = stream::iter(self.frames(id, chunk, &bytes))
                .chain(stream::once(async { drop(turn) }).filter_map(|()| ready(None)));
            self.settle(self.session.checkpoints().put_chunk(frames).await)
        })
        .await??;
        self.sent.fetch_add(chunk.bytes, Ordering::Relaxed);
        self.lease.chunk_done(ambient::now());
        Ok(())
    }

    fn frames(&self, id: CheckpointId, chunk: &Chunk, bytes: &[u8]) -> Vec<v1::PutCheckpointChunkRequest> {
        let header = v1::put_checkpoint_chunk_request::Header {
            session_id: self.session.id(),
            claim: Some(self.lease.claim.into()),
            checkpoint_id: id.to_string(),
            chunk: Some(chunk.into()),
        };
        let data = bytes.chunks(FRAME_BYTES_MAX).map(|data| Frame::Data(data.to_vec()));
        let frames = std::iter::once(Frame::Header(header)).chain(data);
        frames.map(|frame| v1::PutCheckpointChunkRequest { frame: Some(frame) }).collect()
    }
}
