//! What can go wrong with bytes at rest.

use std::{error::Error, io, path::PathBuf};

use selffer_core::ids::Digest;

use crate::Place;

/// What went wrong with a chunk, an object's file or the store.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// The disk is full, or the user's quota is used up. Nothing was stored.
    #[error("no space left in {place}")]
    NoSpace {
        /// Where.
        place: Place,
        /// As the system said it.
        #[source]
        source: io::Error,
    },
    /// Bytes that were sent are not as many as declared.
    #[error("chunk {digest} has {given} bytes, not the declared {declared}")]
    WrongLength {
        /// The chunk.
        digest: Digest,
        /// As the manifest has it.
        declared: u64,
        /// As they came.
        given: u64,
    },
    /// Bytes that were sent are others than declared.
    #[error("bytes sent as chunk {declared} are those of {found}")]
    WrongDigest {
        /// As the manifest has it.
        declared: Digest,
        /// Of the bytes.
        found: Digest,
    },
    /// A stored chunk's bytes have changed; it is put aside, so that it can be stored again.
    #[error("stored chunk {digest} is damaged")]
    Damaged {
        /// The chunk.
        digest: Digest,
    },
    /// A chunk that is not in the store.
    #[error("chunk {digest} is not in the store")]
    Missing {
        /// The chunk.
        digest: Digest,
    },
    /// A chunk that nobody waits for.
    #[error("object {name:?} is complete, it takes no further chunk")]
    Complete {
        /// The object.
        name: String,
    },
    /// An object's file ends before its chunks are all there.
    #[error("object {name:?} has {there} of its {bytes} bytes")]
    Incomplete {
        /// The object.
        name: String,
        /// Bytes that are there.
        there: u64,
        /// Bytes of the whole.
        bytes: u64,
    },
    /// A file that cannot be read or written.
    #[error("cannot {action} {path}")]
    File {
        /// `read`, `write` and the like.
        action: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The store itself is not there: a disk that is not mounted, a server that is away.
    #[error("the chunk store {place} is not there")]
    Away {
        /// Where it should be.
        place: Place,
        /// Why, if anything answered at all.
        #[source]
        source: Option<Box<object_store::Error>>,
    },
    /// What the environment says of a bucket's server makes no sense.
    #[error("cannot use {place} as a chunk store")]
    Bucket {
        /// Where it should be.
        place: Place,
        /// Why.
        #[source]
        source: Box<object_store::Error>,
    },
    /// The object store's own trouble.
    #[error("the chunk store cannot {action} chunk {digest}")]
    Store {
        /// `read`, `write` and the like.
        action: &'static str,
        /// The chunk.
        digest: Digest,
        /// Why.
        #[source]
        source: Box<object_store::Error>,
    },
}

impl ArtifactError {
    /// Whether the store as a whole cannot be used just now, which may pass by itself.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::NoSpace { .. } | Self::Away { .. } | Self::Store { .. } | Self::File { .. })
    }

    pub(crate) fn file(action: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        let path = path.into();
        if is_out_of_space(&source) {
            let folder = path.parent().map_or_else(|| path.clone(), Into::into);
            return Self::NoSpace { place: Place::Folder(folder), source };
        }
        Self::File { action, path, source }
    }
}

/// The system's error beneath an object store's, if it says that there is no space.
pub(crate) fn out_of_space(error: &object_store::Error) -> Option<io::Error> {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>()
            && is_out_of_space(io)
        {
            return Some(io::Error::new(io.kind(), io.to_string()));
        }
        cause = error.source();
    }
    // A server says it with a status, which is only in the text.
    let text = error.to_string();
    let says_full = ["507 Insufficient Storage", "XMinioStorageFull", "QuotaExceeded"];
    says_full.iter().any(|word| text.contains(word)).then(|| io::ErrorKind::StorageFull.into())
}

fn is_out_of_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_beneath_the_object_store_is_found() {
        let full = |kind| object_store::Error::Generic {
            store: "LocalFileSystem",
            source: Box::new(io::Error::from(kind)),
        };

        assert!(out_of_space(&full(io::ErrorKind::StorageFull)).is_some());
        assert!(out_of_space(&full(io::ErrorKind::QuotaExceeded)).is_some());
        assert!(out_of_space(&full(io::ErrorKind::PermissionDenied)).is_none());
        let answered = "Server returned non-2xx status code: 507 Insufficient Storage: <Error/>";
        let source = Box::new(io::Error::other(answered));
        assert!(out_of_space(&object_store::Error::Generic { store: "S3", source }).is_some());
    }

    #[test]
    fn a_full_disk_is_told_with_its_folder() {
        let error = ArtifactError::file("write", "/d/x", io::ErrorKind::StorageFull.into());

        assert_eq!(error.to_string(), "no space left in /d");
    }
}
