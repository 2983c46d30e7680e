//! What `checkpoint verify` says: text for people, `selffer.verify/v1` for programs.

use selffer_core::{
    ids::{Digest, JobKey},
    job::StateKind,
    proof::{LayerProof, LayerRole},
    replay::{Comparison, Difference, LayerDistance, Replay},
};
use serde::Serialize;

use super::whole::Whole;
use crate::{
    client::JobDetail,
    output::{Screen, human},
};

/// A job that was trained again, beside what was recorded.
#[derive(Clone, Debug)]
pub(super) struct Replayed {
    /// The kind of device that it was recorded on.
    pub(super) recorded_device: String,
    /// What was trained here.
    pub(super) replay: Replay,
    /// Both beside each other.
    pub(super) comparison: Comparison,
}

impl Replayed {
    /// What is not as it must be, in words.
    pub(super) fn broken(&self) -> Option<String> {
        let Comparison { difference, .. } = &self.comparison;
        difference.as_ref().filter(|_| !self.comparison.holds()).map(ToString::to_string)
    }
}

/// Tells what was verified, and what of it is not as recorded.
pub(super) fn tell(
    screen: &Screen,
    detail: &JobDetail,
    whole: Option<&Whole>,
    replayed: Option<&Replayed>,
) -> anyhow::Result<()> {
    let document = document(detail, whole, replayed);
    screen.item(&detail.job.name, &document, &text(detail, whole, replayed))
}

/// `selffer.verify/v1`.
#[derive(Serialize)]
pub(super) struct Document {
    schema: &'static str,
    job: String,
    key: JobKey,
    state: StateKind,
    checkpoint: Option<CheckpointRecord>,
    replay: Option<ReplayRecord>,
}

/// A checkpoint that was read to the last byte.
#[derive(Serialize)]
struct CheckpointRecord {
    id: String,
    kind: &'static str,
    iteration: u32,
    device: String,
    files: usize,
    chunks: usize,
    bytes: u64,
    weights_digest: Digest,
    /// Whether these are the recorded result's digests; null while there is no result.
    as_recorded: Option<bool>,
    layers: Vec<LayerRecord>,
}

#[derive(Serialize)]
struct LayerRecord {
    layer: String,
    digest: Digest,
    source_digest: Option<Digest>,
    holds: Option<bool>,
}

#[derive(Serialize)]
struct ReplayRecord {
    iterations: u32,
    points: usize,
    to_the_end: bool,
    device: String,
    recorded_device: String,
    same_device: bool,
    threads: u32,
    program_version: String,
    bit_exact: bool,
    holds: bool,
    difference: Option<DifferenceRecord>,
    within: WithinRecord,
}

#[derive(Serialize)]
struct DifferenceRecord {
    message: String,
    iteration: Option<u32>,
    recorded: Option<String>,
    replayed: Option<String>,
}

#[derive(Serialize)]
struct WithinRecord {
    loss_relative: Option<f64>,
    loss_iteration: Option<u32>,
    top1_points: Option<f64>,
    top1_iteration: Option<u32>,
    weights: Option<Vec<LayerDistance>>,
}

pub(super) fn document(detail: &JobDetail, whole: Option<&Whole>, replayed: Option<&Replayed>) -> Document {
    Document {
        schema: "selffer.verify/v1",
        job: detail.job.name.clone(),
        key: detail.job.key,
        state: detail.job.state,
        checkpoint: whole.map(|whole| checkpoint(detail, whole)),
        replay: replayed.map(Into::into),
    }
}

fn checkpoint(detail: &JobDetail, whole: &Whole) -> CheckpointRecord {
    let Whole { checkpoint, device, layers, weights } = whole;
    let layer = |(layer, digest): &(String, Digest)| {
        let proof = detail.layers.iter().find(|proof| proof.layer == *layer);
        LayerRecord {
            layer: layer.clone(),
            digest: *digest,
            source_digest: proof.and_then(|proof| proof.source_digest),
            holds: proof.and_then(LayerProof::holds),
        }
    };
    CheckpointRecord {
        id: checkpoint.id.clone(),
        kind: kind(whole),
        iteration: checkpoint.iteration,
        device: device.clone(),
        files: checkpoint.manifest.objects.len(),
        chunks: checkpoint.manifest.chunks().count(),
        bytes: checkpoint.manifest.bytes(),
        weights_digest: *weights,
        as_recorded: has_result(detail, whole).then_some(true),
        layers: layers.iter().map(layer).collect(),
    }
}

fn kind(whole: &Whole) -> &'static str {
    if whole.checkpoint.is_final { "final" } else { "intermediate" }
}

// What is not so was an error before.
fn has_result(detail: &JobDetail, whole: &Whole) -> bool {
    whole.checkpoint.is_final && detail.job.result.is_some()
}

