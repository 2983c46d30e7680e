//! Getting packs and checkpoints from the coordinator into the cache.
//!
//! What is there already is not fetched, and nothing incomplete is ever seen by a trainer.
//! Putting chunks together is [`crate::assemble`]'s.

use std::io;

use futures_util::FutureExt;
use selffer_artifacts::ArtifactError;
use selffer_core::{
    artifact::{Chunk, Manifest, ManifestError},
    ids::{CheckpointId, Digest},
    job::FailureClass,
    pack::MANIFEST_FILE,
};
use selffer_data::{Pack, PackError};
use selffer_proto::{
    convert::{ConvertError, required},
    v1::{self, ChunkFrame},
};
use tokio::task::{JoinError, spawn_blocking};
use tonic::{Code, Response, Status, Streaming};
use tracing::info;

use crate::{
    ambient,
    assemble::{AssembleError, assemble},
    cache::{Cache, Cached, EntryName},
    calls::patiently,
    lease::Lease,
    session::Session,
};

/// Why something could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// It is not in the coordinator's store.
    #[error("{what} is not in the store")]
    Missing {
        /// Pack or checkpoint, with its identity.
        what: String,
    },
    /// The coordinator does not give it.
    #[error("the coordinator does not give {what}: {}", .status.message())]
    Refused {
        /// Pack or checkpoint, with its identity.
        what: String,
        /// Its answer.
        status: Status,
    },
    /// The answer cannot be read.
    #[error("the coordinator's answer cannot be read")]
    Answer(#[from] ConvertError),
    /// The manifest makes no sense.
    #[error("the manifest makes no sense")]
    Manifest(#[from] ManifestError),
    /// The pack's manifest is another pack's.
    #[error("pack {asked} came with the manifest of {came}")]
    OtherPack {
        /// What was asked for.
        asked: Digest,
        /// What came.
        came: Digest,
    },
    /// Bytes came wrong, or cannot be kept.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// A file of the cache cannot be written.
    #[error("cannot write to the cache")]
    Cache(#[from] io::Error),
    /// What came is no pack.
    #[error("what came is no pack")]
    Pack(#[from] PackError),
    /// The work on it panicked.
    #[error("putting it together broke off")]
    BrokeOff(#[from] JoinError),
}

impl FetchError {
    /// What kind of failure that is to the job.
    #[must_use]
    pub fn class(&self) -> FailureClass {
        match self {
            Self::Missing { .. } | Self::OtherPack { .. } | Self::Pack(_) => FailureClass::Invalid,
            _ => FailureClass::Infrastructure,
        }
    }
}

/// Fetches into one cache over one session, on behalf of one lease.
#[derive(Clone, Copy, Debug)]
pub struct Fetch<'a> {
    /// The way to the coordinator.
    pub session: &'a Session,
    /// Where it goes.
    pub cache: &'a Cache,
    /// Who sees the progress.
    pub lease: &'a Lease,
}

impl Fetch<'_> {
    /// The pack of this digest, from the cache if it is there.
    ///
    /// # Errors
    /// It is not in the store, comes wrong, or cannot be kept.
    pub async fn pack(&self, digest: Digest) -> Result<Cached, FetchError> {
        let name = EntryName::pack(digest);
        let _alone = self.cache.fetching.lock().await;
        if let Some(cached) = self.cache.get(&name) {
            return Ok(cached);
        }
        let what = || format!("pack {}", digest.short());
        let answer = patiently("GetPack", || async {
            let selector = Some(v1::get_pack_request::Selector::Digest(digest.0.to_vec()));
            self.session.packs().get(v1::GetPackRequest { selector }).await
        });
        let answer = answer.await.map_err(|status| refused(what(), status))?.into_inner();
        let came = Digest::of(answer.manifest_json.as_bytes());
        if came != digest {
            return Err(FetchError::OtherPack { asked: digest, came });
        }
        let manifest: Manifest = required("manifest", answer.manifest)?;
        info!(pack = %digest, bytes = manifest.bytes(), "fetching a pack");

        let part = self.cache.part(&name)?;
        let done = || self.lease.chunk_done(ambient::now());
        let read = |chunk| self.read_of_pack(digest, chunk).boxed();
        assemble(&manifest, &part, &read, &done).await.map_err(|error| broken(what(), error))?;
        std::fs::write(part.join(MANIFEST_FILE), answer.manifest_json)?;
        let folder = part.clone();
        spawn_blocking(move || Pack::open(&folder)?.verify()).await??;
        Ok(self.cache.admit(&name, &part)?)
    }

    /// The published checkpoint of this id, from the cache if it is there.
    ///
    /// # Errors
    /// It is not in the store, comes wrong, or cannot be kept.
    pub async fn checkpoint(&self, id: CheckpointId) -> Result<Cached, FetchError> {
        let name = EntryName::checkpoint(id);
        let _alone = self.cache.fetching.lock().await;
        if let Some(cached) = self.cache.get(&name) {
            return Ok(cached);
        }
        let what = || format!("checkpoint {id}");
        let answer = patiently("GetCheckpoint", || async {
            let request = v1::GetCheckpointRequest { checkpoint_id: id.to_string() };
            self.session.checkpoints().get(request).await
        });
        let answer = answer.await.map_err(|status| refused(what(), status))?.into_inner();
        let manifest: Manifest = required("manifest", answer.manifest)?;

        let part = self.cache.part(&name)?;
        let done = || self.lease.chunk_done(ambient::now());
        let read = |chunk| self.read_of_checkpoint(id, chunk).boxed();
        assemble(&manifest, &part, &read, &done).await.map_err(|error| broken(what(), error))?;
        Ok(self.cache.admit(&name, &part)?)
    }

    async fn read_of_pack(&self, pack: Digest, chunk: Chunk) -> Result<Vec<u8>, Status> {
        let request =
            v1::ReadPackChunkRequest { pack_digest: pack.0.to_vec(), digest: chunk.digest.0.to_vec() };
        collect(self.session.packs().read_chunk(request).await?, chunk.bytes).await
    }

    async fn read_of_checkpoint(&self, id: CheckpointId, chunk: Chunk) -> Result<Vec<u8>, Status> {
        let request =
            v1::ReadCheckpointChunkRequest { checkpoint_id: id.to_string(), digest: chunk.digest.0.to_vec() };
        collect(self.session.checkpoints().read_chunk(request).await?, chunk.bytes).await
    }
}

// Not a byte more than declared is held, whatever is sent.
async fn collect(frames: Response<Streaming<ChunkFrame>>, bytes_max: u64) -> Result<Vec<u8>, Status> {
    let mut frames = frames.into_inner();
    let mut bytes = Vec::new();
    while let Some(frame) = frames.message().await? {
        if (bytes.len() + frame.data.len()) as u64 > bytes_max {
            return Err(Status::data_loss("a chunk came longer than it is"));
        }
        bytes.extend_from_slice(&frame.data);
    }
    Ok(bytes)
}

fn broken(what: String, error: AssembleError) -> FetchError {
    match error {
        AssembleError::Read(status) => refused(what, status),
        AssembleError::Manifest(error) => error.into(),
        AssembleError::Artifact(error) => error.into(),
    }
}

fn refused(what: String, status: Status) -> FetchError {
    match status.code() {
        Code::NotFound => FetchError::Missing { what },
        _ => FetchError::Refused { what, status },
    }
}
