//! Imports: begin, put what is missing, publish under a name; list and read.

use std::pin::Pin;

use futures_util::Stream;
use selffer_core::{
    artifact::{Chunk, Manifest},
    ids::{Digest, Name},
    import::{ImportKind, ImportManifest},
};
use selffer_proto::{
    convert::{ConvertError, digest, import_kind, import_manifest, required},
    v1::{self, import_service_server::ImportService, import_summary},
};
use selffer_storage::ImportRow;
use tonic::{Request, Response, Status, Streaming};
use tracing::info;

use super::{
    Service, chunks,
    status::{bad_manifest, of_artifact, of_store, unconvertible},
};
use crate::{auth::principal, chunk_room::Need};

#[tonic::async_trait]
impl ImportService for Service {
    async fn begin(
        &self,
        request: Request<v1::BeginImportRequest>,
    ) -> Result<Response<v1::BeginImportResponse>, Status> {
        principal(&request)?;
        let message = request.into_inner();
        let kind = kind("kind", message.kind)?;
        let import = import_manifest("manifest_json", kind, &message.manifest_json)
            .map_err(|error| unconvertible(&error))?;
        let objects: Manifest =
            required("manifest", message.manifest).map_err(|error| unconvertible(&error))?;
        objects.check().map_err(|error| bad_manifest(&error))?;
        check_files(&import, &objects).map_err(|error| unconvertible(&error))?;
        self.coordinator.check_room(Need::Lasting).await?;
        let (store, chunks) = (self.coordinator.store.clone(), self.coordinator.chunks.clone());
        let begin = async move {
            let digest = store.begin_import(&import, &objects).await.map_err(|error| of_store(&error))?;
            // One that is published already keeps its own chunks, and needs none.
            let row = store.import_by_digest(kind, digest).await.map_err(|error| of_store(&error))?;
            let missing = chunks.missing(&row.objects).await.map_err(|error| of_artifact(&error))?;
            Ok(v1::BeginImportResponse { digest: digest.0.to_vec(), missing: chunks::digests(&missing) })
        };
        self.coordinator.act(begin).await.map(Response::new)
    }

    async fn put_chunk(
        &self,
        request: Request<Streaming<v1::PutImportChunkRequest>>,
    ) -> Result<Response<v1::PutImportChunkResponse>, Status> {
        principal(&request)?;
        let mut frames = request.into_inner();
        let header = header(frames.message().await?)?;
        let (kind, import) = (kind("header.kind", header.kind)?, header.import_digest);
        let import = import_digest("header.import_digest", &import)?;
        let declared: Chunk =
            required("header.chunk", header.chunk).map_err(|error| unconvertible(&error))?;
        let row = self.coordinator.store.import_by_digest(kind, import).await;
        let row = row.map_err(|error| of_store(&error))?;
        let chunk = chunks::declared(&row.objects, &declared)?.clone();
        let _room = self.coordinator.uploads.acquire().await;
        let bytes = chunks::receive(&mut frames, &chunk, data).await?;
        let store = self.coordinator.chunks.clone();
        let put = async move { store.put(&chunk, bytes).await.map_err(|error| of_artifact(&error)) };
        self.coordinator.act(put).await?;
        Ok(Response::new(v1::PutImportChunkResponse {}))
    }

    async fn publish(
        &self,
        request: Request<v1::PublishImportRequest>,
    ) -> Result<Response<v1::PublishImportResponse>, Status> {
        let principal = principal(&request)?;
        let message = request.into_inner();
        let kind = kind("kind", message.kind)?;
        let digest = import_digest("digest", &message.digest)?;
        let name: Name =
            message.name.parse().map_err(|error| Status::invalid_argument(format!("name: {error}")))?;
        let (store, chunks) = (self.coordinator.store.clone(), self.coordinator.chunks.clone());
        let publish = async move {
            let row = store.import_by_digest(kind, digest).await.map_err(|error| of_store(&error))?;
            let missing = chunks.missing(&row.objects).await.map_err(|error| of_artifact(&error))?;
            if !missing.is_empty() {
                let message = format!("{} chunks are missing; begin again to learn which", missing.len());
                return Err(Status::failed_precondition(message));
            }
            store.publish_import(&row, &name).await.map_err(|error| of_store(&error))?;
            info!(%principal, %kind, %name, %digest, "import published");
            Ok(v1::PublishImportResponse {})
        };
        self.coordinator.act(publish).await.map(Response::new)
    }

