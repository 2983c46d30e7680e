//! This daemon's standing with the coordinator: opening a session, and what it allows.
//!
//! A coordinator that is away is waited for without end, and one that was set up anew gets to
//! know the session and its jobs again. Keeping a session alive is [`crate::heartbeat`]'s.

use std::{
    env,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use backon::BackoffBuilder;
use selffer_core::{
    ids::SessionId,
    limits::{HEARTBEAT_INTERVAL_S, LOST_AFTER_S, SESSION_TTL_S},
};
use selffer_proto::{
    PROTOCOL_VERSION,
    client::{AddressError, AuthorizedChannel, Connection, TokenError, find_token},
    v1::{
        self, checkpoint_service_client::CheckpointServiceClient, worker_service_client::WorkerServiceClient,
    },
};
use tokio::{
    sync::{Notify, watch},
    time::{sleep, timeout},
};
use tonic::{Code, Status};
use tracing::{info, warn};

use crate::{
    ambient, calls,
    config::Config,
    leases::Leases,
    lost::{OnLost, Service},
};

/// How long closing may take; the coordinator also notices by itself.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// Why a daemon has no business with its coordinator.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// Another daemon took this node's name.
    #[error("another workerd took over the name {node:?}; give each one a name of its own with --name")]
    Superseded {
        /// The name.
        node: String,
    },
    /// The coordinator does not take this worker.
    #[error("the coordinator at {address} refuses this worker: {message}")]
    Refused {
        /// Where it is.
        address: String,
        /// In its words.
        message: String,
    },
    /// The coordinator's address is none.
    #[error(transparent)]
    Address(#[from] AddressError),
}

/// Why one try to open a session came to nothing, though another may not.
#[derive(Debug, thiserror::Error)]
enum NotYet {
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("the coordinator does not take our token: {}", .0.message())]
    TokenRefused(Status),
    #[error("the coordinator does not answer: {}", .0.message())]
    Away(Status),
}

/// A daemon's session and what it holds under it.
#[derive(Debug)]
pub struct Session {
    /// Every job this daemon holds.
    pub leases: Leases,
    node: String,
    address: String,
    token_file: Option<PathBuf>,
    devices: Vec<v1::Device>,
    standing: Mutex<Standing>,
    pub(crate) on_lost: OnLost,
    pub(crate) service: watch::Sender<Service>,
    // Whether nothing new is to be claimed.
    pub(crate) drain: watch::Sender<bool>,
    // Whether what is published now can still be current.
    pub(crate) trusted: watch::Sender<bool>,
    // Something happened that people wait to see.
    pub(crate) news: Notify,
    // One heartbeat at a time, so that an older inventory never arrives after a newer one.
    pub(crate) beating: tokio::sync::Mutex<()>,
}

/// What the coordinator granted, and when.
#[derive(Clone)]
pub(crate) struct Standing {
    connection: Connection,
    /// The session.
    pub(crate) id: SessionId,
    /// When the last heartbeat that was answered was sent.
    pub(crate) renewed_at: Instant,
    /// From one heartbeat to the next, unless the answer to one says otherwise.
    pub(crate) interval: Duration,
    /// Silence after which the session may have expired.
    pub(crate) ttl: Duration,
    /// Silence after which its jobs may be handed to others.
    pub(crate) lost_after: Duration,
}

