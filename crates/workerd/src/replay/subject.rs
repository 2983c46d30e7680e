//! What is recorded of the job that is to be trained again, as far as training it needs.

use std::error::Error;

use anyhow::{Context, anyhow, bail, ensure};
use selffer_core::{
    identity::job_key,
    ids::{CheckpointId, Digest, JobKey},
    spec::JobSpec,
};
use selffer_proto::{
    client::Connection,
    convert::{self, ConvertError},
    v1,
};
use tokio::time::timeout;
use tonic::Status;

use crate::calls::CALL_WITHIN;

/// A recorded job.
#[derive(Debug)]
pub(super) struct Subject {
    /// For people.
    pub(super) name: String,
    /// Its key, which is its spec's.
    pub(super) key: JobKey,
    /// What it is.
    pub(super) spec: JobSpec,
    /// The final checkpoint of the network that layers are copied from.
    pub(super) source: Option<CheckpointId>,
    /// Its own final checkpoint, and the digest of the weights that its result has.
    pub(super) recorded: Option<(CheckpointId, Digest)>,
}

impl Subject {
    /// Asks the coordinator at this address, once.
    ///
    /// # Errors
    /// It does not answer, has no such job, or not the source of it any more.
    pub(super) async fn ask(connection: &Connection, address: &str, selector: &str) -> anyhow::Result<Self> {
        let request = v1::GetJobRequest { selector: selector.to_owned() };
        let answer = timeout(CALL_WITHIN, connection.studies().get_job(request)).await;
        let answer = answer.map_err(|_| anyhow!("the coordinator at {address} did not answer in time"))?;
        Self::read(answer.map_err(|status| refusal(&status, address))?.into_inner())
    }

    fn read(answer: v1::GetJobResponse) -> anyhow::Result<Self> {
        let job = answer.job.context("the coordinator's answer has no job")?;
        let key = convert::job_key("job.key", &job.key)?;
        let spec: JobSpec = serde_json::from_str(&answer.spec_json).with_context(|| {
            format!("the spec of {} cannot be read; is workerd as new as the coordinator?", job.name)
        })?;
        let found = job_key(&spec);
        ensure!(found == key, "the spec is that of job {found}, not of {key}");
        let checkpoint =
            |field: &str, id: &str| (!id.is_empty()).then(|| convert::checkpoint_id(field, id)).transpose();
        let source = checkpoint("source_checkpoint_id", &answer.source_checkpoint_id)?;
        if let (Some(expected), None) = (&spec.source, source) {
            bail!(
                "the final checkpoint of the network that {} copies from, {}, is not there",
                job.name,
                expected.job
            );
        }
        let last = checkpoint("final_checkpoint_id", &answer.final_checkpoint_id)?;
        let weights =
            job.result.map(|result| convert::digest("job.result.weights_digest", &result.weights_digest));
        let weights: Option<Digest> = weights.transpose().map_err(|error: ConvertError| anyhow!(error))?;
        Ok(Self { name: job.name, key, spec, source, recorded: last.zip(weights) })
    }
}

fn refusal(status: &Status, address: &str) -> anyhow::Error {
    // Only the transport attaches a cause; what the coordinator says itself has none.
    match status.source() {
        Some(_) => anyhow!("no coordinator answers at {address}"),
        None => anyhow!("the coordinator at {address} says: {}", status.message()),
    }
}
