//! The gRPC services: wire messages in, `core` and the store in between, wire messages out.
//!
//! A handler converts, acts, converts back; what it decides is decided by `core`. Whatever
//! changes rows runs through [`Coordinator::act`], so that a client that hangs up leaves
//! nothing half done.

mod acts;
mod checkpoints;
mod chunks;
mod imports;
mod jobs;
mod pace;
mod proofs;
mod speeds;
mod status;
mod store;
mod studies;
mod submissions;
mod summaries;
mod watch;
mod worker_acts;
mod worker_messages;
mod workers;

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use selffer_core::limits::CONTROL_MESSAGE_BYTES_MAX;
use selffer_proto::{
    client::Token,
    v1::{
        checkpoint_service_server::CheckpointServiceServer, import_service_server::ImportServiceServer,
        store_service_server::StoreServiceServer, study_service_server::StudyServiceServer,
        worker_service_server::WorkerServiceServer,
    },
};
use tokio::net::TcpListener;
use tonic::transport::{Server, server::TcpIncoming};

pub(crate) use self::{
    pace::{Pace, job_eta_s},
    status::of_artifact,
    summaries::{pace, study_with_pace},
};
use crate::{auth::AuthLayer, coordinator::Coordinator};

/// A silent connection is asked for a sign of life after this.
const KEEPALIVE: Duration = Duration::from_secs(20);
/// Calls at a time on one connection.
const STREAMS_PER_CONNECTION_MAX: u32 = 256;

/// One of the five services.
#[derive(Clone)]
struct Service {
    coordinator: Arc<Coordinator>,
}

/// Serves until the coordinator stops.
pub(crate) async fn serve(coordinator: Arc<Coordinator>, token: Token, listener: TcpListener) -> Result<()> {
    let stopping = coordinator.stopping.clone();
    let service = Service { coordinator };
    let studies = StudyServiceServer::new(service.clone())
        .max_decoding_message_size(CONTROL_MESSAGE_BYTES_MAX)
        .max_encoding_message_size(CONTROL_MESSAGE_BYTES_MAX);
    let workers = WorkerServiceServer::new(service.clone())
        .max_decoding_message_size(CONTROL_MESSAGE_BYTES_MAX)
        .max_encoding_message_size(CONTROL_MESSAGE_BYTES_MAX);
    let checkpoints = CheckpointServiceServer::new(service.clone())
        .max_decoding_message_size(CONTROL_MESSAGE_BYTES_MAX)
        .max_encoding_message_size(CONTROL_MESSAGE_BYTES_MAX);
    let store = StoreServiceServer::new(service.clone())
        .max_decoding_message_size(CONTROL_MESSAGE_BYTES_MAX)
        .max_encoding_message_size(CONTROL_MESSAGE_BYTES_MAX);
    let imports = ImportServiceServer::new(service)
        .max_decoding_message_size(CONTROL_MESSAGE_BYTES_MAX)
        .max_encoding_message_size(CONTROL_MESSAGE_BYTES_MAX);
    Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .max_concurrent_streams(STREAMS_PER_CONNECTION_MAX)
        .layer(AuthLayer::new(token))
        .add_service(studies)
        .add_service(workers)
        .add_service(checkpoints)
        .add_service(imports)
        .add_service(store)
        .serve_with_incoming_shutdown(
            TcpIncoming::from(listener).with_nodelay(Some(true)),
            stopping.cancelled_owned(),
        )
        .await
        .context("the gRPC server broke")
}
