//! What the coordinator assigned, and how working on it can end other than well.

use selffer_core::{
    ids::{CheckpointId, Claim, JobKey},
    job::{Failure, FailureClass},
    stall::Stall,
};
use selffer_proto::{
    convert::{self, ConvertError, required},
    v1,
};

use crate::{fetch::FetchError, uploads::UploadError};

/// What an assignment says.
#[derive(Debug)]
pub struct Task {
    /// Its token.
    pub claim: Claim,
    /// Counts the job's attempts, for people.
    pub attempt: u32,
    /// For people.
    pub name: String,
    /// The job's key.
    pub key: JobKey,
    /// Canonical JSON of its spec.
    pub spec_json: String,
    /// The final checkpoint of the network that layers are copied from.
    pub source: Option<CheckpointId>,
    /// Checkpoints to go on from, newest first.
    pub resume: Vec<CheckpointId>,
}

impl TryFrom<v1::Assignment> for Task {
    type Error = ConvertError;

    fn try_from(assignment: v1::Assignment) -> Result<Self, ConvertError> {
        let checkpoint =
            |field: &str, id: &str| (!id.is_empty()).then(|| convert::checkpoint_id(field, id)).transpose();
        Ok(Self {
            claim: required("claim", assignment.claim)?,
            attempt: assignment.attempt,
            name: assignment.name,
            key: convert::job_key("key", &assignment.key)?,
            spec_json: assignment.spec_json,
            source: checkpoint("source_checkpoint_id", &assignment.source_checkpoint_id)?,
            resume: assignment
                .resume_checkpoint_ids
                .iter()
                .map(|id| convert::checkpoint_id("resume_checkpoint_ids", id))
                .collect::<Result<_, _>>()?,
        })
    }
}

/// How an attempt ended, other than well.
#[derive(Debug)]
pub enum End {
    /// By a failure.
    Failed(Failure),
    /// The daemon stops or the job is cancelled; whether training had begun.
    Stopped {
        /// Whether anything was trained.
        started: bool,
    },
    /// Nobody knows whose the job is; everything that is there of it stays for later.
    Parked,
    /// The lease is gone.
    Dropped,
}

impl From<FetchError> for End {
    fn from(error: FetchError) -> Self {
        let class = error.class();
        Self::Failed(Failure { class, message: format!("{:#}", anyhow::Error::from(error)) })
    }
}

impl From<UploadError> for End {
    fn from(error: UploadError) -> Self {
        if error.is_stale() {
            return Self::Dropped;
        }
        Self::failed(FailureClass::Infrastructure, format!("{:#}", anyhow::Error::from(error)))
    }
}

impl End {
    /// Ended because it got no further.
    #[must_use]
    pub fn stalled(stall: Stall) -> Self {
        Self::failed(FailureClass::Stalled, stall.to_string())
    }

    /// Ended by a failure.
    #[must_use]
    pub fn failed(class: FailureClass, message: impl Into<String>) -> Self {
        Self::Failed(Failure { class, message: message.into() })
    }
}
