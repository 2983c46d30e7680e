//! The chunk store as a whole: trained networks that people delete, and what is freed.

use selffer_core::limits::REASON_BYTES_MAX;
use selffer_proto::v1::{self, delete_networks_request::What, store_service_server::StoreService};
use selffer_storage::{Act, Deleted, Deleting, Mode, Usage};
use tonic::{Request, Response, Status};
use tracing::info;

use super::{
    Service,
    status::{of_artifact, of_store},
};
use crate::{
    auth::{Principal, principal},
    chunk_room,
    collector::{self, By, Collected, Listing, Trouble, Unknown},
};

#[tonic::async_trait]
impl StoreService for Service {
    async fn delete_networks(
        &self,
        request: Request<v1::DeleteNetworksRequest>,
    ) -> Result<Response<v1::DeleteNetworksResponse>, Status> {
        let principal = principal(&request)?;
        let (service, message) = (self.clone(), request.into_inner());
        let delete = async move { service.deleted(principal, message).await };
        self.coordinator.act(delete).await.map(Response::new)
    }

    async fn collect_garbage(
        &self,
        request: Request<v1::CollectGarbageRequest>,
    ) -> Result<Response<v1::CollectGarbageResponse>, Status> {
        let principal = principal(&request)?;
        let (service, dry_run) = (self.clone(), request.into_inner().dry_run);
        let collect = async move { service.collected(principal, dry_run).await };
        self.coordinator.act(collect).await.map(Response::new)
    }
}

impl Service {
    async fn deleted(
        &self,
        principal: Principal,
        message: v1::DeleteNetworksRequest,
    ) -> Result<v1::DeleteNetworksResponse, Status> {
        let store = &self.coordinator.store;
        let what = match message.what {
            Some(What::Study(study)) => Deleting::Study(study),
            Some(What::Job(job)) => {
                Deleting::Job(store.find_job(&job).await.map_err(|error| of_store(&error))?)
            }
            None => return Err(Status::invalid_argument("what: is missing")),
        };
        let mut reason = message.reason;
        reason.truncate(reason.floor_char_boundary(REASON_BYTES_MAX));
        let actor = principal.to_string();
        let mode = if message.dry_run { Mode::DryRun } else { Mode::Delete };
        let deleted = store.delete_networks(&what, &Act { actor: &actor, reason: &reason }, mode).await;
        let deleted = deleted.map_err(|error| of_store(&error))?;
        if mode == Mode::Delete && deleted.checkpoints > 0 {
            let Deleted { name, networks, checkpoints, bytes, .. } = &deleted;
            info!(%principal, of = name, networks, checkpoints, bytes, "trained networks deleted");
            self.coordinator.changed();
        }
        Ok(on_the_wire(deleted))
    }

    async fn collected(
        &self,
        principal: Principal,
        dry_run: bool,
    ) -> Result<v1::CollectGarbageResponse, Status> {
        let coordinator = &self.coordinator;
        let listing = if dry_run { Listing::Look } else { Listing::Note };
        let unknown = collector::find_unknown(coordinator, listing).await.map_err(of_trouble)?;
        let freed = match listing {
            Listing::Look => None,
            Listing::Note => Some(collector::collect(coordinator, By::Person).await.map_err(of_trouble)?),
        };
        let grace = coordinator.timing.keep_dropped;
        let usage = coordinator.store.chunk_usage(grace).await.map_err(|error| of_store(&error))?;
        if let Some(Collected { chunks, bytes, .. }) = freed {
            info!(%principal, chunks, bytes, unknown = unknown.unknown.chunks, "garbage collected");
        }
        let room = chunk_room::room(&coordinator.chunks).await.map_err(|error| of_artifact(&error))?;
        let args = &coordinator.chunk_args;
        let Usage { kept, due_chunks, due_bytes, waiting_chunks, waiting_bytes } = usage;
        let due = v1::Chunks { chunks: due_chunks, bytes: due_bytes };
        let Unknown { stored, unknown } = unknown;
        Ok(v1::CollectGarbageResponse {
            place: coordinator.chunks.place().to_string(),
            freed: Some(freed.map_or(due, |freed| v1::Chunks { chunks: freed.chunks, bytes: freed.bytes })),
            waiting: Some(v1::Chunks { chunks: waiting_chunks, bytes: waiting_bytes }),
            unknown: Some(v1::Chunks { chunks: unknown.chunks, bytes: unknown.bytes }),
            stored: Some(v1::Chunks { chunks: stored.chunks, bytes: stored.bytes }),
            kept: kept
                .into_iter()
                .map(|kept| v1::collect_garbage_response::Kept {
                    what: kept.what,
                    count: kept.count,
                    bytes: kept.bytes,
                })
                .collect(),
            keep_dropped_s: grace.as_secs_f64(),
            free_bytes: room.map(|room| room.free_bytes),
            keep_free_bytes: room.map_or(0, |room| args.keep_free.bytes(room.total_bytes)),
            intermediates_bytes_max: args.intermediates_max,
        })
    }
}

fn of_trouble(trouble: Trouble) -> Status {
    match trouble {
        Trouble::Database(error) => of_store(&error),
        Trouble::Chunks(error) => of_artifact(&error),
    }
}

fn on_the_wire(deleted: Deleted) -> v1::DeleteNetworksResponse {
    let others = deleted.others.into_iter();
    v1::DeleteNetworksResponse {
        name: deleted.name,
        networks: deleted.networks,
        checkpoints: deleted.checkpoints,
        bytes: deleted.bytes,
        unended: deleted.unended,
        needed: deleted.needed,
        others: others.map(|other| v1::OtherStudy { study: other.study, jobs: other.jobs }).collect(),
        copies: deleted.copies,
    }
}
