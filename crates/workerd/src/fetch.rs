//! Getting packs, imported weights and checkpoints from the coordinator into the cache.
//!
//! What is there already is not fetched, and nothing incomplete is ever seen by a trainer.
//! Putting chunks together is [`crate::assemble`]'s.

mod pack;

use std::{io, path::Path};

use futures_util::FutureExt;
use selffer_artifacts::ArtifactError;
use selffer_core::{
    artifact::{Chunk, Manifest, ManifestError},
    ids::{CheckpointId, Digest},
    import::{ImportKind, ImportManifest},
    job::FailureClass,
};
use selffer_data::{
    Pack, PackError,
    weights::{Weights, WeightsError},
};
use selffer_proto::{
    client::Connection,
    convert::{ConvertError, import_kind_number, import_manifest, required},
    v1::{self, ChunkFrame},
};
use tokio::task::{JoinError, spawn_blocking};
use tonic::{Code, Response, Status, Streaming};
use tracing::info;

use crate::{
    assemble::{AssembleError, Done, assemble},
    cache::{Cache, Cached, EntryName, NoRoom},
    calls::patiently,
    data_folders::DataFolders,
};

/// Why something could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// It is not in the coordinator's store.
    #[error("{what} is not in the store")]
    Missing {
        /// Pack, weights or checkpoint, with its identity.
        what: String,
    },
    /// The coordinator does not give it.
    #[error("the coordinator does not give {what}: {}", .status.message())]
    Refused {
        /// Pack, weights or checkpoint, with its identity.
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
    /// The manifest is another import's.
    #[error("{kind} {asked} came with the manifest of {came}")]
    OtherImport {
        /// What it is.
        kind: ImportKind,
        /// What was asked for.
        asked: Digest,
        /// What came.
        came: Digest,
    },
    /// Bytes came wrong, or cannot be kept.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// There is no room for it.
    #[error("{what} has no room here")]
    NoRoom {
        /// What, with its identity.
        what: String,
        /// Why.
        #[source]
        source: NoRoom,
    },
    /// A file of the cache cannot be written.
    #[error("cannot write to the cache")]
    Cache(#[from] io::Error),
    /// What came is no pack.
    #[error("what came is no pack")]
    Pack(#[from] PackError),
    /// What came is no weights.
    #[error("what came is no weights")]
    Weights(#[from] WeightsError),
    /// The work on it panicked.
    #[error("putting it together broke off")]
    BrokeOff(#[from] JoinError),
}

impl FetchError {
    /// What kind of failure that is to the job.
    #[must_use]
    pub fn class(&self) -> FailureClass {
        match self {
            Self::Missing { .. } | Self::OtherImport { .. } | Self::Pack(_) | Self::Weights(_) => {
                FailureClass::Invalid
            }
            _ => FailureClass::Infrastructure,
        }
    }

    /// Whether what was asked for is lost or makes no sense, whoever fetches it; else something
    /// is wrong with this machine or the coordinator just now.
    #[must_use]
    pub fn is_of_the_thing(&self) -> bool {
        match self {
            Self::Missing { .. } | Self::Answer(_) | Self::Manifest(_) => true,
            Self::Refused { status, .. } => matches!(status.code(), Code::NotFound | Code::DataLoss),
            _ => false,
        }
    }
}

/// Fetches into one cache.
#[derive(Clone, Copy)]
pub struct Fetch<'a> {
    /// The way to the coordinator as it is now.
    pub connection: &'a (dyn Fn() -> Connection + Sync),
    /// Where it goes.
    pub cache: &'a Cache,
    /// Where packs may lie already.
    pub data: &'a DataFolders,
    /// Hears of each chunk that is new.
    pub done: &'a Done<'a>,
}

impl Fetch<'_> {
    /// The imported weights of this digest, from the cache if they are there.
    ///
    /// # Errors
    /// They are not in the store, come wrong, or cannot be kept.
    pub async fn weights(&self, digest: Digest) -> Result<Cached, FetchError> {
        let kind = ImportKind::Weights;
        let name = EntryName::import(kind, digest);
        let _alone = self.cache.fetching.lock().await;
        if let Some(cached) = self.cache.get(&name) {
            return Ok(cached);
        }
        let Described { text, import, files } = self.describe(kind, digest).await?;
        info!(%kind, %digest, bytes = files.bytes(), "fetching an import");

        let part = self.cache.part(&name)?;
        let read = |chunk| self.read_of_import(kind, digest, chunk).boxed();
        let assembled = assemble(&files, &part, &read, self.done).await;
        assembled.map_err(|error| broken(name_of(kind, digest), error))?;
        std::fs::write(part.join(import.file_name()), text)?;
        let folder = part.clone();
        spawn_blocking(move || verify(kind, &folder)).await??;
        Ok(self.cache.admit(&name, &part)?)
    }

    /// What the store says of an import.
    async fn describe(&self, kind: ImportKind, digest: Digest) -> Result<Described, FetchError> {
        let answer = patiently("GetImport", || async {
            let selector = Some(v1::get_import_request::Selector::Digest(digest.0.to_vec()));
            let request = v1::GetImportRequest { kind: import_kind_number(kind), selector };
            (self.connection)().imports().get(request).await
        });
        let answer = answer.await.map_err(|status| refused(name_of(kind, digest), status))?.into_inner();
        let came = Digest::of(answer.manifest_json.as_bytes());
        if came != digest {
            return Err(FetchError::OtherImport { kind, asked: digest, came });
        }
        let import = import_manifest("manifest_json", kind, &answer.manifest_json)?;
        let files: Manifest = required("manifest", answer.manifest)?;
        Ok(Described { text: answer.manifest_json, import, files })
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
            (self.connection)().checkpoints().get(request).await
        });
        let answer = answer.await.map_err(|status| refused(what(), status))?.into_inner();
        let manifest: Manifest = required("manifest", answer.manifest)?;

        let part = self.cache.part(&name)?;
        let read = |chunk| self.read_of_checkpoint(id, chunk).boxed();
        assemble(&manifest, &part, &read, self.done).await.map_err(|error| broken(what(), error))?;
        Ok(self.cache.admit(&name, &part)?)
    }

    async fn read_of_import(
        &self,
        kind: ImportKind,
        import: Digest,
        chunk: Chunk,
    ) -> Result<Vec<u8>, Status> {
        let request = v1::ReadImportChunkRequest {
            kind: import_kind_number(kind),
            import_digest: import.0.to_vec(),
            digest: chunk.digest.0.to_vec(),
        };
        collect((self.connection)().imports().read_chunk(request).await?, chunk.bytes).await
    }

    async fn read_of_checkpoint(&self, id: CheckpointId, chunk: Chunk) -> Result<Vec<u8>, Status> {
        let request =
            v1::ReadCheckpointChunkRequest { checkpoint_id: id.to_string(), digest: chunk.digest.0.to_vec() };
        collect((self.connection)().checkpoints().read_chunk(request).await?, chunk.bytes).await
    }
}

/// An import as the store describes it.
struct Described {
    /// Its manifest as it is hashed.
    text: String,
    import: ImportManifest,
    /// Its files and their chunks.
    files: Manifest,
}

fn name_of(kind: ImportKind, digest: Digest) -> String {
    format!("{kind} {}", digest.short())
}

fn verify(kind: ImportKind, folder: &Path) -> Result<(), FetchError> {
    match kind {
        ImportKind::Pack => Pack::open(folder)?.verify()?,
        ImportKind::Weights => Weights::open(folder)?.verify()?,
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_with_fetching_is_not_the_fault_of_what_is_fetched() {
        let refused = |code| refused("checkpoint 7".to_owned(), Status::new(code, "no"));
        for lost in [refused(Code::NotFound), refused(Code::DataLoss)] {
            assert!(lost.is_of_the_thing(), "{lost}");
        }
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let kept = ArtifactError::File { action: "write", path: "part".into(), source: full() };
        for trouble in [refused(Code::Internal), FetchError::Cache(full()), kept.into()] {
            assert!(!trouble.is_of_the_thing(), "{trouble}");
            assert_eq!(trouble.class(), FailureClass::Infrastructure, "{trouble}");
        }
    }
}
