//! The chunk store: immutable objects, each named by the digest of its bytes, in a folder or
//! in a bucket.
//!
//! `cas/aa/HASH` holds a chunk. In a folder a write goes to a temporary file first, is synced,
//! then renamed; in a bucket it is one request: a chunk is there whole or not at all, whenever
//! the power fails. Chunks found damaged are moved to `damaged/HASH`. `store-id` says which
//! store this is: a disk that is not mounted must not look like a store that lost everything.

use std::{
    collections::HashSet,
    future::ready,
    path::Path,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use object_store::{ObjectStore, ObjectStoreExt, path::Path as Key};
use selffer_core::{
    artifact::{Chunk, Manifest},
    ids::Digest,
};

use crate::{ArtifactError, Place, bucket, cut::verify, error::out_of_space, folder, folder::Room};

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
    place: Place,
    /// Which store must be there, once that is known.
    expected: Arc<OnceLock<String>>,
}

impl ChunkStore {
    /// The store at this place; `variables` are the environment's, of which those of a bucket's
    /// server are used. A folder is made if it is not there; a bucket is not asked yet.
    ///
    /// # Errors
    /// The folder can be neither found nor made, or the variables make no sense.
    pub fn open(
        place: Place,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ArtifactError> {
        let objects = match &place {
            Place::Folder(folder) => folder::objects(folder)?,
            Place::Bucket { bucket, prefix } => bucket::objects((bucket, prefix), variables)
                .map_err(|source| ArtifactError::Bucket { place: place.clone(), source: Box::new(source) })?,
        };
        Ok(Self { objects, place, expected: Arc::default() })
    }

    /// The store in this folder, which is made, for this user alone, if it is not there.
    ///
    /// # Errors
    /// The folder can be neither found nor made.
    pub fn in_folder(folder: &Path) -> Result<Self, ArtifactError> {
        Self::open(Place::Folder(folder.to_owned()), [])
    }

    /// Where it is.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
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
            Err(source) => Err(self.away(source)),
        }
    }

    /// Says which store this is, for good.
    ///
    /// # Errors
    /// It cannot be written.
    pub async fn identify(&self, identity: &str) -> Result<(), ArtifactError> {
        let text = Bytes::from(format!("{identity}\n"));
        match self.objects.put(&Key::from(STORE_ID), text.into()).await {
            Ok(_) => Ok(()),
            Err(source) => Err(self.away(source)),
        }
    }

    /// From now on only the store of this identity will do: while it is not there nothing is
    /// missing, and nothing is written.
    pub fn expect(&self, identity: &str) {
        // Said once, at the start.
        let _ = self.expected.set(identity.to_owned());
    }

    /// Checks that the store that is expected is there.
    ///
    /// # Errors
    /// It is not, or does not answer.
    pub async fn check_there(&self) -> Result<(), ArtifactError> {
        let Some(expected) = self.expected.get() else { return Ok(()) };
        match self.identity().await? {
            Some(found) if found == *expected => Ok(()),
            _ => Err(ArtifactError::Away { place: self.place.clone(), source: None }),
        }
    }

    /// What its disk has; none for a bucket. Blocks.
    ///
    /// # Errors
    /// The disk cannot be asked.
    pub fn room(&self) -> Result<Option<Room>, ArtifactError> {
        match &self.place {
            Place::Folder(folder) => folder::room(folder).map(Some),
            Place::Bucket { .. } => Ok(None),
        }
    }

    /// Removes what writes that were cut off left behind. Only while nobody else writes.
    /// A bucket has no such things. Blocks.
    ///
    /// # Errors
    /// The folder cannot be read, or a file in it not removed.
    pub fn remove_leftovers(&self) -> Result<u64, ArtifactError> {
        match &self.place {
            Place::Folder(folder) => folder::remove_leftovers(folder),
            Place::Bucket { .. } => Ok(0),
        }
    }

    /// Every chunk that is here, in no order, with its size as stored.
    pub fn stored(&self) -> impl Stream<Item = Result<Chunk, ArtifactError>> + Send {
        let listed = self.objects.list(Some(&Key::from("cas")));
        listed.map_err(|source| self.away(source)).try_filter_map(|meta| {
            let digest = meta.location.filename().and_then(|name| name.parse::<Digest>().ok());
            ready(Ok(digest.map(|digest| Chunk { digest, bytes: meta.size })))
        })
    }

    /// Which of a manifest's chunks are not here, each once, in the manifest's order.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn missing(&self, manifest: &Manifest) -> Result<Vec<Digest>, ArtifactError> {
        let look_ups = stream::iter(each_once(manifest)).map(|chunk| async move {
            let is_here = self.look(&chunk).await?;
            Ok::<_, ArtifactError>((!is_here).then_some(chunk.digest))
        });
        let found: Vec<_> = look_ups.buffered(LOOK_UPS_AT_A_TIME).try_collect().await?;
        let missing: Vec<Digest> = found.into_iter().flatten().collect();
        if !missing.is_empty() {
            self.check_there().await?;
        }
        Ok(missing)
    }

    /// Whether this chunk is here, with this length. Its bytes are not read.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn has(&self, chunk: &Chunk) -> Result<bool, ArtifactError> {
        let is_here = self.look(chunk).await?;
        if !is_here {
            self.check_there().await?;
        }
        Ok(is_here)
    }

    /// As [`Self::has`], also if the store itself may be away.
    async fn look(&self, chunk: &Chunk) -> Result<bool, ArtifactError> {
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
        if matches!(self.place, Place::Folder(_)) {
            // Below an empty mount point is a folder too, of another disk.
            self.check_there().await?;
        }
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
        let read = async {
            let found = self.objects.get(&key("cas", digest)).await?;
            // Not a byte more than declared is held, whatever lies there.
            let right_length = found.meta.size == chunk.bytes;
            if right_length { found.bytes().await.map(Some) } else { Ok(None) }
        };
        match read.await {
            Ok(Some(bytes)) if verify(chunk, &bytes).is_ok() => Ok(bytes),
            Ok(_) => Err(ArtifactError::Damaged { digest }),
            Err(object_store::Error::NotFound { .. }) => {
                self.check_there().await?;
                Err(ArtifactError::Missing { digest })
            }
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
            Ok(()) => Ok(()),
            // It must not be taken for removed while its disk is away.
            Err(object_store::Error::NotFound { .. }) => self.check_there().await,
            Err(source) => Err(self.trouble("remove", digest, source)),
        }
    }

    fn away(&self, source: object_store::Error) -> ArtifactError {
        match out_of_space(&source) {
            Some(source) => ArtifactError::NoSpace { place: self.place.clone(), source },
            None => ArtifactError::Away { place: self.place.clone(), source: Some(Box::new(source)) },
        }
    }

    fn trouble(&self, action: &'static str, digest: Digest, source: object_store::Error) -> ArtifactError {
        match out_of_space(&source) {
            Some(source) => ArtifactError::NoSpace { place: self.place.clone(), source },
            None => ArtifactError::Store { action, digest, source: Box::new(source) },
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
