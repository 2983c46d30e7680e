//! What an artifact consists of: named objects, each cut into content-addressed chunks.
//!
//! Packs and checkpoints travel and rest in this form. Two artifacts that share bytes
//! share chunks: a frozen layer is stored once, however many networks hold it.

use serde::{Deserialize, Serialize};

use crate::ids::Digest;

/// One piece of an object; its digest names its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chunk {
    /// BLAKE3 of the chunk's bytes.
    pub digest: Digest,
    /// Length; at most [`crate::limits::CHUNK_BYTES_MAX`].
    pub bytes: u64,
}

/// A named byte string: a shard of a pack, a layer's tensors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Object {
    /// Unique within the manifest; a [`crate::ids::Name`], never a path.
    pub name: String,
    /// Length; the sum of its chunks'.
    pub bytes: u64,
    /// Its chunks in order; every one but the last is `CHUNK_BYTES_MAX` long.
    pub chunks: Vec<Chunk>,
}

/// Everything an artifact consists of, in a fixed order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The objects, in the order of their making.
    pub objects: Vec<Object>,
}

/// What is wrong with a manifest that somebody sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// An object's name is not a name.
    #[error("object name {name:?} is not a name")]
    ObjectName {
        /// As given.
        name: String,
    },
    /// Two objects of one name.
    #[error("object {name:?} is listed twice")]
    Doubled {
        /// The name.
        name: String,
    },
    /// Chunks that do not add up, are empty or too long.
    #[error("chunks of object {name:?} do not make up its {bytes} bytes")]
    Chunks {
        /// The object.
        name: String,
        /// Its declared length.
        bytes: u64,
    },
    /// Too many objects or bytes.
    #[error("manifest has {objects} objects and {bytes} bytes, over the limit")]
    TooLarge {
        /// How many objects.
        objects: usize,
        /// Their total.
        bytes: u64,
    },
}

impl Manifest {
    /// The total of all objects' lengths.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.objects.iter().map(|object| object.bytes).fold(0, u64::saturating_add)
    }

    /// Every chunk, in order; a chunk that occurs twice is listed twice.
    pub fn chunks(&self) -> impl Iterator<Item = &Chunk> {
        self.objects.iter().flat_map(|object| &object.chunks)
    }

    /// Checks what a sender may have got wrong; a checked manifest is safe to store.
    ///
    /// # Errors
    /// The first violation found.
    pub fn check(&self) -> Result<(), ManifestError> {
        use crate::limits::{ARTIFACT_BYTES_MAX, CHUNK_BYTES_MAX, OBJECTS_MAX};
        let bytes = self.bytes();
        if self.objects.len() > OBJECTS_MAX || bytes > ARTIFACT_BYTES_MAX {
            return Err(ManifestError::TooLarge { objects: self.objects.len(), bytes });
        }
        let mut names = std::collections::BTreeSet::new();
        for object in &self.objects {
            let name = object.name.clone();
            if name.parse::<crate::ids::Name>().is_err() {
                return Err(ManifestError::ObjectName { name });
            }
            if !names.insert(&object.name) {
                return Err(ManifestError::Doubled { name });
            }
            let total: u64 = object.chunks.iter().map(|c| c.bytes).fold(0, u64::saturating_add);
            let whole = object.chunks.len().saturating_sub(1);
            let cut_evenly = object.chunks.iter().take(whole).all(|c| c.bytes == CHUNK_BYTES_MAX);
            let last_fits = object.chunks.last().is_none_or(|c| (1..=CHUNK_BYTES_MAX).contains(&c.bytes));
            if total != object.bytes || !cut_evenly || !last_fits {
                return Err(ManifestError::Chunks { name, bytes: object.bytes });
            }
        }
        Ok(())
    }
}
