//! Packs in the store: asking for them, and sending one.

use futures_util::stream;
use selffer_core::{
    artifact::{Chunk, Manifest},
    ids::Digest,
    limits::FRAME_BYTES_MAX,
    pack::PackManifest,
};
use selffer_proto::v1::{self, get_pack_request, put_pack_chunk_request};

use super::{Client, PackView, convert};

/// What a pack is asked for by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PackSelector {
    /// A registered name.
    Name(String),
    /// 64 hex digits.
    Digest(Digest),
}

impl PackSelector {
    /// A digest if it looks like one, else a name.
    pub(crate) fn parse(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Name(text.to_owned()), Self::Digest)
    }
}

impl Client {
    /// All packs in the store.
    pub(crate) async fn packs(&self) -> anyhow::Result<Vec<PackView>> {
        let answer = self.connection.packs().list(self.request(v1::ListPacksRequest {})).await;
        Ok(self.answer(answer)?.packs.into_iter().map(convert::pack).collect::<Result<_, _>>()?)
    }

    /// The manifest of one pack; none if the store has no such pack.
    pub(crate) async fn pack(&self, selector: &PackSelector) -> anyhow::Result<Option<PackManifest>> {
        let selector = match selector {
            PackSelector::Name(name) => get_pack_request::Selector::Name(name.clone()),
            PackSelector::Digest(digest) => get_pack_request::Selector::Digest(digest.0.to_vec()),
        };
        let request = v1::GetPackRequest { selector: Some(selector) };
        match self.connection.packs().get(self.request(request)).await {
            Err(status) if status.code() == tonic::Code::NotFound => Ok(None),
            answer => Ok(Some(serde_json::from_str(&self.answer(answer)?.manifest_json)?)),
        }
    }

    /// Announces a pack; answers its digest and the chunks that the store lacks.
    pub(crate) async fn begin_pack(
        &self,
        manifest_json: String,
        manifest: &Manifest,
    ) -> anyhow::Result<(Digest, Vec<Digest>)> {
        let request = v1::BeginPackRequest { manifest_json, manifest: Some(manifest.into()) };
        let answer = self.connection.packs().begin(self.request(request)).await;
        let answer = self.answer(answer)?;
        let digest = selffer_proto::convert::digest("digest", &answer.digest)?;
        let missing = answer.missing.iter().map(|digest| selffer_proto::convert::digest("missing", digest));
        Ok((digest, missing.collect::<Result<_, _>>()?))
    }

    /// Sends one chunk of an announced pack; repeating it is harmless.
    pub(crate) async fn put_pack_chunk(
        &self,
        pack_digest: Digest,
        chunk: &Chunk,
        bytes: &[u8],
    ) -> anyhow::Result<()> {
        let header =
            put_pack_chunk_request::Header { pack_digest: pack_digest.0.to_vec(), chunk: Some(chunk.into()) };
        let header = put_pack_chunk_request::Frame::Header(header);
        let pieces: Vec<Vec<u8>> = bytes.chunks(FRAME_BYTES_MAX).map(<[u8]>::to_vec).collect();
        let frames = std::iter::once(header)
            .chain(pieces.into_iter().map(put_pack_chunk_request::Frame::Data))
            .map(|frame| v1::PutPackChunkRequest { frame: Some(frame) });
        let answer = self.connection.packs().put_chunk(self.request(stream::iter(frames))).await;
        self.answer(answer).map(|_| ())
    }

    /// Registers a pack whose chunks are all there under a name; repeating it is harmless.
    pub(crate) async fn publish_pack(&self, digest: Digest, name: &str) -> anyhow::Result<()> {
        let request = v1::PublishPackRequest { digest: digest.0.to_vec(), name: name.to_owned() };
        let answer = self.connection.packs().publish(self.request(request)).await;
        self.answer(answer).map(|_| ())
    }
}
