//! Putting an artifact's files together in a folder, chunk by chunk.
//!
//! Every chunk is verified before it is kept; one that came wrong is asked for again a few
//! times. What an earlier try left is kept if it is right. Where chunks come from is a
//! parameter.

use std::{path::Path, time::Duration};

use futures_util::{StreamExt, TryStreamExt, future::BoxFuture, stream};
use selffer_artifacts::{ArtifactError, ChunkFileWriter, cut_file};
use selffer_core::artifact::{Chunk, Manifest, ManifestError, Object};
use tonic::Status;
use tracing::info;

use crate::calls::patiently_within;

/// How long one chunk may take.
const CHUNK_WITHIN: Duration = Duration::from_secs(120);
/// How often a chunk that came wrong is asked for.
const CHUNK_TRIES_MAX: u32 = 3;
/// Objects put together at once.
const OBJECTS_AT_ONCE: usize = 4;

/// Why an artifact could not be put together.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
    /// A chunk could not be had.
    #[error("a chunk could not be had: {}", .0.message())]
    Read(Status),
    /// The manifest makes no sense.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A chunk stayed wrong, or cannot be kept.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
}

/// Gets the bytes of a chunk from somewhere.
pub type Read<'a> = dyn Fn(Chunk) -> BoxFuture<'a, Result<Vec<u8>, Status>> + Sync + 'a;
/// Hears of each chunk that is new.
pub type Done<'a> = dyn Fn() + Sync + 'a;

/// Puts every object of the manifest into the folder under its name.
///
/// # Errors
/// A chunk cannot be had, stays wrong or cannot be kept; what is right so far stays.
pub async fn assemble(
    manifest: &Manifest,
    folder: &Path,
    read: &Read<'_>,
    done: &Done<'_>,
) -> Result<(), AssembleError> {
    manifest.check()?;
    // The chunks of one object in order, objects side by side. (Collected first: the compiler
    // cannot see that a lazy stream of borrowing futures is `Send`.)
    let objects = manifest.objects.iter().map(|object| assemble_object(object, folder, read, done));
    stream::iter(objects.collect::<Vec<_>>()).buffer_unordered(OBJECTS_AT_ONCE).try_collect().await
}

async fn assemble_object(
    object: &Object,
    folder: &Path,
    read: &Read<'_>,
    done: &Done<'_>,
) -> Result<(), AssembleError> {
    let path = folder.join(&object.name);
    if is_there(object, &path) {
        return Ok(());
    }
    let mut writer = ChunkFileWriter::begin(object, &path)?;
    let mut tries = 0;
    while let Some(chunk) = writer.next_chunk().cloned() {
        tries += 1;
        let bytes = patiently_within(CHUNK_WITHIN, "ReadChunk", || read(chunk.clone())).await;
        match writer.append(&bytes.map_err(AssembleError::Read)?) {
            Ok(()) => {
                tries = 0;
                done();
            }
            Err(ArtifactError::WrongDigest { .. } | ArtifactError::WrongLength { .. })
                if tries < CHUNK_TRIES_MAX =>
            {
                info!(chunk = %chunk.digest, "a chunk came wrong; asking again");
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(writer.finish()?)
}

// A file of an earlier try that is whole and right; a wrong one is put together again.
fn is_there(object: &Object, path: &Path) -> bool {
    path.metadata().is_ok_and(|file| file.len() == object.bytes)
        && cut_file(&object.name, path).is_ok_and(|found| found == *object)
}

#[cfg(test)]
mod tests {
    use std::{fs, sync::Mutex};

    use selffer_artifacts::cut_bytes;

    use super::*;

    fn manifest(files: &[(&str, &[u8])]) -> Manifest {
        Manifest { objects: files.iter().map(|(name, bytes)| cut_bytes(name, bytes)).collect() }
    }

    fn answer(bytes: Result<&[u8], Status>) -> BoxFuture<'static, Result<Vec<u8>, Status>> {
        let bytes = bytes.map(<[u8]>::to_vec);
        Box::pin(async { bytes })
    }

    #[tokio::test]
    async fn a_corrupted_chunk_is_asked_for_again_and_never_kept() {
        let folder = tempfile::tempdir().unwrap();
        let manifest = manifest(&[("a", b"right"), ("b", b"other")]);
        let asked = Mutex::new(Vec::new());
        let read = |chunk: Chunk| {
            let mut asked = asked.lock().unwrap();
            let again = asked.contains(&chunk.digest);
            asked.push(chunk.digest);
            let right = if chunk == cut_bytes("a", b"right").chunks[0] { b"right" } else { b"other" };
            answer(Ok(if again { right } else { b"wrong" }))
        };

        assemble(&manifest, folder.path(), &read, &|| {}).await.unwrap();

        assert_eq!(fs::read(folder.path().join("a")).unwrap(), b"right");
        assert_eq!(asked.lock().unwrap().len(), 4);
    }

    #[tokio::test]
    async fn chunks_that_stay_wrong_end_in_an_error_without_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let read = |_: Chunk| answer(Ok(b"wrong"));

        let error = assemble(&manifest(&[("a", b"right")]), folder.path(), &read, &|| {}).await.unwrap_err();

        assert!(matches!(error, AssembleError::Artifact(ArtifactError::WrongDigest { .. })), "{error}");
        assert!(!folder.path().join("a").exists());
    }

    #[tokio::test]
    async fn what_is_there_and_right_is_not_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), b"right").unwrap();
        let read = |_: Chunk| answer(Err(Status::not_found("none")));
        assemble(&manifest(&[("a", b"right")]), folder.path(), &read, &|| {}).await.unwrap();
    }

    #[tokio::test]
    async fn a_name_that_leads_elsewhere_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let read = |_: Chunk| answer(Ok(b"right"));
        let error =
            assemble(&manifest(&[("../a", b"right")]), folder.path(), &read, &|| {}).await.unwrap_err();
        assert!(matches!(error, AssembleError::Manifest(_)), "{error}");
    }
}