impl std::fmt::Debug for Standing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Standing").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Session {
    /// Opens the first session; waits for the coordinator as long as it takes.
    ///
    /// # Errors
    /// The coordinator refuses this worker, or its address is none.
    pub async fn open(config: &Config, devices: Vec<v1::Device>) -> Result<Self, SessionError> {
        let (node, address) = (config.node.to_string(), config.coordinator.clone());
        let door = Door { node: &node, address: &address, token_file: &config.token_file, devices: &devices };
        let standing = door.open(ambient::session_id()).await?;
        Ok(Self {
            leases: Leases::default(),
            node,
            address,
            token_file: config.token_file.clone(),
            devices,
            standing: Mutex::new(standing),
            on_lost: config.on_lost,
            service: watch::Sender::new(Service::Full),
            drain: watch::Sender::new(false),
            trusted: watch::Sender::new(true),
            news: Notify::new(),
            beating: tokio::sync::Mutex::default(),
        })
    }

    /// Opens this very session again: the coordinator has another token, or a database that
    /// does not know it.
    ///
    /// # Errors
    /// Another daemon has superseded it, or the coordinator refuses this worker.
    pub(crate) async fn reopen(&self) -> Result<(), SessionError> {
        let Self { node, address, token_file, devices, .. } = self;
        let id = self.standing().id;
        let standing = Door { node, address, token_file, devices }.open(id).await?;
        *self.standing_mut() = standing;
        Ok(())
    }

    /// Ends the session in good order, if the coordinator answers soon.
    pub async fn close(&self) {
        let request = v1::CloseSessionRequest { session_id: self.id() };
        if !matches!(timeout(CLOSE_WITHIN, self.workers().close_session(request)).await, Ok(Ok(_))) {
            info!("the session could not be closed; it will expire");
        }
    }

    /// The session's id as it travels.
    #[must_use]
    pub fn id(&self) -> String {
        self.standing_mut().id.to_string()
    }

    /// The way to the coordinator.
    #[must_use]
    pub fn connection(&self) -> Connection {
        self.standing_mut().connection.clone()
    }

    /// A client of the worker service.
    #[must_use]
    pub fn workers(&self) -> WorkerServiceClient<AuthorizedChannel> {
        self.standing_mut().connection.workers()
    }

    /// A client of the checkpoint service.
    #[must_use]
    pub fn checkpoints(&self) -> CheckpointServiceClient<AuthorizedChannel> {
        self.standing_mut().connection.checkpoints()
    }

    /// Waits until claiming is allowed.
    pub async fn until_claiming(&self) {
        // The sender lives in self, so this and the next cannot end early.
        let _ = self.drain.subscribe().wait_for(|drain| !drain).await;
    }

    /// Waits until what is published can be current: not after a silence of a session's life.
    pub async fn until_trusted(&self) {
        let _ = self.trusted.subscribe().wait_for(|trusted| *trusted).await;
    }

    /// What is still done for the coordinator.
    #[must_use]
    pub fn service(&self) -> Service {
        *self.service.borrow()
    }

    /// Waits until no more than this is done.
    pub async fn until_service(&self, service: Service) {
        let _ = self.service.subscribe().wait_for(|current| *current >= service).await;
    }

    /// Whether what is published now can be current.
    #[must_use]
    pub fn is_trusted(&self) -> bool {
        *self.trusted.borrow()
    }

    /// Whether the coordinator has not answered for a while.
    pub(crate) fn is_silent(&self, now: Instant) -> bool {
        let standing = self.standing_mut();
        now.saturating_duration_since(standing.renewed_at) > standing.ttl / 2
    }

    /// What the coordinator granted.
    pub(crate) fn standing(&self) -> Standing {
        self.standing_mut().clone()
    }

    pub(crate) fn standing_mut(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What opening a session takes.
struct Door<'a> {
    node: &'a str,
    address: &'a str,
    token_file: &'a Option<PathBuf>,
    devices: &'a [v1::Device],
}

