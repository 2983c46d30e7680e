//! Chunk streams: a header and data frames in, data frames out.
//!
//! At most one chunk, 8 MiB, of a stream is held in memory; how many streams at a time is
//! bounded by the coordinator.

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use selffer_core::{
    artifact::{Chunk, Manifest},
    ids::Digest,
    limits::FRAME_BYTES_MAX,
};
use selffer_proto::v1;
use tonic::{Status, Streaming};

/// Receives the data frames that follow a header, as the bytes of `chunk`. Whether they
/// are its bytes is for the chunk store to find out.
pub(super) async fn receive<T>(
    frames: &mut Streaming<T>,
    chunk: &Chunk,
    data_of: fn(T) -> Option<Vec<u8>>,
) -> Result<Bytes, Status> {
    let mut bytes = BytesMut::with_capacity(chunk.bytes as usize);
    while let Some(frame) = frames.message().await? {
        let Some(data) = data_of(frame) else {
            return Err(Status::invalid_argument("frame: only data follows the header"));
        };
        if data.len() > FRAME_BYTES_MAX {
            let message = format!("frame.data: has {} bytes, the most is {FRAME_BYTES_MAX}", data.len());
            return Err(Status::invalid_argument(message));
        }
        if (bytes.len() + data.len()) as u64 > chunk.bytes {
            let message = format!("frame.data: more than the {} bytes of the chunk", chunk.bytes);
            return Err(Status::invalid_argument(message));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.freeze())
}

/// A chunk's bytes as a stream of frames.
pub(super) fn send(bytes: Bytes) -> impl Stream<Item = Result<v1::ChunkFrame, Status>> + Send + 'static {
    let starts = (0..bytes.len()).step_by(FRAME_BYTES_MAX);
    futures_util::stream::iter(starts).map(move |start| {
        let end = bytes.len().min(start + FRAME_BYTES_MAX);
        Ok(v1::ChunkFrame { data: bytes.slice(start..end).to_vec() })
    })
}

/// The chunk of this manifest that is declared.
///
/// # Errors
/// `INVALID_ARGUMENT`: the manifest has none of this digest, or it has another length.
pub(super) fn declared<'a>(manifest: &'a Manifest, declared: &Chunk) -> Result<&'a Chunk, Status> {
    let chunk = of_manifest(manifest, declared.digest)?;
    if chunk.bytes == declared.bytes {
        return Ok(chunk);
    }
    let (digest, bytes, given) = (chunk.digest, chunk.bytes, declared.bytes);
    Err(Status::invalid_argument(format!("chunk {digest} has {bytes} bytes in the manifest, not {given}")))
}

/// The chunk of this manifest that has this digest.
///
/// # Errors
/// `INVALID_ARGUMENT`: the manifest has none.
pub(super) fn of_manifest(manifest: &Manifest, digest: Digest) -> Result<&Chunk, Status> {
    let found = manifest.chunks().find(|chunk| chunk.digest == digest);
    found.ok_or_else(|| Status::invalid_argument(format!("digest: the manifest has no chunk {digest}")))
}

/// Digests as they travel.
pub(super) fn digests(digests: &[Digest]) -> Vec<Vec<u8>> {
    digests.iter().map(|digest| digest.0.to_vec()).collect()
}
