//! Putting an object together from its chunks, in a file.
//!
//! Chunks are appended in order to `FILE.part`, which is renamed when all are there: the
//! file is there whole or not at all. Beginning again keeps the chunks that are there and
//! right: that is the resume.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use selffer_core::{
    artifact::{Chunk, Object},
    ids::Digest,
};

use crate::{ArtifactError, cut::verify};

/// Writes one object's file. Blocks. Only one writer at a time may have a file.
#[derive(Debug)]
pub struct ChunkFileWriter {
    object: Object,
    path: PathBuf,
    part_path: PathBuf,
    part: File,
    /// How many chunks are there.
    chunk_count: usize,
}

impl ChunkFileWriter {
    /// Begins, or goes on with, the file of this object at `path`.
    ///
    /// # Errors
    /// The file `path` + `.part` can be neither opened nor made.
    pub fn begin(object: &Object, path: &Path) -> Result<Self, ArtifactError> {
        let mut part_path = OsString::from(path);
        part_path.push(".part");
        let part_path = PathBuf::from(part_path);
        let open = |source| ArtifactError::file("open", &part_path, source);
        let mut part = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&part_path)
            .map_err(open)?;
        let (chunk_count, bytes) = keep_what_is_right(object, &mut part).map_err(open)?;
        part.set_len(bytes).map_err(open)?;
        part.seek(SeekFrom::Start(bytes)).map_err(open)?;
        Ok(Self { object: object.clone(), path: path.to_owned(), part_path, part, chunk_count })
    }

    /// The chunk that comes next; none when all are there.
    #[must_use]
    pub fn next_chunk(&self) -> Option<&Chunk> {
        self.object.chunks.get(self.chunk_count)
    }

    /// Appends the next chunk.
    ///
    /// # Errors
    /// The bytes are not that chunk's, or cannot be written; it is still the next one then.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), ArtifactError> {
        let Some(chunk) = self.next_chunk() else {
            return Err(ArtifactError::Complete { name: self.object.name.clone() });
        };
        verify(chunk, bytes)?;
        let start = self.bytes_there();
        let written = self.part.seek(SeekFrom::Start(start)).and_then(|_| self.part.write_all(bytes));
        written.map_err(|source| ArtifactError::file("write", &self.part_path, source))?;
        self.chunk_count += 1;
        Ok(())
    }

    /// Makes the file visible under its own name, safely on the disk.
    ///
    /// # Errors
    /// Chunks are missing, or the file cannot be synced or renamed.
    pub fn finish(self) -> Result<(), ArtifactError> {
        if self.next_chunk().is_some() {
            let (there, bytes) = (self.bytes_there(), self.object.bytes);
            return Err(ArtifactError::Incomplete { name: self.object.name, there, bytes });
        }
        let write = |source| ArtifactError::file("write", &self.path, source);
        self.part.sync_all().map_err(write)?;
        fs::rename(&self.part_path, &self.path).map_err(write)?;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        // Without this a power failure could undo the rename.
        File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all()).map_err(write)
    }

    fn bytes_there(&self) -> u64 {
        self.object.chunks[..self.chunk_count].iter().map(|chunk| chunk.bytes).sum()
    }
}

/// How many chunks, and bytes, at the start of the file are as they should be.
fn keep_what_is_right(object: &Object, part: &mut File) -> io::Result<(usize, u64)> {
    let mut bytes_there = 0;
    let mut buffer = Vec::new();
    for (index, chunk) in object.chunks.iter().enumerate() {
        buffer.clear();
        part.take(chunk.bytes).read_to_end(&mut buffer)?;
        if buffer.len() as u64 != chunk.bytes || Digest::of(&buffer) != chunk.digest {
            return Ok((index, bytes_there));
        }
        bytes_there += chunk.bytes;
    }
    Ok((object.chunks.len(), bytes_there))
}

#[cfg(test)]
mod tests {
    use selffer_core::limits::CHUNK_BYTES_MAX;

    use super::*;
    use crate::cut_bytes;

    fn three_chunks() -> (Vec<u8>, Object) {
        let bytes: Vec<u8> = (0..2 * CHUNK_BYTES_MAX + 100).map(|index| (index / 7 % 256) as u8).collect();
        let object = cut_bytes("shard", &bytes);
        (bytes, object)
    }

    fn pieces(bytes: &[u8]) -> Vec<&[u8]> {
        bytes.chunks(CHUNK_BYTES_MAX as usize).collect()
    }

    #[test]
    fn a_file_cut_off_goes_on_after_its_last_right_chunk() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shard");
        let (bytes, object) = three_chunks();
        let mut writer = ChunkFileWriter::begin(&object, &path).unwrap();
        writer.append(pieces(&bytes)[0]).unwrap();
        drop(writer);
        // The power failed in the middle of the second chunk.
        let mut part = OpenOptions::new().append(true).open(folder.path().join("shard.part")).unwrap();
        part.write_all(&pieces(&bytes)[1][..1000]).unwrap();

        let mut writer = ChunkFileWriter::begin(&object, &path).unwrap();

        assert_eq!(writer.next_chunk(), Some(&object.chunks[1]));
        writer.append(pieces(&bytes)[1]).unwrap();
        writer.append(pieces(&bytes)[2]).unwrap();
        assert_eq!(writer.next_chunk(), None);
        assert!(!path.exists());
        writer.finish().unwrap();
        assert!(fs::read(&path).unwrap() == bytes);
        assert!(!folder.path().join("shard.part").exists());
    }

    #[test]
    fn a_wrong_chunk_is_refused_and_the_right_one_still_fits() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shard");
        let (bytes, object) = three_chunks();
        let mut writer = ChunkFileWriter::begin(&object, &path).unwrap();

        assert!(writer.append(pieces(&bytes)[1]).is_err());
        writer.append(pieces(&bytes)[0]).unwrap();

        let error = writer.finish().unwrap_err();
        assert!(matches!(error, ArtifactError::Incomplete { .. }), "{error}");
        assert!(!path.exists());
    }

    #[test]
    fn a_flipped_bit_in_the_part_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shard");
        let (mut bytes, object) = three_chunks();
        bytes[CHUNK_BYTES_MAX as usize + 5] ^= 1;
        fs::write(folder.path().join("shard.part"), &bytes).unwrap();

        let writer = ChunkFileWriter::begin(&object, &path).unwrap();

        assert_eq!(writer.next_chunk(), Some(&object.chunks[1]));
    }

    #[test]
    fn an_empty_object_is_an_empty_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("empty");

        ChunkFileWriter::begin(&cut_bytes("empty", b""), &path).unwrap().finish().unwrap();

        assert_eq!(fs::read(&path).unwrap(), b"");
    }
}