impl Door<'_> {
    async fn open(&self, id: SessionId) -> Result<Standing, SessionError> {
        let mut delays = calls::backoff().build();
        let mut told = String::new();
        loop {
            let not_yet = match self.try_open(id).await? {
                Ok(standing) => return Ok(standing),
                Err(not_yet) => not_yet.to_string(),
            };
            // Once for each reason: a coordinator may be away for days.
            if told != not_yet {
                warn!(coordinator = self.address, reason = not_yet, "waiting for the coordinator");
                told = not_yet;
            }
            sleep(delays.next().unwrap_or(calls::CALL_WITHIN)).await;
        }
    }

    // The token is read anew each time: a coordinator that was set up anew has a new one.
    async fn try_open(&self, id: SessionId) -> Result<Result<Standing, NotYet>, SessionError> {
        let token = match find_token(self.token_file.as_deref(), |name| env::var_os(name)) {
            Ok(token) => token,
            Err(error) => return Ok(Err(error.into())),
        };
        let connection = Connection::lazy(self.address, &token)?;
        let request = v1::OpenSessionRequest {
            session_id: id.to_string(),
            node: self.node.to_owned(),
            devices: self.devices.to_vec(),
            protocol_version: PROTOCOL_VERSION,
            program_version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let sent_at = ambient::now();
        let answer = timeout(calls::CALL_WITHIN, connection.workers().open_session(request)).await;
        let status = match answer {
            Ok(Ok(granted)) => return Ok(Ok(standing(connection, id, sent_at, granted.get_ref()))),
            Ok(Err(status)) => status,
            Err(_) => Status::deadline_exceeded("no answer in time"),
        };
        match status.code() {
            Code::Unauthenticated | Code::PermissionDenied => Ok(Err(NotYet::TokenRefused(status))),
            Code::InvalidArgument | Code::FailedPrecondition | Code::Unimplemented => {
                Err(self.refusal(id, &status))
            }
            _ => Ok(Err(NotYet::Away(status))),
        }
    }

    fn refusal(&self, id: SessionId, status: &Status) -> SessionError {
        // Another version of the protocol is refused with the same code; only the words differ.
        let ended = format!("session {id} has ended");
        if status.code() == Code::FailedPrecondition && status.message().starts_with(&ended) {
            // We did not close it.
            return SessionError::Superseded { node: self.node.to_owned() };
        }
        SessionError::Refused { address: self.address.to_owned(), message: status.message().to_owned() }
    }
}

fn standing(
    connection: Connection,
    id: SessionId,
    sent_at: Instant,
    granted: &v1::OpenSessionResponse,
) -> Standing {
    let or_default = |granted_ms: u64, default_s: u64| match granted_ms {
        0 => Duration::from_secs(default_s),
        granted_ms => Duration::from_millis(granted_ms),
    };
    Standing {
        connection,
        id,
        renewed_at: sent_at,
        interval: or_default(granted.heartbeat_interval_ms, HEARTBEAT_INTERVAL_S),
        ttl: or_default(granted.session_ttl_ms, SESSION_TTL_S),
        lost_after: or_default(granted.lost_after_ms, LOST_AFTER_S),
    }
}

#[cfg(test)]
impl Session {
    /// A session without a token, whose last heartbeat got through so long ago; a tenth of
    /// that is its life, and a half loses its jobs.
    pub(crate) fn silent_for(silence: Duration) -> Self {
        let address = "http://127.0.0.1:1".to_owned();
        let token = selffer_proto::client::Token::parse(&"ab".repeat(32)).unwrap();
        let standing = Standing {
            connection: Connection::lazy(&address, &token).unwrap(),
            id: ambient::session_id(),
            renewed_at: ambient::now().checked_sub(silence).unwrap(),
            interval: silence,
            ttl: silence / 10,
            lost_after: silence / 2,
        };
        Self {
            leases: Leases::default(),
            node: "node-1".to_owned(),
            address,
            token_file: Some(PathBuf::from("/dev/null/no-token")),
            devices: Vec::new(),
            standing: Mutex::new(standing),
            on_lost: OnLost::Keep,
            service: watch::Sender::new(Service::Full),
            drain: watch::Sender::new(false),
            trusted: watch::Sender::new(true),
            news: Notify::new(),
            beating: tokio::sync::Mutex::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_session_that_has_ended_was_superseded() {
        let id = ambient::session_id();
        let door = Door { node: "node-1", address: "http://here", token_file: &None, devices: &[] };
        let told = |status| door.refusal(id, &status).to_string();

        let ended = told(Status::failed_precondition(format!("session {id} has ended; open a new one")));

        assert!(ended.contains("took over the name \"node-1\""), "{ended}");
        let version = "the worker speaks version 2 of the protocol, this coordinator version 1";
        for refusal in [Status::failed_precondition(version), Status::invalid_argument(version)] {
            let told = told(refusal);
            assert_eq!(told, format!("the coordinator at http://here refuses this worker: {version}"));
        }
    }
}
