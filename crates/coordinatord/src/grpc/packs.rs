//! Packs: begin, put what is missing, publish under a name; list and read.

use std::pin::Pin;

use futures_util::Stream;
use selffer_core::{
    artifact::{Chunk, Manifest},
    ids::{Digest, Name},
    pack::PackManifest,
};
use selffer_proto::{
    convert::{digest, required},
    v1::{self, pack_service_server::PackService},
};
use selffer_storage::PackRow;
use tonic::{Request, Response, Status, Streaming};
use tracing::info;

use super::{
    Service, chunks,
    status::{bad_manifest, of_artifact, of_store, unconvertible},
};
use crate::auth::principal;

#[tonic::async_trait]
impl PackService for Service {
    async fn begin(
        &self,
        request: Request<v1::BeginPackRequest>,
    ) -> Result<Response<v1::BeginPackResponse>, Status> {
        principal(&request)?;
        let message = request.into_inner();
        let pack: PackManifest = serde_json::from_str(&message.manifest_json)
            .map_err(|error| Status::invalid_argument(format!("manifest_json: {error}")))?;
        pack.check().map_err(|error| Status::invalid_argument(format!("manifest_json: {error}")))?;
        let objects: Manifest =
            required("manifest", message.manifest).map_err(|error| unconvertible(&error))?;
        objects.check().map_err(|error| bad_manifest(&error))?;
        check_shards(&pack, &objects)?;
        let (store, chunks) = (self.coordinator.store.clone(), self.coordinator.chunks.clone());
        let begin = async move {
            let digest = store.begin_pack(&pack, &objects).await.map_err(|error| of_store(&error))?;
            // A pack that is published already keeps its own chunks, and needs none.
            let row = store.pack_by_digest(digest).await.map_err(|error| of_store(&error))?;
            let missing = chunks.missing(&row.objects).await.map_err(|error| of_artifact(&error))?;
            Ok(v1::BeginPackResponse { digest: digest.0.to_vec(), missing: chunks::digests(&missing) })
        };
        self.coordinator.act(begin).await.map(Response::new)
    }

    async fn put_chunk(
        &self,
        request: Request<Streaming<v1::PutPackChunkRequest>>,
    ) -> Result<Response<v1::PutPackChunkResponse>, Status> {
        principal(&request)?;
        let mut frames = request.into_inner();
        let header = header(frames.message().await?)?;
        let pack = pack_digest("header.pack_digest", &header.pack_digest)?;
        let declared: Chunk =
            required("header.chunk", header.chunk).map_err(|error| unconvertible(&error))?;
        let row = self.coordinator.store.pack_by_digest(pack).await.map_err(|error| of_store(&error))?;
        let chunk = chunks::of_manifest(&row.objects, declared.digest)?.clone();
        let _room = self.coordinator.uploads.acquire().await;
        let bytes = chunks::receive(&mut frames, &chunk, data).await?;
        let store = self.coordinator.chunks.clone();
        let put = async move { store.put(&chunk, bytes).await.map_err(|error| of_artifact(&error)) };
        self.coordinator.act(put).await?;
        Ok(Response::new(v1::PutPackChunkResponse {}))
    }

    async fn publish(
        &self,
        request: Request<v1::PublishPackRequest>,
    ) -> Result<Response<v1::PublishPackResponse>, Status> {
        let principal = principal(&request)?;
        let message = request.into_inner();
        let digest = pack_digest("digest", &message.digest)?;
        let name: Name =
            message.name.parse().map_err(|error| Status::invalid_argument(format!("name: {error}")))?;
        let (store, chunks) = (self.coordinator.store.clone(), self.coordinator.chunks.clone());
        let publish = async move {
            let row = store.pack_by_digest(digest).await.map_err(|error| of_store(&error))?;
            let missing = chunks.missing(&row.objects).await.map_err(|error| of_artifact(&error))?;
            if !missing.is_empty() {
                let message = format!("{} chunks are missing; begin again to learn which", missing.len());
                return Err(Status::failed_precondition(message));
            }
            store.publish_pack(&row, &name).await.map_err(|error| of_store(&error))?;
            info!(%principal, pack = %name, %digest, "pack published");
            Ok(v1::PublishPackResponse {})
        };
        self.coordinator.act(publish).await.map(Response::new)
    }

