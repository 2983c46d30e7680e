//! What a job's result rests on: its layers beside their source's, and everything that made it.

use selffer_core::{
    ids::{Digest, JobKey},
    proof::{LayerProof, LayerRole},
    spec::{Half, JobSpec},
};
use serde::Serialize;
use serde_json::Value;

use crate::{
    client::{AttemptView, JobDetail},
    output::{
        human,
        table::{Cell, Column, Side, Tone},
    },
};

/// Everything that made a result, and whether its copied layers are what they must be.
#[derive(Serialize)]
pub(super) struct ProofRecord {
    key: JobKey,
    semantics_version: u32,
    dataset: String,
    pack_digest: Digest,
    network: String,
    split: String,
    target: Half,
    target_classes: Vec<u32>,
    source: Option<Half>,
    source_classes: Option<Vec<u32>>,
    source_job: Option<JobKey>,
    imported_weights: Option<Digest>,
    seed: u64,
    source_seed: Option<u64>,
    recipe: Value,
    precision: Value,
    /// Of the attempt that trained it; null while none did.
    trained_by: Option<TrainedBy>,
    attempts: usize,
    weights_digest: Option<Digest>,
    checkpoint: Option<String>,
    /// Whether every copied layer is as it must be; null where nothing was copied.
    layers_hold: Option<bool>,
    layers: Vec<LayerRecord>,
}

impl ProofRecord {
    /// The layers, in order; none of a job that has not succeeded.
    pub(super) fn layers(&self) -> &[LayerRecord] {
        &self.layers
    }
}

/// Who trained it, with what.
#[derive(Serialize)]
struct TrainedBy {
    attempt: u32,
    worker: String,
    program_version: String,
    device: String,
    threads: u32,
    training_s: f64,
    testing_s: f64,
}

/// One layer beside the layer it was copied from.
#[derive(Serialize)]
pub(super) struct LayerRecord {
    layer: String,
    role: LayerRole,
    digest: Digest,
    source_digest: Option<Digest>,
    same_bytes: Option<bool>,
    holds: Option<bool>,
}

impl From<&LayerProof> for LayerRecord {
    fn from(proof: &LayerProof) -> Self {
        Self {
            layer: proof.layer.clone(),
            role: proof.role,
            digest: proof.digest,
            source_digest: proof.source_digest,
            same_bytes: proof.same_bytes,
            holds: proof.holds(),
        }
    }
}

/// The record of a job, whose spec is given as read and as it came.
pub(super) fn record(detail: &JobDetail, spec: &JobSpec, spec_json: &Value) -> ProofRecord {
    let recipe = spec_json["recipe"].clone();
    let source = spec.source.as_ref();
    let result = detail.job.result.as_ref();
    let verdicts = || detail.layers.iter().filter_map(LayerProof::holds);
    ProofRecord {
        key: detail.job.key,
        semantics_version: spec.semantics_version,
        dataset: detail.dataset.clone(),
        pack_digest: spec.pack,
        network: detail.network.clone(),
        split: spec.split.clone(),
        target: spec.target.half,
        target_classes: spec.target.indices.to_vec(),
        source: source.map(|source| source.classes.half),
        source_classes: source.map(|source| source.classes.indices.to_vec()),
        source_job: source.map(|source| source.job),
        imported_weights: spec.imported.map(|imported| imported.weights),
        seed: spec.seed,
        source_seed: detail.source_seed,
        precision: recipe["precision"].clone(),
        recipe,
        trained_by: trained_by(detail),
        attempts: detail.attempts.len(),
        weights_digest: result.map(|result| result.weights_digest),
        checkpoint: detail.final_checkpoint_id.clone(),
        layers_hold: verdicts().next().map(|_| verdicts().all(|holds| holds)),
        layers: detail.layers.iter().map(Into::into).collect(),
    }
}

fn trained_by(detail: &JobDetail) -> Option<TrainedBy> {
    let result = detail.job.result.as_ref()?;
    let attempt = succeeded(detail)?;
    Some(TrainedBy {
        attempt: attempt.attempt,
        worker: attempt.worker.clone(),
        program_version: attempt.program_version.clone(),
        device: result.device_kind.clone(),
        threads: attempt.threads,
        training_s: result.training_s,
        testing_s: result.testing_s,
    })
}

fn succeeded(detail: &JobDetail) -> Option<&AttemptView> {
    detail.attempts.iter().rev().find(|attempt| attempt.outcome.as_deref() == Some("succeeded"))
}

