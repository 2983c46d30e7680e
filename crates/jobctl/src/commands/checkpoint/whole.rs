//! Reading a checkpoint byte by byte: chunks, files, what it says about itself, and the result.
//!
//! Every chunk must have its digest, every file the one that the checkpoint's own `state.json`
//! gives it, and the layers' weights those of the job's result. The first thing that is not
//! so is told with its place. At most one layer is held in memory.

use std::collections::BTreeMap;

use anyhow::Context;
use futures_util::{StreamExt, TryStreamExt, stream};
use selffer_core::{
    artifact::{Chunk, Object},
    ids::{Digest, JobKey},
    outcome::JobResult,
    spec::JobSpec,
    weights::layer_file,
};
use selffer_data::weights::{WeightsDigest, parameters_from_bytes};
use serde::Deserialize;

use crate::{
    client::{CheckpointView, Client, JobDetail},
    exit::{Exit, Failure},
    output::{
        Screen,
        progress::{Progress, Unit},
    },
};

const STATE_FILE: &str = "state.json";
const STATE_SCHEMA: &str = "selffer.checkpoint/v1";
/// Chunks that are read at a time, each at most 8 MiB.
const CHUNKS_AT_A_TIME: usize = 4;

/// A checkpoint that is whole, and the job's.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Whole {
    /// Which.
    pub(super) checkpoint: CheckpointView,
    /// The kind of device that it was made on, as it says.
    pub(super) device: String,
    /// The digest of each layer's weights, in order.
    pub(super) layers: Vec<(String, Digest)>,
    /// The digest of all weights.
    pub(super) weights: Digest,
}

/// What a checkpoint says about itself, as far as it is compared.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct State {
    pub(super) schema: String,
    pub(super) key: JobKey,
    pub(super) iteration: u32,
    pub(super) device_kind: String,
    pub(super) layers: Vec<String>,
    pub(super) files: Vec<StateFile>,
}

/// A file that it lists.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct StateFile {
    pub(super) name: String,
    pub(super) digest: Digest,
}

/// Reads a checkpoint of this job, whose result it must be if it is the final one.
///
/// # Errors
/// It is not there, or something of it is not as it must be.
pub(super) async fn read_whole(
    client: &Client,
    screen: &Screen,
    id: &str,
    (detail, spec): (&JobDetail, &JobSpec),
) -> anyhow::Result<Whole> {
    let checkpoint = client.checkpoint(id).await.with_context(|| format!("checkpoint {id}"))?;
    let manifest = &checkpoint.manifest;
    manifest.check().map_err(|error| damaged(id, &format!("its manifest: {error}")))?;
    let mut reading = Reading {
        client,
        id,
        progress: Progress::start(screen, "reading the checkpoint", Unit::Bytes, manifest.bytes()),
        done: 0,
        files: BTreeMap::new(),
    };
    let (layers, weights) = reading.layers(&checkpoint, spec).await?;
    let state = reading.others(&checkpoint).await?;
    reading.progress.finish();
    let said = check_state(&state, &reading.files, (detail.job.key, checkpoint.iteration), &layers);
    said.map_err(|problem| damaged(id, &format!("{STATE_FILE}: {problem}")))?;
    let whole = Whole { device: state.device_kind, layers, weights, checkpoint };
    if let Some(result) = detail.job.result.as_ref().filter(|_| whole.checkpoint.is_final) {
        check_result(&whole, result, spec.recipe.iterations).map_err(|problem| damaged(id, &problem))?;
        check_sources(detail).map_err(|problem| damaged(id, &problem))?;
    }
    Ok(whole)
}

fn damaged(id: &str, problem: &str) -> Failure {
    Failure { code: "damaged", ..Failure::new(Exit::Runtime, format!("checkpoint {id}: {problem}")) }
}

struct Reading<'a> {
    client: &'a Client,
    id: &'a str,
    progress: Progress,
    done: u64,
    // Digests of the files read so far.
    files: BTreeMap<String, Digest>,
}

