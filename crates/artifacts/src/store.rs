//! The chunk store: a folder of immutable files, each named by the digest of its bytes.
//!
//! `cas/aa/HASH` holds a chunk; a write goes to a temporary file first, is synced, then
//! renamed, so that a chunk is there whole or not at all, whenever the power fails. Chunks
//! found damaged are moved to `damaged/HASH`.

use std::{
    collections::HashSet,
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectStore, ObjectStoreExt, local::LocalFileSystem, path::Path as Key};
use selffer_core::{
    artifact::{Chunk, Manifest},
    ids::Digest,
};

use crate::{ArtifactError, cut::verify, error::out_of_space};

/// Look-ups at a time when a manifest is compared with the store.
const LOOK_UPS_AT_A_TIME: usize = 16;
/// Chunks that are read at a time when their bytes are verified; 8 MiB each.
const CHUNKS_IN_MEMORY: usize = 4;
/// Says which store this is.
const STORE_ID: &str = "store-id";

/// Where chunks rest. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ChunkStore {
    objects: Arc<dyn ObjectStore>,
    folder: PathBuf,
}

impl ChunkStore {
    /// The store in this folder, which is made, for this user alone, if it is not there.
    ///
    /// # Errors
    /// The folder can be neither found nor made.
    pub fn in_folder(folder: &Path) -> Result<Self, ArtifactError> {
        // Also for those who made the folder around it themselves, open to others.
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|source| ArtifactError::file("create", folder, source))?;
        let objects = LocalFileSystem::new_with_prefix(folder)
            .map_err(|source| ArtifactError::file("open", folder, io::Error::other(source)))?;
        Ok(Self { objects: Arc::new(objects.with_fsync(true)), folder: folder.to_owned() })
    }

    /// Which store this is; none if nobody has said.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn identity(&self) -> Result<Option<String>, ArtifactError> {
        let read = async { self.objects.get(&Key::from(STORE_ID)).await?.bytes().await };
        match read.await {
            Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).trim().to_owned())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(source) => Err(ArtifactError::file("read", &self.folder.join(STORE_ID), source.into())),
        }
    }

    /// Says which store this is, for good.
    ///
    /// # Errors
    /// It cannot be written.
    pub async fn identify(&self, identity: &str) -> Result<(), ArtifactError> {
        let text = Bytes::from(format!("{identity}\n"));
        let written = self.objects.put(&Key::from(STORE_ID), text.into()).await;
        let path = self.folder.join(STORE_ID);
        written.map(drop).map_err(|source| ArtifactError::file("write", &path, source.into()))
    }

    /// Removes what writes that were cut off left behind. Only while nobody else writes.
    /// Blocks.
    ///
    /// # Errors
    /// The folder cannot be read, or a file in it not removed.
    pub fn remove_leftovers(&self) -> Result<u64, ArtifactError> {
        let cas = self.folder.join("cas");
        let mut removed = 0;
        for shelf in entries(&cas)? {
            for file in entries(&shelf)? {
                // The object store writes to `HASH#1` before it renames; a chunk has no `#`.
                if file.to_string_lossy().contains('#') {
                    fs::remove_file(&file).map_err(|source| ArtifactError::file("remove", &file, source))?;
                    removed += 1;
                }
            }
        }
        Ok(removed)
    }

    /// Which of a manifest's chunks are not here, each once, in the manifest's order.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn missing(&self, manifest: &Manifest) -> Result<Vec<Digest>, ArtifactError> {
        let look_ups = stream::iter(each_once(manifest)).map(|chunk| async move {
            let is_here = self.has(&chunk).await?;
            Ok::<_, ArtifactError>((!is_here).then_some(chunk.digest))
        });
        let found: Vec<_> = look_ups.buffered(LOOK_UPS_AT_A_TIME).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Whether this chunk is here, with this length. Its bytes are not read.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn has(&self, chunk: &Chunk) -> Result<bool, ArtifactError> {
        match self.objects.head(&key("cas", chunk.digest)).await {
            Ok(meta) => Ok(meta.size == chunk.bytes),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(source) => Err(self.trouble("find", chunk.digest, source)),
        }
    }

    /// What is wrong with a manifest's chunks: `Missing` or `Damaged`, each chunk once; nothing
    /// if all are here and whole. Reads every byte and changes nothing; a gigabyte takes about
    /// a second.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn verify(&self, manifest: &Manifest) -> Result<Vec<ArtifactError>, ArtifactError> {
        let looks = stream::iter(each_once(manifest)).map(|chunk| async move { self.fault(&chunk).await });
        let found: Vec<_> = looks.buffered(CHUNKS_IN_MEMORY).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// What is wrong with a chunk, `Missing` or `Damaged`; nothing if it is whole. Changes nothing.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn fault(&self, chunk: &Chunk) -> Result<Option<ArtifactError>, ArtifactError> {
        match self.get(chunk).await {
            Ok(_) => Ok(None),
            Err(fault @ (ArtifactError::Missing { .. } | ArtifactError::Damaged { .. })) => Ok(Some(fault)),
            Err(error) => Err(error),
        }
    }

    /// Stores a chunk. Putting one that is here already is harmless.
    ///
    /// # Errors
    /// The bytes are not this chunk's, or cannot be written; then nothing was stored.
    pub async fn put(&self, chunk: &Chunk, bytes: Bytes) -> Result<(), ArtifactError> {
        verify(chunk, &bytes)?;
        // Overwriting heals a file that is there with other bytes, and is as atomic as creating.
        match self.objects.put(&key("cas", chunk.digest), bytes.into()).await {
            Ok(_) => Ok(()),
            Err(source) => Err(self.trouble("write", chunk.digest, source)),
        }
    }

    /// The bytes of a chunk, verified.
    ///
    /// # Errors
    /// It is not here, cannot be read or is damaged. A damaged one is put aside first, so
    /// that the next who has it is asked for it.
    pub async fn read(&self, chunk: &Chunk) -> Result<Bytes, ArtifactError> {
        let read = self.get(chunk).await;
        if let Err(ArtifactError::Damaged { digest }) = read {
            self.put_aside(digest).await?;
        }
        read
    }

    async fn get(&self, chunk: &Chunk) -> Result<Bytes, ArtifactError> {
        let digest = chunk.digest;
        let read = async { self.objects.get(&key("cas", digest)).await?.bytes().await };
        match read.await {
            Ok(bytes) if verify(chunk, &bytes).is_ok() => Ok(bytes),
            Ok(_) => Err(ArtifactError::Damaged { digest }),
            Err(object_store::Error::NotFound { .. }) => Err(ArtifactError::Missing { digest }),
            Err(source) => Err(self.trouble("read", digest, source)),
        }
    }

    /// Takes a damaged chunk out of the way, so that the next who has it is asked for it.
    ///
    /// # Errors
    /// It cannot be moved.
    pub async fn put_aside(&self, digest: Digest) -> Result<(), ArtifactError> {
        match self.objects.rename(&key("cas", digest), &key("damaged", digest)).await {
            // Somebody else was faster.
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(self.trouble("put aside", digest, source)),
        }
    }

    /// Removes a chunk that nothing refers to any more. One that is not here is no error.
    ///
    /// # Errors
    /// It cannot be removed.
    pub async fn remove(&self, digest: Digest) -> Result<(), ArtifactError> {
        match self.objects.delete(&key("cas", digest)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(self.trouble("remove", digest, source)),
        }
    }

    fn trouble(&self, action: &'static str, digest: Digest, source: object_store::Error) -> ArtifactError {
        match out_of_space(&source) {
            Some(source) => ArtifactError::NoSpace { folder: self.folder.clone(), source },
            None => ArtifactError::Store { action, digest, source },
        }
    }
}

