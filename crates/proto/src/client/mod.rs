//! What every client of the coordinator needs: a connection that carries the token.
//!
//! Shared by `jobctl` and `workerd`, so that both find the same coordinator and token. The
//! look-up of token files lives here too, because the token is part of the wire: it
//! travels as `authorization: Bearer TOKEN` with every call.

mod addresses;
mod token;

use std::time::Duration;

use selffer_core::limits::CONTROL_MESSAGE_BYTES_MAX;
use tonic::{
    Request, Status,
    metadata::MetadataValue,
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, Endpoint},
};

pub use addresses::{AddressError, Addresses};
pub use token::{TOKEN_FILE, Token, TokenError, find_token, per_user_token_file, token_file_candidates};

use crate::v1::{
    checkpoint_service_client::CheckpointServiceClient, import_service_client::ImportServiceClient,
    store_service_client::StoreServiceClient, study_service_client::StudyServiceClient,
    worker_service_client::WorkerServiceClient,
};

/// Where a coordinator listens unless told otherwise.
pub const COORDINATOR_DEFAULT: &str = "http://127.0.0.1:7070";
/// The metadata key of the token.
pub const AUTHORIZATION: &str = "authorization";

/// Puts the token into every request.
#[derive(Clone)]
pub struct Bearer {
    header: MetadataValue<tonic::metadata::Ascii>,
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert(AUTHORIZATION, self.header.clone());
        Ok(request)
    }
}

/// A channel whose every request carries the token.
pub type AuthorizedChannel = InterceptedService<Channel, Bearer>;

/// One connection to a coordinator, from which clients of its services are made. Cheap to
/// clone; it reconnects by itself, to another coordinator of the fleet if it was told of several.
#[derive(Clone)]
pub struct Connection {
    channel: AuthorizedChannel,
}

impl Connection {
    /// A connection that is made with the first call, to one of the coordinators at these
    /// [`Addresses`]. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The address is none.
    pub fn lazy(address: &str, token: &Token) -> Result<Self, AddressError> {
        let addresses = Addresses::parse(address)?;
        // What calls name as their host; no coordinator looks at it.
        let endpoint = Endpoint::from_static(COORDINATOR_DEFAULT)
            .http2_keep_alive_interval(Duration::from_secs(15))
            .keep_alive_timeout(Duration::from_secs(15))
            .keep_alive_while_idle(true);
        let bearer = Bearer { header: token.header() };
        let connector = tower::service_fn(move |_| addresses.clone().connect_for_tonic());
        let channel = endpoint.connect_with_connector_lazy(connector);
        Ok(Self { channel: InterceptedService::new(channel, bearer) })
    }

    /// A client of the study service.
    #[must_use]
    pub fn studies(&self) -> StudyServiceClient<AuthorizedChannel> {
        StudyServiceClient::new(self.channel.clone()).max_decoding_message_size(CONTROL_MESSAGE_BYTES_MAX)
    }

    /// A client of the worker service.
    #[must_use]
    pub fn workers(&self) -> WorkerServiceClient<AuthorizedChannel> {
        WorkerServiceClient::new(self.channel.clone()).max_decoding_message_size(CONTROL_MESSAGE_BYTES_MAX)
    }

    /// A client of the checkpoint service.
    #[must_use]
    pub fn checkpoints(&self) -> CheckpointServiceClient<AuthorizedChannel> {
        CheckpointServiceClient::new(self.channel.clone())
            .max_decoding_message_size(CONTROL_MESSAGE_BYTES_MAX)
    }

    /// A client of the import service.
    #[must_use]
    pub fn imports(&self) -> ImportServiceClient<AuthorizedChannel> {
        ImportServiceClient::new(self.channel.clone()).max_decoding_message_size(CONTROL_MESSAGE_BYTES_MAX)
    }

    /// A client of the store service.
    #[must_use]
    pub fn store(&self) -> StoreServiceClient<AuthorizedChannel> {
        StoreServiceClient::new(self.channel.clone()).max_decoding_message_size(CONTROL_MESSAGE_BYTES_MAX)
    }
}
