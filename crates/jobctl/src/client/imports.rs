//! Imports in the store, which are packs and weights: asking for them, and sending one.

use futures_util::stream;
use selffer_core::{
    artifact::{Chunk, Manifest},
    ids::Digest,
    import::{ImportKind, ImportManifest},
    limits::FRAME_BYTES_MAX,
    pack::PackManifest,
    weights::WeightsManifest,
};
use selffer_proto::{
    convert::{import_kind_number, import_manifest},
    v1::{self, get_import_request, put_import_chunk_request},
};

use super::{Client, PackView, WeightsView, convert};

/// What an import is asked for by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ImportSelector {
    /// A registered name.
    Name(String),
    /// 64 hex digits.
    Digest(Digest),
}

impl ImportSelector {
    /// A digest if it looks like one, else a name.
    pub(crate) fn parse(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Name(text.to_owned()), Self::Digest)
    }
}

impl Client {
    /// All packs in the store.
    pub(crate) async fn packs(&self) -> anyhow::Result<Vec<PackView>> {
        let imports = self.imports(ImportKind::Pack).await?;
        Ok(imports.into_iter().map(convert::pack).collect::<Result<_, _>>()?)
    }

    /// All weights in the store.
    pub(crate) async fn all_weights(&self) -> anyhow::Result<Vec<WeightsView>> {
        let imports = self.imports(ImportKind::Weights).await?;
        Ok(imports.into_iter().map(convert::weights).collect::<Result<_, _>>()?)
    }

    /// The manifest of one pack; none if the store has no such pack.
    pub(crate) async fn pack(&self, selector: &ImportSelector) -> anyhow::Result<Option<PackManifest>> {
        Ok(match self.import(ImportKind::Pack, selector).await? {
            Some(ImportManifest::Pack(pack)) => Some(pack),
            _ => None,
        })
    }

    /// The manifest of some weights; none if the store has no such weights.
    pub(crate) async fn weights(&self, selector: &ImportSelector) -> anyhow::Result<Option<WeightsManifest>> {
        Ok(match self.import(ImportKind::Weights, selector).await? {
            Some(ImportManifest::Weights(weights)) => Some(weights),
            _ => None,
        })
    }

    async fn imports(&self, kind: ImportKind) -> anyhow::Result<Vec<v1::ImportSummary>> {
        let request = v1::ListImportsRequest { kind: import_kind_number(kind) };
        let answer = self.connection.imports().list(self.request(request)).await;
        Ok(self.answer(answer)?.imports)
    }

    async fn import(
        &self,
        kind: ImportKind,
        selector: &ImportSelector,
    ) -> anyhow::Result<Option<ImportManifest>> {
        let Some(found) = self.find(kind, selector).await? else { return Ok(None) };
        Ok(Some(import_manifest("manifest_json", kind, &found.manifest_json)?))
    }

    async fn find(
        &self,
        kind: ImportKind,
        selector: &ImportSelector,
    ) -> anyhow::Result<Option<v1::GetImportResponse>> {
        let selector = match selector {
            ImportSelector::Name(name) => get_import_request::Selector::Name(name.clone()),
            ImportSelector::Digest(digest) => get_import_request::Selector::Digest(digest.0.to_vec()),
        };
        let request = v1::GetImportRequest { kind: import_kind_number(kind), selector: Some(selector) };
        match self.connection.imports().get(self.request(request)).await {
            Err(status) if status.code() == tonic::Code::NotFound => Ok(None),
            answer => self.answer(answer).map(Some),
        }
    }

    /// Announces an import; answers its digest and the chunks that the store lacks.
    pub(crate) async fn begin_import(
        &self,
        import: &ImportManifest,
        manifest: &Manifest,
    ) -> anyhow::Result<(Digest, Vec<Digest>)> {
        let request = v1::BeginImportRequest {
            kind: import_kind_number(import.kind()),
            manifest_json: import.to_text(),
            manifest: Some(manifest.into()),
        };
        let answer = self.connection.imports().begin(self.request(request)).await;
        let answer = self.answer(answer)?;
        let digest = selffer_proto::convert::digest("digest", &answer.digest)?;
        let missing = answer.missing.iter().map(|digest| selffer_proto::convert::digest("missing", digest));
        Ok((digest, missing.collect::<Result<_, _>>()?))
    }

    /// Sends one chunk of an announced import; repeating it is harmless.
    pub(crate) async fn put_import_chunk(
        &self,
        (kind, import): (ImportKind, Digest),
        chunk: &Chunk,
        bytes: &[u8],
    ) -> anyhow::Result<()> {
        let header = put_import_chunk_request::Header {
            kind: import_kind_number(kind),
            import_digest: import.0.to_vec(),
            chunk: Some(chunk.into()),
        };
        let header = put_import_chunk_request::Frame::Header(header);
        let pieces: Vec<Vec<u8>> = bytes.chunks(FRAME_BYTES_MAX).map(<[u8]>::to_vec).collect();
        let frames = std::iter::once(header)
            .chain(pieces.into_iter().map(put_import_chunk_request::Frame::Data))
            .map(|frame| v1::PutImportChunkRequest { frame: Some(frame) });
        let answer = self.connection.imports().put_chunk(self.request(stream::iter(frames))).await;
        self.answer(answer).map(|_| ())
    }

    /// Registers an import whose chunks are all there under a name; repeating it is harmless.
    pub(crate) async fn publish_import(
        &self,
        (kind, digest): (ImportKind, Digest),
        name: &str,
    ) -> anyhow::Result<()> {
        let request = v1::PublishImportRequest {
            kind: import_kind_number(kind),
            digest: digest.0.to_vec(),
            name: name.to_owned(),
        };
        let answer = self.connection.imports().publish(self.request(request)).await;
        self.answer(answer).map(|_| ())
    }
}