/// A manifest's chunks, each once, in its order.
fn each_once(manifest: &Manifest) -> Vec<Chunk> {
    let mut seen = HashSet::new();
    manifest.chunks().filter(|chunk| seen.insert(chunk.digest)).cloned().collect()
}

fn key(shelf: &str, digest: Digest) -> Key {
    let hash = digest.to_string();
    match shelf {
        "cas" => Key::from_iter(["cas", &hash[..2], &hash]),
        shelf => Key::from_iter([shelf, &hash]),
    }
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, ArtifactError> {
    let read = |source| ArtifactError::file("read", folder, source);
    let listing = match fs::read_dir(folder) {
        Ok(listing) => listing,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(read(source)),
    };
    listing.map(|entry| entry.map(|entry| entry.path()).map_err(read)).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::cut_bytes;

    fn store() -> (tempfile::TempDir, ChunkStore) {
        let folder = tempfile::tempdir().unwrap();
        let store = ChunkStore::in_folder(&folder.path().join("store")).unwrap();
        (folder, store)
    }

    fn chunk(bytes: &[u8]) -> Chunk {
        cut_bytes("x", bytes).chunks.remove(0)
    }

    fn file_of(store: &ChunkStore, chunk: &Chunk) -> PathBuf {
        let hash = chunk.digest.to_string();
        store.folder.join("cas").join(&hash[..2]).join(hash)
    }

    #[test]
    fn the_store_is_its_users_alone() {
        let (_folder, store) = store();

        let mode = fs::metadata(&store.folder).unwrap().permissions().mode();

        assert_eq!(mode & 0o777, 0o700);
    }

    #[tokio::test]
    async fn what_is_put_is_read_and_no_longer_missing() {
        let (_folder, store) = store();
        let manifest = Manifest {
            objects: vec![cut_bytes("a", b"one"), cut_bytes("b", b"two"), cut_bytes("c", b"one")],
        };
        let (one, two) = (chunk(b"one"), chunk(b"two"));
        assert_eq!(store.missing(&manifest).await.unwrap(), [one.digest, two.digest]);

        store.put(&one, "one".into()).await.unwrap();
        store.put(&one, "one".into()).await.unwrap();

        assert_eq!(store.missing(&manifest).await.unwrap(), [two.digest]);
        assert_eq!(store.read(&one).await.unwrap(), "one");
        assert!(matches!(store.read(&two).await, Err(ArtifactError::Missing { .. })));
    }

    #[tokio::test]
    async fn bytes_of_a_wrong_length_or_digest_are_not_stored() {
        let (_folder, store) = store();
        let declared = chunk(b"right");

        for wrong in ["wrong", "longer", "", "rigHt"] {
            let error = store.put(&declared, wrong.into()).await.unwrap_err();
            assert!(
                matches!(error, ArtifactError::WrongDigest { .. } | ArtifactError::WrongLength { .. }),
                "{wrong:?}: {error}"
            );
        }

        assert!(!store.has(&declared).await.unwrap());
    }

    #[tokio::test]
    async fn a_bit_flip_on_disk_is_found_and_the_chunk_can_be_stored_again() {
        let (_folder, store) = store();
        let chunk = chunk(b"weights");
        store.put(&chunk, "weights".into()).await.unwrap();
        fs::write(file_of(&store, &chunk), b"weightr").unwrap();

        assert!(matches!(store.read(&chunk).await, Err(ArtifactError::Damaged { .. })));

        assert!(!store.has(&chunk).await.unwrap());
        assert_eq!(
            fs::read(store.folder.join("damaged").join(chunk.digest.to_string())).unwrap(),
            b"weightr"
        );
        store.put(&chunk, "weights".into()).await.unwrap();
        assert_eq!(store.read(&chunk).await.unwrap(), "weights");
    }

    #[tokio::test]
    async fn verifying_names_what_is_missing_or_damaged_and_changes_nothing() {
        let (_folder, store) = store();
        let manifest = Manifest {
            objects: vec![cut_bytes("a", b"one"), cut_bytes("b", b"two"), cut_bytes("c", b"three")],
        };
        let (one, two, three) = (chunk(b"one"), chunk(b"two"), chunk(b"three"));
        store.put(&one, "one".into()).await.unwrap();
        store.put(&two, "two".into()).await.unwrap();
        fs::write(file_of(&store, &two), b"twO").unwrap();

        let faults = store.verify(&manifest).await.unwrap();

        let told: Vec<_> = faults.iter().map(ToString::to_string).collect();
        let (damaged, missing) = (two.digest, three.digest);
        assert_eq!(
            told,
            [format!("stored chunk {damaged} is damaged"), format!("chunk {missing} is not in the store")]
        );
        assert_eq!(fs::read(file_of(&store, &two)).unwrap(), b"twO");
        store.put_aside(two.digest).await.unwrap();
        store.put_aside(two.digest).await.unwrap();
        assert!(!store.has(&two).await.unwrap());
    }

    #[tokio::test]
    async fn a_chunk_that_was_removed_is_missing_and_removing_again_is_harmless() {
        let (_folder, store) = store();
        let one = chunk(b"one");
        store.put(&one, "one".into()).await.unwrap();

        store.remove(one.digest).await.unwrap();
        store.remove(one.digest).await.unwrap();

        assert!(matches!(store.read(&one).await, Err(ArtifactError::Missing { .. })));
    }

    #[tokio::test]
    async fn a_file_cut_short_counts_as_missing() {
        let (_folder, store) = store();
        let chunk = chunk(b"weights");
        store.put(&chunk, "weights".into()).await.unwrap();

        fs::write(file_of(&store, &chunk), b"weig").unwrap();

        assert!(!store.has(&chunk).await.unwrap());
    }

    #[tokio::test]
    async fn leftovers_of_writes_that_were_cut_off_go_and_chunks_stay() {
        let (_folder, store) = store();
        let chunk = chunk(b"weights");
        store.put(&chunk, "weights".into()).await.unwrap();
        let leftover = PathBuf::from(format!("{}#1", file_of(&store, &chunk).display()));
        fs::write(&leftover, b"wei").unwrap();

        assert_eq!(store.remove_leftovers().unwrap(), 1);

        assert!(!leftover.exists());
        assert_eq!(store.read(&chunk).await.unwrap(), "weights");
    }
}
