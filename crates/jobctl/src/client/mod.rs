//! The coordinator, as this program talks to it: one method for each question, answers as
//! views, every failure with its exit code.

mod acts;
mod checkpoints;
mod convert;
mod imports;
mod status;
mod store;
mod studies;
mod views;

use std::{env, time::Duration};

use selffer_proto::client::{Addresses, Connection, TokenError, find_token};
use tonic::{Request, Response, Status};

pub(crate) use acts::{Haste, Retry};
pub(crate) use imports::ImportSelector;
pub(crate) use store::{Amount, Deletion, GarbageView, KeptView};
pub(crate) use studies::{NewStudy, Results, WatchStream};
pub(crate) use views::{
    ActView, AttemptView, CheckpointView, EventView, JobDetail, JobView, LogView, PackView, StudyView,
    Submitted, WatchView, WeightsView, WorkerView, WorkersActView, iso, phase_word,
};

use crate::{
    args::CommonArgs,
    exit::{Exit, Failure},
};

/// How long one question may take; an answer is at most a few MiB.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// A connection to a coordinator.
#[derive(Clone)]
pub(crate) struct Client {
    address: String,
    connection: Connection,
}

impl Client {
    /// Connects to a coordinator that answers.
    ///
    /// # Errors
    /// Nobody answers, or there is no token for it.
    pub(crate) async fn connect(common: &CommonArgs) -> anyhow::Result<Self> {
        let address = common.coordinator.clone();
        // Whether anyone answers comes first: without a coordinator there is no token either.
        let addresses = Addresses::parse(&address).map_err(|error| not_an_address(&error.address))?;
        addresses.connect().await.map_err(|_| status::unreachable(&address))?;
        let token = find_token(common.token_file.as_deref(), |name| env::var_os(name))
            .map_err(|error| token_failure(&error))?;
        let connection = Connection::lazy(&address, &token).map_err(|_| not_an_address(&address))?;
        Ok(Self { address, connection })
    }

    /// Connects if there is a coordinator that we may talk to; for commands that do without.
    pub(crate) async fn connect_if_there(common: &CommonArgs) -> Option<Self> {
        Self::connect(common).await.ok()
    }

    /// Where the coordinator is.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(ANSWER_TIMEOUT);
        request
    }

    fn answer<T>(&self, answer: Result<Response<T>, Status>) -> anyhow::Result<T> {
        answer.map(Response::into_inner).map_err(|status| self.failure(&status).into())
    }

    /// The answer, or the failure with this hint if what was asked for is not there.
    fn answer_or<T>(&self, answer: Result<Response<T>, Status>, hint: &str) -> anyhow::Result<T> {
        answer.map(Response::into_inner).map_err(|status| {
            let failure = self.failure(&status);
            if failure.exit == Exit::NotFound { failure.hint(hint).into() } else { failure.into() }
        })
    }

    fn failure(&self, status: &Status) -> Failure {
        status::failure(status, &self.address)
    }
}

fn not_an_address(address: &str) -> Failure {
    Failure::new(Exit::Usage, format!("{address:?} is not an address"))
        .hint("an address looks like http://127.0.0.1:7070")
}

fn token_failure(error: &TokenError) -> Failure {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    Failure::new(Exit::NotPermitted, format!("{error}{cause}")).hint(
        "give the coordinator's token with --token-file or SELFFER_TOKEN_FILE; it is in `token` in its data folder",
    )
}
