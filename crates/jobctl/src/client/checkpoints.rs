//! Checkpoints in the store: what they consist of, and their bytes.

use selffer_core::artifact::Chunk;
use selffer_proto::v1;

use super::{CheckpointView, Client, convert};

impl Client {
    /// A published checkpoint.
    pub(crate) async fn checkpoint(&self, id: &str) -> anyhow::Result<CheckpointView> {
        let request = v1::GetCheckpointRequest { checkpoint_id: id.to_owned() };
        let answer = self.connection.checkpoints().get(self.request(request)).await;
        Ok(convert::checkpoint(self.answer(answer)?)?)
    }

    /// What the coordinator sends as this chunk of a published checkpoint, and not much more
    /// than it should have; whether it is that is for the caller to find out.
    pub(crate) async fn checkpoint_chunk(&self, id: &str, chunk: &Chunk) -> anyhow::Result<Vec<u8>> {
        let request =
            v1::ReadCheckpointChunkRequest { checkpoint_id: id.to_owned(), digest: chunk.digest.0.to_vec() };
        let answer = self.connection.checkpoints().read_chunk(self.request(request)).await;
        let mut frames = self.answer(answer)?;
        let mut bytes = Vec::with_capacity(chunk.bytes as usize);
        while bytes.len() as u64 <= chunk.bytes {
            match frames.message().await {
                Ok(Some(frame)) => bytes.extend_from_slice(&frame.data),
                Ok(None) => break,
                Err(status) => return Err(self.failure(&status).into()),
            }
        }
        Ok(bytes)
    }
}