/// The same for people: what it is made of, and who made it.
pub(super) fn facts(record: &ProofRecord) -> Vec<(&'static str, String)> {
    let classes = |half: Half, classes: &[u32]| format!("half {half}, classes {}", listed(classes));
    let mut facts = vec![
        ("images", format!("{} ({})", record.dataset, record.pack_digest)),
        ("network", record.network.clone()),
        ("split", record.split.clone()),
        ("target", classes(record.target, &record.target_classes)),
    ];
    if let (Some(half), Some(indices)) = (record.source, &record.source_classes) {
        facts.push(("source", classes(half, indices)));
    }
    if let Some(job) = record.source_job {
        facts.push(("source key", job.to_string()));
    }
    if let Some(weights) = record.imported_weights {
        facts.push(("imported", weights.to_string()));
    }
    let source_seed = record.source_seed.map(|seed| format!(", source {seed}")).unwrap_or_default();
    facts.push(("seed", format!("{}{source_seed}", record.seed)));
    facts.push(("semantics", format!("version {} of the trainer", record.semantics_version)));
    if let Some(by) = &record.trained_by {
        let TrainedBy { attempt, worker, program_version, .. } = by;
        let attempts = record.attempts;
        facts.push((
            "trained by",
            format!("{worker}, workerd {program_version}, in attempt {attempt} of {attempts}"),
        ));
        let threads = match by.threads {
            0 => String::new(),
            threads => format!(", {}", human::counted(threads.into(), "thread")),
        };
        facts.push(("device", format!("{}{threads}, {}", by.device, written(&record.precision))));
    }
    facts
}

/// Every key of the recipe.
pub(super) fn recipe_facts(record: &ProofRecord) -> Vec<(&str, String)> {
    let Value::Object(recipe) = &record.recipe else { return Vec::new() };
    recipe.iter().map(|(key, value)| (key.as_str(), written(value))).collect()
}

fn written(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "none".to_owned(),
        value => value.to_string(),
    }
}

/// `0 1 2 5` and, where there are many, how many: `0 1 2 5 … 998 (500)`.
fn listed(classes: &[u32]) -> String {
    const SHOWN_MAX: usize = 20;
    let words = |classes: &[u32]| classes.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
    match classes {
        [first @ .., last] if classes.len() > SHOWN_MAX => {
            format!("{} … {last} ({})", words(&first[..SHOWN_MAX - 1]), classes.len())
        }
        classes => words(classes),
    }
}

/// Layers beside their source's.
pub(super) const LAYER_COLUMNS: [Column<LayerRecord>; 5] = [
    Column { title: "LAYER", side: Side::Left, cell: |layer| layer.layer.as_str().into() },
    Column { title: "ROLE", side: Side::Left, cell: |layer| role(layer.role).into() },
    Column { title: "DIGEST", side: Side::Left, cell: |layer| shown(layer.digest).into() },
    Column {
        title: "SOURCE'S",
        side: Side::Left,
        cell: |layer| Cell::optional(layer.source_digest.map(shown)),
    },
    Column { title: "VERDICT", side: Side::Left, cell: verdict },
];

/// Enough digits for people to compare; `-o json` has all.
fn shown(digest: Digest) -> String {
    digest.to_string()[..16].to_owned()
}

fn role(role: LayerRole) -> &'static str {
    match role {
        LayerRole::Frozen => "frozen",
        LayerRole::FineTuned => "fine-tuned",
        LayerRole::Own => "own",
    }
}

fn verdict(layer: &LayerRecord) -> Cell {
    match (layer.role, layer.holds) {
        (LayerRole::Frozen, Some(true)) => Cell::toned("equal to its source", Tone::Good),
        (LayerRole::Frozen, Some(false)) => Cell::toned("NOT its source, though frozen", Tone::Bad),
        (LayerRole::FineTuned, Some(true)) => Cell::toned("differs from its source", Tone::Good),
        (LayerRole::FineTuned, Some(false)) => Cell::toned("STILL its source, though fine-tuned", Tone::Bad),
        (LayerRole::Own, _) => Cell::toned("trained from its initialiser", Tone::Faint),
        (_, None) => Cell::toned("nothing to compare with", Tone::Faint),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    #[test]
    fn many_classes_are_shown_by_the_first_and_their_number() {
        assert_eq!(listed(&[0, 2, 5]), "0 2 5");
        let many: Vec<u32> = (0..500).map(|class| 2 * class).collect();
        assert_eq!(listed(&many), "0 2 4 6 8 10 12 14 16 18 20 22 24 26 28 30 32 34 36 … 998 (500)");
    }
}