impl From<&Replayed> for ReplayRecord {
    fn from(replayed: &Replayed) -> Self {
        let Replayed { recorded_device, replay, comparison } = replayed;
        let (loss, top1) = (comparison.within.loss, comparison.within.top1);
        Self {
            iterations: replay.iterations,
            points: comparison.points,
            to_the_end: comparison.end,
            device: replay.device.clone(),
            recorded_device: recorded_device.clone(),
            same_device: comparison.same_device,
            threads: replay.threads,
            program_version: replay.program_version.clone(),
            bit_exact: comparison.difference.is_none(),
            holds: comparison.holds(),
            difference: comparison.difference.as_ref().map(Into::into),
            within: WithinRecord {
                loss_relative: loss.map(|(relative, _)| relative),
                loss_iteration: loss.map(|(_, iteration)| iteration),
                top1_points: top1.map(|(points, _)| points),
                top1_iteration: top1.map(|(_, iteration)| iteration),
                weights: comparison.within.weights.clone(),
            },
        }
    }
}

impl From<&Difference> for DifferenceRecord {
    fn from(difference: &Difference) -> Self {
        let (iteration, values) = match difference {
            Difference::Point { iteration, recorded, replayed, .. } => {
                (Some(*iteration), Some((recorded, replayed)))
            }
            Difference::Missing { iteration, .. } => (Some(*iteration), None),
            Difference::End { recorded, replayed, .. } => (None, Some((recorded, replayed))),
        };
        let (recorded, replayed) =
            values.map(|(recorded, replayed)| (recorded.clone(), replayed.clone())).unzip();
        Self { message: difference.to_string(), iteration, recorded, replayed }
    }
}

pub(super) fn text(detail: &JobDetail, whole: Option<&Whole>, replayed: Option<&Replayed>) -> String {
    let mut facts = vec![("key", detail.job.key.to_string())];
    match whole {
        Some(whole) => facts.extend(checkpoint_facts(detail, whole)),
        None => facts.push(("checkpoint", "none is kept yet".to_owned())),
    }
    if let Some(replayed) = replayed {
        facts.extend(replay_facts(replayed));
    }
    human::facts(&detail.job.name, &facts)
}

fn checkpoint_facts(detail: &JobDetail, whole: &Whole) -> Vec<(&'static str, String)> {
    let Whole { checkpoint, layers, weights, .. } = whole;
    let (files, chunks) =
        (checkpoint.manifest.objects.len() as u64, checkpoint.manifest.chunks().count() as u64);
    let iterations = human::counted(checkpoint.iteration.into(), "iteration");
    let as_recorded = if has_result(detail, whole) { ", as the result says" } else { "" };
    let bytes = format!(
        "{} in {} of {}, each with its digest",
        human::bytes(checkpoint.manifest.bytes()),
        human::counted(chunks, "chunk"),
        human::counted(files, "file")
    );
    let layers = format!("{}{as_recorded}{}", layers.len(), copied(&detail.layers));
    vec![
        ("checkpoint", format!("{}, {}, after {iterations}", checkpoint.id, kind(whole))),
        ("bytes", bytes),
        ("layers", layers),
        ("weights", format!("{weights}{as_recorded}")),
    ]
}

fn copied(layers: &[LayerProof]) -> String {
    let with = |role: LayerRole| {
        layers.iter().filter(move |layer| layer.role == role && layer.holds() == Some(true))
    };
    let told = |role, words: &str| match with(role).count() {
        0 => String::new(),
        count => format!("; {count} {words}"),
    };
    told(LayerRole::Frozen, "equal to the source's") + &told(LayerRole::FineTuned, "differ from the source's")
}

fn replay_facts(replayed: &Replayed) -> Vec<(&'static str, String)> {
    let Replayed { recorded_device, replay, comparison } = replayed;
    let iterations = human::counted(replay.iterations.into(), "iteration");
    let points = format!("{} compared", human::counted(comparison.points as u64, "point"));
    let end = if comparison.end { ", and the weights and tests at the end" } else { "" };
    let verdict = match (comparison.holds(), &comparison.difference) {
        (true, None) => format!("bit-exact over {iterations} ({points}{end})"),
        (true, Some(_)) => format!("{iterations} on another kind of device ({points}{end}), within"),
        (false, _) => format!("NOT as recorded, over {iterations} ({points}{end})"),
    };
    let threads = human::counted(replay.threads.into(), "thread");
    let mut facts = vec![
        ("replay", verdict),
        ("device", format!("{}, {threads}; recorded on {recorded_device}", replay.device)),
    ];
    if comparison.difference.is_some() {
        facts.extend(within_facts(comparison));
    }
    facts
}

fn within_facts(comparison: &Comparison) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    if let Some((relative, iteration)) = comparison.within.loss {
        facts
            .push(("losses", format!("{relative:.1e} of the recorded one, at most (iteration {iteration})")));
    }
    if let Some((points, iteration)) = comparison.within.top1 {
        facts.push(("top-1", format!("{points:.2} percentage points, at most (iteration {iteration})")));
    }
    if let Some(layers) = &comparison.within.weights {
        let layer = |LayerDistance { layer, relative }: &LayerDistance| format!("{layer} {relative:.1e}");
        let layers: Vec<_> = layers.iter().map(layer).collect();
        facts.push(("distances", format!("{} of a layer's largest weight, at most", layers.join(", "))));
    }
    facts
}
