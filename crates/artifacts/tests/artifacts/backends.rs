//! The two places that a store can have, with a look behind it at what lies there.

use object_store::{
    ObjectStore, ObjectStoreExt, aws::AmazonS3Builder, local::LocalFileSystem, path::Path as Key,
};
use selffer_artifacts::{ChunkStore, Place, cut_bytes};
use selffer_core::{artifact::Chunk, ids::Digest};
use tempfile::TempDir;

use crate::s3_server::S3Server;

/// A store, and what lies behind it.
pub(crate) struct Behind {
    /// What is tested.
    pub(crate) store: ChunkStore,
    /// What lies there, by its own name.
    pub(crate) raw: Box<dyn ObjectStore>,
    // Both go with the test.
    _folder: Option<TempDir>,
    pub(crate) server: Option<S3Server>,
    pub(crate) place: Place,
}

/// A store in a folder.
pub(crate) fn folder() -> Behind {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let store = ChunkStore::in_folder(&path).unwrap();
    let raw = Box::new(LocalFileSystem::new_with_prefix(&path).unwrap());
    Behind { store, raw, _folder: Some(folder), server: None, place: Place::Folder(path) }
}

/// A store in a bucket, below a prefix.
pub(crate) fn bucket() -> Behind {
    let server = S3Server::start();
    let name = server.bucket();
    let place: Place = format!("s3://{name}/lab/store").parse().unwrap();
    let store = ChunkStore::open(place.clone(), server.variables()).unwrap();
    let mut builder = AmazonS3Builder::new().with_bucket_name(name).with_allow_http(true);
    for (name, value) in server.variables() {
        builder = builder.with_config(name.to_ascii_lowercase().parse().unwrap(), value);
    }
    let raw = object_store::prefix::PrefixStore::new(builder.build().unwrap(), "lab/store");
    Behind { store, raw: Box::new(raw), _folder: None, server: Some(server), place }
}

impl Behind {
    /// What lies at this key now.
    pub(crate) async fn lies(&self, key: &Key) -> Option<Vec<u8>> {
        match self.raw.get(key).await {
            Ok(found) => Some(found.bytes().await.unwrap().to_vec()),
            Err(object_store::Error::NotFound { .. }) => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// Lays other bytes where a chunk is.
    pub(crate) async fn overwrite(&self, chunk: &Chunk, bytes: &'static [u8]) {
        self.raw.put(&key(chunk.digest), bytes.into()).await.unwrap();
    }
}

/// Where a chunk lies.
pub(crate) fn key(digest: Digest) -> Key {
    let hash = digest.to_string();
    Key::from_iter(["cas", &hash[..2], &hash])
}

/// The one chunk of these bytes.
pub(crate) fn chunk(bytes: &[u8]) -> Chunk {
    cut_bytes("x", bytes).chunks.remove(0)
}