    async fn get(
        &self,
        request: Request<v1::GetPackRequest>,
    ) -> Result<Response<v1::GetPackResponse>, Status> {
        use v1::get_pack_request::Selector;
        principal(&request)?;
        let store = &self.coordinator.store;
        let row = match request.into_inner().selector {
            Some(Selector::Name(name)) => store.pack_by_name(&name).await,
            Some(Selector::Digest(digest)) => store.pack_by_digest(pack_digest("digest", &digest)?).await,
            None => return Err(Status::invalid_argument("selector: is missing")),
        };
        let row = published(row.map_err(|error| of_store(&error))?)?;
        Ok(Response::new(v1::GetPackResponse {
            digest: row.digest.0.to_vec(),
            manifest_json: selffer_core::identity::canonical_json(&row.manifest),
            manifest: Some((&row.objects).into()),
            names: row.names,
        }))
    }

    async fn list(
        &self,
        request: Request<v1::ListPacksRequest>,
    ) -> Result<Response<v1::ListPacksResponse>, Status> {
        principal(&request)?;
        let rows = self.coordinator.store.packs().await.map_err(|error| of_store(&error))?;
        Ok(Response::new(v1::ListPacksResponse { packs: rows.iter().flat_map(summaries).collect() }))
    }

    type ReadChunkStream = Pin<Box<dyn Stream<Item = Result<v1::ChunkFrame, Status>> + Send>>;

    async fn read_chunk(
        &self,
        request: Request<v1::ReadPackChunkRequest>,
    ) -> Result<Response<Self::ReadChunkStream>, Status> {
        principal(&request)?;
        let message = request.into_inner();
        let pack = pack_digest("pack_digest", &message.pack_digest)?;
        let digest = digest("digest", &message.digest).map_err(|error| unconvertible(&error))?;
        let row = self.coordinator.store.pack_by_digest(pack).await.map_err(|error| of_store(&error))?;
        let row = published(row)?;
        let chunk = chunks::of_manifest(&row.objects, digest)?;
        let bytes = self.coordinator.chunks.read(chunk).await.map_err(|error| of_artifact(&error))?;
        Ok(Response::new(Box::pin(chunks::send(bytes))))
    }
}

/// The objects must be the shards, in order: their names, lengths, nothing else.
fn check_shards(pack: &PackManifest, objects: &Manifest) -> Result<(), Status> {
    let shards = pack.train.shards.iter().chain(&pack.validation.shards);
    let declared: Vec<_> = shards.map(|shard| (shard.file.as_str(), shard.bytes)).collect();
    let given: Vec<_> = objects.objects.iter().map(|object| (object.name.as_str(), object.bytes)).collect();
    if declared == given {
        return Ok(());
    }
    Err(Status::invalid_argument("manifest: its objects are not the shards of manifest_json, in order"))
}

fn published(row: PackRow) -> Result<PackRow, Status> {
    if row.published {
        return Ok(row);
    }
    Err(Status::not_found(format!("pack {} is not published", row.digest)))
}

/// One line for each name.
fn summaries(row: &PackRow) -> Vec<v1::PackSummary> {
    let summary = |name: &String| v1::PackSummary {
        name: name.clone(),
        digest: row.digest.0.to_vec(),
        classes: row.manifest.classes.len() as u32,
        train_images: row.manifest.train.images(),
        validation_images: row.manifest.validation.images(),
        bytes: row.objects.bytes(),
    };
    row.names.iter().map(summary).collect()
}

fn pack_digest(field: &str, bytes: &[u8]) -> Result<Digest, Status> {
    digest(field, bytes).map_err(|error| unconvertible(&error))
}

fn header(frame: Option<v1::PutPackChunkRequest>) -> Result<v1::put_pack_chunk_request::Header, Status> {
    match frame.and_then(|frame| frame.frame) {
        Some(v1::put_pack_chunk_request::Frame::Header(header)) => Ok(header),
        _ => Err(Status::invalid_argument("frame: the first one must be a header")),
    }
}

fn data(frame: v1::PutPackChunkRequest) -> Option<Vec<u8>> {
    match frame.frame {
        Some(v1::put_pack_chunk_request::Frame::Data(data)) => Some(data),
        _ => None,
    }
}
