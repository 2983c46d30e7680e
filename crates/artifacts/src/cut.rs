//! Cutting byte strings and files into chunks, and reading one chunk of a file.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::FileExt,
    path::Path,
};

use bytes::Bytes;
use selffer_core::{
    artifact::{Chunk, Object},
    ids::Digest,
    limits::CHUNK_BYTES_MAX,
};

use crate::ArtifactError;

/// The object that these bytes are, under this name. Empty bytes have no chunks.
#[must_use]
pub fn cut_bytes(name: &str, bytes: &[u8]) -> Object {
    let chunks = bytes.chunks(CHUNK_BYTES_MAX as usize).map(chunk_of).collect();
    Object { name: name.to_owned(), bytes: bytes.len() as u64, chunks }
}

/// The object that a file's bytes are, under this name. Reads the file once, holding one
/// chunk in memory; blocks.
///
/// # Errors
/// The file cannot be read.
pub fn cut_file(name: &str, path: &Path) -> Result<Object, ArtifactError> {
    let read = |source| ArtifactError::file("read", path, source);
    let mut file = File::open(path).map_err(read)?;
    let mut object = Object { name: name.to_owned(), bytes: 0, chunks: Vec::new() };
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        (&mut file).take(CHUNK_BYTES_MAX).read_to_end(&mut buffer).map_err(read)?;
        if buffer.is_empty() {
            return Ok(object);
        }
        object.bytes += buffer.len() as u64;
        object.chunks.push(chunk_of(&buffer));
    }
}

/// The bytes of an object's chunk `index` from the file that holds the object; verified, so
/// that a file that was changed since it was cut is noticed. Blocks.
///
/// # Errors
/// The file cannot be read or ends too early, its bytes are others, or the object has no
/// such chunk.
pub fn read_chunk_of_file(path: &Path, object: &Object, index: usize) -> Result<Bytes, ArtifactError> {
    let read = |source| ArtifactError::file("read", path, source);
    let Some(chunk) = object.chunks.get(index) else {
        return Err(ArtifactError::file("read", path, io::ErrorKind::UnexpectedEof.into()));
    };
    let mut bytes = vec![0; chunk.bytes as usize];
    let file = File::open(path).map_err(read)?;
    file.read_exact_at(&mut bytes, index as u64 * CHUNK_BYTES_MAX).map_err(read)?;
    verify(chunk, &bytes)?;
    Ok(bytes.into())
}

/// Checks that these bytes are this chunk's.
pub(crate) fn verify(chunk: &Chunk, bytes: &[u8]) -> Result<(), ArtifactError> {
    let given = bytes.len() as u64;
    if given != chunk.bytes {
        return Err(ArtifactError::WrongLength { digest: chunk.digest, declared: chunk.bytes, given });
    }
    let found = Digest::of(bytes);
    if found != chunk.digest {
        return Err(ArtifactError::WrongDigest { declared: chunk.digest, found });
    }
    Ok(())
}

fn chunk_of(bytes: &[u8]) -> Chunk {
    Chunk { digest: Digest::of(bytes), bytes: bytes.len() as u64 }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use selffer_core::artifact::Manifest;

    use super::*;

    #[test]
    fn a_file_is_cut_as_its_bytes_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shard");
        let chunk = CHUNK_BYTES_MAX as usize;
        for (length, chunks) in [(0, 0), (1, 1), (chunk, 1), (chunk + 1, 2)] {
            let bytes: Vec<u8> = (0..length).map(|index| (index % 251) as u8).collect();
            fs::write(&path, &bytes).unwrap();

            let object = cut_file("shard", &path).unwrap();

            assert_eq!(object, cut_bytes("shard", &bytes));
            assert_eq!(object.chunks.len(), chunks, "{length} bytes");
            Manifest { objects: vec![object] }.check().unwrap();
        }
    }

    #[test]
    fn a_file_that_changed_since_it_was_cut_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shard");
        fs::write(&path, b"before").unwrap();
        let object = cut_file("shard", &path).unwrap();
        assert_eq!(read_chunk_of_file(&path, &object, 0).unwrap(), "before");

        fs::write(&path, b"behind").unwrap();

        let error = read_chunk_of_file(&path, &object, 0).unwrap_err();
        assert!(matches!(error, ArtifactError::WrongDigest { .. }), "{error}");
        fs::write(&path, b"short").unwrap();
        assert!(read_chunk_of_file(&path, &object, 0).is_err());
    }
}