    async fn get(
        &self,
        request: Request<v1::GetImportRequest>,
    ) -> Result<Response<v1::GetImportResponse>, Status> {
        use v1::get_import_request::Selector;
        principal(&request)?;
        let message = request.into_inner();
        let kind = kind("kind", message.kind)?;
        let store = &self.coordinator.store;
        let row = match message.selector {
            Some(Selector::Name(name)) => store.import_by_name(kind, &name).await,
            Some(Selector::Digest(digest)) => {
                store.import_by_digest(kind, import_digest("digest", &digest)?).await
            }
            None => return Err(Status::invalid_argument("selector: is missing")),
        };
        let row = published(row.map_err(|error| of_store(&error))?)?;
        Ok(Response::new(v1::GetImportResponse {
            digest: row.digest.0.to_vec(),
            manifest_json: row.manifest.to_text(),
            manifest: Some((&row.objects).into()),
            names: row.names,
        }))
    }

    async fn list(
        &self,
        request: Request<v1::ListImportsRequest>,
    ) -> Result<Response<v1::ListImportsResponse>, Status> {
        principal(&request)?;
        let kind = kind("kind", request.into_inner().kind)?;
        let rows = self.coordinator.store.imports(kind).await.map_err(|error| of_store(&error))?;
        Ok(Response::new(v1::ListImportsResponse { imports: rows.iter().flat_map(summaries).collect() }))
    }

    type ReadChunkStream = Pin<Box<dyn Stream<Item = Result<v1::ChunkFrame, Status>> + Send>>;

    async fn read_chunk(
        &self,
        request: Request<v1::ReadImportChunkRequest>,
    ) -> Result<Response<Self::ReadChunkStream>, Status> {
        principal(&request)?;
        let message = request.into_inner();
        let kind = kind("kind", message.kind)?;
        let import = import_digest("import_digest", &message.import_digest)?;
        let digest = import_digest("digest", &message.digest)?;
        let row = self.coordinator.store.import_by_digest(kind, import).await;
        let row = published(row.map_err(|error| of_store(&error))?)?;
        let chunk = chunks::of_manifest(&row.objects, digest)?;
        let bytes = self.coordinator.chunks.read(chunk).await.map_err(|error| of_artifact(&error))?;
        Ok(Response::new(Box::pin(chunks::send(bytes))))
    }
}

/// The objects must be the manifest's files, in order: their names, lengths, nothing else.
fn check_files(import: &ImportManifest, objects: &Manifest) -> Result<(), ConvertError> {
    let given = objects.objects.iter().map(|object| (object.name.clone(), object.bytes));
    if import.files().into_iter().eq(given) {
        return Ok(());
    }
    Err(ConvertError::new("manifest", "its objects are not the files of manifest_json, in order"))
}

fn published(row: ImportRow) -> Result<ImportRow, Status> {
    if row.published {
        return Ok(row);
    }
    Err(Status::not_found(format!("{} {} is not published", row.manifest.kind(), row.digest)))
}

/// One line for each name.
fn summaries(row: &ImportRow) -> Vec<v1::ImportSummary> {
    let of = match &row.manifest {
        ImportManifest::Pack(pack) => import_summary::Of::Pack(v1::PackSummary {
            classes: pack.classes.len() as u32,
            train_images: pack.train.images(),
            validation_images: pack.validation.images(),
        }),
        ImportManifest::Weights(weights) => import_summary::Of::Weights(v1::WeightsSummary {
            channels: weights.channels,
            layers: weights.layers.iter().map(|layer| layer.name.clone()).collect(),
        }),
    };
    let summary = |name: &String| v1::ImportSummary {
        name: name.clone(),
        digest: row.digest.0.to_vec(),
        bytes: row.objects.bytes(),
        of: Some(of.clone()),
    };
    row.names.iter().map(summary).collect()
}

fn kind(field: &str, number: i32) -> Result<ImportKind, Status> {
    import_kind(field, number).map_err(|error| unconvertible(&error))
}

fn import_digest(field: &str, bytes: &[u8]) -> Result<Digest, Status> {
    digest(field, bytes).map_err(|error| unconvertible(&error))
}

fn header(frame: Option<v1::PutImportChunkRequest>) -> Result<v1::put_import_chunk_request::Header, Status> {
    match frame.and_then(|frame| frame.frame) {
        Some(v1::put_import_chunk_request::Frame::Header(header)) => Ok(header),
        _ => Err(Status::invalid_argument("frame: the first one must be a header")),
    }
}

fn data(frame: v1::PutImportChunkRequest) -> Option<Vec<u8>> {
    match frame.frame {
        Some(v1::put_import_chunk_request::Frame::Data(data)) => Some(data),
        _ => None,
    }
}
