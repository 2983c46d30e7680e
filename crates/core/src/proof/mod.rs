//! Proofs: each layer of a result beside the layer it was copied from.
//!
//! A frozen layer must equal its source bit for bit, a fine-tuned one must differ, and so
//! must the bytes that the store holds for them (Yosinski et al. 2014, section 2). The
//! trainer checks itself; the coordinator checks again, with what it has stored, before it
//! takes a result; people see the same comparison. Whether the digests are those of the
//! weights is for whoever reads the checkpoint.

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::{
    artifact::{Chunk, Manifest},
    ids::Digest,
    outcome::JobResult,
    spec::JobSpec,
    weights::layer_file,
};

/// What became of a layer's first weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LayerRole {
    /// Copied, or drawn for a random network, and kept as it was.
    Frozen,
    /// Copied, or drawn for a random network, and trained on.
    FineTuned,
    /// Trained from its initialiser.
    Own,
}

/// One layer of a result beside the layer it was copied from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerProof {
    /// Its name.
    pub layer: String,
    /// What became of its first weights.
    pub role: LayerRole,
    /// Of its weights.
    pub digest: Digest,
    /// Of the source's weights; none where nothing was copied.
    pub source_digest: Option<Digest>,
    /// Whether the store holds the two as the same chunks; none where one of them is unknown.
    pub same_bytes: Option<bool>,
}

/// What a result's layers are compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Source<'a> {
    /// Of the source's weights: as its result has them, or as imported weights do.
    pub layer_digests: &'a [(String, Digest)],
    /// What the store holds of it.
    pub manifest: Option<&'a Manifest>,
}

/// Why a result cannot be true.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// Not the network's layers.
    #[error("the result has layers {}, and the network has {}", .found.join(", "), .expected.join(", "))]
    Layers {
        /// The network's.
        expected: Vec<String>,
        /// As told.
        found: Vec<String>,
    },
    /// A layer's file is not in the final checkpoint.
    #[error("the final checkpoint has no {file}")]
    NoFile {
        /// Its name.
        file: String,
    },
    /// A frozen layer that is not its source's.
    #[error("layer {layer} was frozen and is not that of its source: {}", told(*.from))]
    FrozenChanged {
        /// Which.
        layer: String,
        /// How that shows.
        from: Evidence,
    },
    /// A fine-tuned layer that is its source's.
    #[error("layer {layer} was fine-tuned and is still that of its source: {}", told(*.from))]
    FineTunedUnchanged {
        /// Which.
        layer: String,
        /// How that shows.
        from: Evidence,
    },
    /// The trainer's own verdict is another one.
    #[error("the trainer says {given:?} of its copied layers being unchanged, and the digests say {found:?}")]
    Verdict {
        /// As told.
        given: Option<bool>,
        /// As computed.
        found: Option<bool>,
    },
}

/// How two layers were compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// By the digests of their weights.
    Digests,
    /// By the chunks that the store holds.
    Chunks,
}

fn told(evidence: Evidence) -> &'static str {
    match evidence {
        Evidence::Digests => "by the digests of their weights",
        Evidence::Chunks => "by the bytes that are stored",
    }
}

impl LayerProof {
    /// Whether the layer is as its role demands; none where there is nothing to compare.
    #[must_use]
    pub fn holds(&self) -> Option<bool> {
        let by_digest = self.source_digest.map(|source| source == self.digest);
        let is_same = match (by_digest, self.same_bytes) {
            (Some(one), Some(other)) if one != other => return Some(false),
            (one, other) => one.or(other)?,
        };
        match self.role {
            LayerRole::Frozen => Some(is_same),
            LayerRole::FineTuned => Some(!is_same),
            LayerRole::Own => None,
        }
    }
}

/// Every layer of a result beside its source's, in order.
#[must_use]
pub fn layers(
    spec: &JobSpec,
    result: &JobResult,
    manifest: &Manifest,
    source: &Source<'_>,
) -> Vec<LayerProof> {
    let (copied, frozen) = (spec.treatment.layers_copied.into(), spec.treatment.layers_frozen.into());
    let proof = |(index, (layer, digest)): (usize, &(String, Digest))| {
        let copied_from = |digests: &[(String, Digest)]| {
            digests.get(index).filter(|(name, _)| name == layer).map(|(_, digest)| *digest)
        };
        let file = layer_file(index, layer);
        let theirs = source.manifest.and_then(|manifest| chunks(manifest, &file));
        let both = chunks(manifest, &file).zip(theirs).filter(|_| index < copied);
        LayerProof {
            layer: layer.clone(),
            role: match index {
                index if index < frozen => LayerRole::Frozen,
                index if index < copied => LayerRole::FineTuned,
                _ => LayerRole::Own,
            },
            digest: *digest,
            source_digest: copied_from(source.layer_digests).filter(|_| index < copied),
            same_bytes: both.map(|(ours, theirs)| ours == theirs),
        }
    };
    result.layer_digests.iter().enumerate().map(proof).collect()
}

fn chunks<'a>(manifest: &'a Manifest, file: &str) -> Option<&'a [Chunk]> {
    manifest.objects.iter().find(|object| object.name == file).map(|object| object.chunks.as_slice())
}

/// Checks a result against what its layers were copied from.
///
/// # Errors
/// The first thing that cannot be true.
pub fn check(
    spec: &JobSpec,
    result: &JobResult,
    manifest: &Manifest,
    source: &Source<'_>,
) -> Result<(), ProofError> {
    let expected: Vec<String> = spec.network.layers.iter().map(|layer| layer.name.clone()).collect();
    let found: Vec<String> = result.layer_digests.iter().map(|(layer, _)| layer.clone()).collect();
    if expected != found {
        return Err(ProofError::Layers { expected, found });
    }
    let files = expected.iter().enumerate().map(|(index, layer)| layer_file(index, layer));
    if let Some(file) = files.into_iter().find(|file| chunks(manifest, file).is_none()) {
        return Err(ProofError::NoFile { file });
    }
    for proof in layers(spec, result, manifest, source) {
        if proof.holds() == Some(false) {
            return Err(broken(proof));
        }
    }
    let (copied, frozen) = (spec.treatment.layers_copied, spec.treatment.layers_frozen);
    let (given, found) = (result.copied_layers_unchanged, (copied > 0).then_some(frozen == copied));
    if given != found {
        return Err(ProofError::Verdict { given, found });
    }
    Ok(())
}

fn broken(proof: LayerProof) -> ProofError {
    let is_frozen = proof.role == LayerRole::Frozen;
    let by_digest = proof.source_digest.is_some_and(|source| (source == proof.digest) != is_frozen);
    let from = if by_digest { Evidence::Digests } else { Evidence::Chunks };
    let layer = proof.layer;
    match is_frozen {
        true => ProofError::FrozenChanged { layer, from },
        false => ProofError::FineTunedUnchanged { layer, from },
    }
}