impl Reading<'_> {
    async fn layers(
        &mut self,
        checkpoint: &CheckpointView,
        spec: &JobSpec,
    ) -> anyhow::Result<(Vec<(String, Digest)>, Digest)> {
        let (mut layers, mut all) = (Vec::new(), WeightsDigest::default());
        for (index, layer) in spec.network.layers.iter().enumerate() {
            let file = layer_file(index, &layer.name);
            let object = checkpoint.manifest.objects.iter().find(|object| object.name == file);
            let object = object.ok_or_else(|| damaged(self.id, &format!("has no {file}")))?;
            let parameters = parameters_from_bytes(&self.file(object).await?)
                .map_err(|error| damaged(self.id, &format!("{file}: {error}")))?;
            all.add(&parameters);
            layers.push((layer.name.clone(), parameters.digest()));
        }
        Ok((layers, all.finish()))
    }

    /// The files that are no layers, and what one of them says.
    async fn others(&mut self, checkpoint: &CheckpointView) -> anyhow::Result<State> {
        let mut state = None;
        for object in &checkpoint.manifest.objects {
            if self.files.contains_key(&object.name) {
                continue;
            }
            let bytes = self.file(object).await?;
            if object.name == STATE_FILE {
                let read = serde_json::from_slice(&bytes);
                state = Some(read.map_err(|error| damaged(self.id, &format!("{STATE_FILE}: {error}")))?);
            }
        }
        Ok(state.ok_or_else(|| damaged(self.id, &format!("has no {STATE_FILE}")))?)
    }

    async fn file(&mut self, object: &Object) -> anyhow::Result<Vec<u8>> {
        let (client, id, count) = (self.client, self.id, object.chunks.len());
        let mut chunks = stream::iter(object.chunks.iter().enumerate())
            .map(|(index, chunk)| async move {
                let place = || format!("checkpoint {id}, {}, chunk {} of {count}", object.name, index + 1);
                read_chunk(client, id, chunk).await.with_context(place)
            })
            .buffered(CHUNKS_AT_A_TIME);
        let mut bytes = Vec::with_capacity(object.bytes as usize);
        while let Some(chunk) = chunks.try_next().await? {
            bytes.extend_from_slice(&chunk);
            self.done += chunk.len() as u64;
            self.progress.set(self.done);
        }
        self.files.insert(object.name.clone(), Digest::of(&bytes));
        Ok(bytes)
    }
}

async fn read_chunk(client: &Client, id: &str, chunk: &Chunk) -> anyhow::Result<Vec<u8>> {
    let bytes = client.checkpoint_chunk(id, chunk).await?;
    let found = Digest::of(&bytes);
    if found != chunk.digest {
        let message = format!("its bytes have the digest {found}, the manifest says {}", chunk.digest);
        return Err(Failure { code: "damaged", ..Failure::new(Exit::Runtime, message) }.into());
    }
    Ok(bytes)
}

/// Compares what a checkpoint says about itself with its files, and with what is known.
pub(super) fn check_state(
    state: &State,
    files: &BTreeMap<String, Digest>,
    (key, iteration): (JobKey, u32),
    layers: &[(String, Digest)],
) -> Result<(), String> {
    if state.schema != STATE_SCHEMA {
        return Err(format!("its schema is {:?}, this jobctl knows {STATE_SCHEMA:?}", state.schema));
    }
    if state.key != key {
        return Err(format!("it is of job {}, not of {key}", state.key));
    }
    if state.iteration != iteration {
        return Err(format!("it is of iteration {}, the coordinator says {iteration}", state.iteration));
    }
    if !state.layers.iter().eq(layers.iter().map(|(layer, _)| layer)) {
        return Err(format!("its layers are {}, which are not the network's", state.layers.join(", ")));
    }
    for StateFile { name, digest } in &state.files {
        match files.get(name) {
            Some(found) if found == digest => {}
            Some(found) => return Err(format!("{name} has the digest {found}, it says {digest}")),
            None => return Err(format!("it lists {name}, which is not there")),
        }
    }
    let unlisted = |name: &&String| *name != STATE_FILE && state.files.iter().all(|file| file.name != **name);
    match files.keys().find(unlisted) {
        Some(name) => Err(format!("it does not list {name}")),
        None => Ok(()),
    }
}

/// Compares a final checkpoint with the result that was recorded.
pub(super) fn check_result(whole: &Whole, result: &JobResult, iterations: u32) -> Result<(), String> {
    let found = whole.checkpoint.iteration;
    if found != iterations {
        return Err(format!("it is of iteration {found}, and the recipe has {iterations}"));
    }
    if whole.layers.len() != result.layer_digests.len() {
        let (found, expected) = (whole.layers.len(), result.layer_digests.len());
        return Err(format!("it has {found} layers, the result {expected}"));
    }
    for ((layer, found), (name, expected)) in whole.layers.iter().zip(&result.layer_digests) {
        if (layer, found) != (name, expected) {
            return Err(format!(
                "layer {layer} has the digest {found}, the result says {name} has {expected}"
            ));
        }
    }
    if whole.weights != result.weights_digest {
        let (found, expected) = (whole.weights, result.weights_digest);
        return Err(format!("the weights have the digest {found}, the result says {expected}"));
    }
    if whole.device != result.device_kind {
        let (found, expected) = (&whole.device, &result.device_kind);
        return Err(format!("it was made on {found}, the result says {expected}"));
    }
    Ok(())
}

/// Whether the copied layers are as they must be beside their source's.
fn check_sources(detail: &JobDetail) -> Result<(), String> {
    match detail.layers.iter().find(|layer| layer.holds() == Some(false)) {
        Some(layer) => Err(format!("layer {} is not what its source and treatment make it", layer.layer)),
        None => Ok(()),
    }
}
