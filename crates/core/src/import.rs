//! Imports: what people bring into the store, packs and weights.
//!
//! Both are a manifest whose digest is their name for machines, and files that it lists;
//! both travel and rest as an [`crate::artifact`]. Names belong to one kind: a pack and
//! weights may have the same.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    identity::canonical_json,
    ids::Digest,
    pack::{PackManifest, PackManifestError},
    weights::{WeightsManifest, WeightsManifestError, layer_file},
};

/// What kind of thing an import is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportKind {
    /// An image set.
    Pack,
    /// Layers of a network that was trained elsewhere.
    Weights,
}

/// Everything about an import but its bytes.
#[derive(Clone, Debug, PartialEq)]
pub enum ImportManifest {
    /// Of an image set.
    Pack(PackManifest),
    /// Of a network's weights.
    Weights(WeightsManifest),
}

/// Why a text is no manifest of an import.
#[derive(Debug, thiserror::Error)]
pub enum ImportManifestError {
    /// Not JSON of the right form; the source names line and column.
    #[error("not a manifest of kind {kind}")]
    Form {
        /// What it should be.
        kind: ImportKind,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// A pack's that contradicts itself.
    #[error(transparent)]
    Pack(#[from] PackManifestError),
    /// Weights' that contradicts itself.
    #[error(transparent)]
    Weights(#[from] WeightsManifestError),
}

impl ImportKind {
    /// Its word, in the database and in sentences.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pack => "pack",
            Self::Weights => "weights",
        }
    }
}

impl fmt::Display for ImportKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no kind of import")]
pub struct UnknownImportKind(pub String);

impl FromStr for ImportKind {
    type Err = UnknownImportKind;
    fn from_str(text: &str) -> Result<Self, UnknownImportKind> {
        match text {
            "pack" => Ok(Self::Pack),
            "weights" => Ok(Self::Weights),
            other => Err(UnknownImportKind(other.chars().take(64).collect())),
        }
    }
}

impl ImportManifest {
    /// Reads a manifest without checking it.
    ///
    /// # Errors
    /// It is not JSON of the kind's form.
    pub fn read(kind: ImportKind, text: &str) -> Result<Self, ImportManifestError> {
        let form = |source| ImportManifestError::Form { kind, source };
        Ok(match kind {
            ImportKind::Pack => Self::Pack(serde_json::from_str(text).map_err(form)?),
            ImportKind::Weights => Self::Weights(serde_json::from_str(text).map_err(form)?),
        })
    }

    /// Checks what a maker may have got wrong; the files' bytes are another matter.
    ///
    /// # Errors
    /// The first violation found.
    pub fn check(&self) -> Result<(), ImportManifestError> {
        match self {
            Self::Pack(pack) => pack.check()?,
            Self::Weights(weights) => weights.check()?,
        }
        Ok(())
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> ImportKind {
        match self {
            Self::Pack(_) => ImportKind::Pack,
            Self::Weights(_) => ImportKind::Weights,
        }
    }

    /// The one text that stands for it.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::Pack(pack) => canonical_json(pack),
            Self::Weights(weights) => canonical_json(weights),
        }
    }

    /// The import's name for machines.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self.to_text().as_bytes())
    }

    /// The name under which its manifest lies in its folder.
    #[must_use]
    pub fn file_name(&self) -> &'static str {
        match self {
            Self::Pack(_) => crate::pack::MANIFEST_FILE,
            Self::Weights(_) => crate::weights::MANIFEST_FILE,
        }
    }

    /// Name and length of every other file in its folder, in order.
    #[must_use]
    pub fn files(&self) -> Vec<(String, u64)> {
        match self {
            Self::Pack(pack) => pack.shards().map(|shard| (shard.file.clone(), shard.bytes)).collect(),
            Self::Weights(weights) => {
                let layers = weights.layers.iter().enumerate();
                layers.map(|(index, layer)| (layer_file(index, &layer.name), layer.bytes)).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::{SCHEMA, WeightsLayer};

    fn weights() -> WeightsManifest {
        let (digest, values) = (Digest::of(b"file"), Digest::of(b"values"));
        let (weight_shape, bias_shape) = (vec![2, 3], vec![2]);
        let layer = WeightsLayer { name: "fc1".into(), weight_shape, bias_shape, bytes: 176, digest, values };
        WeightsManifest { schema: SCHEMA.into(), channels: 1, layers: vec![layer] }
    }

    #[test]
    fn a_manifest_reads_back_with_its_digest_and_files() {
        let manifest = ImportManifest::Weights(weights());
        let read = ImportManifest::read(ImportKind::Weights, &manifest.to_text()).unwrap();
        read.check().unwrap();
        assert_eq!(read, manifest);
        assert_eq!(read.digest(), weights().digest());
        assert_eq!(read.files(), [("01-fc1.safetensors".to_owned(), 176)]);
    }

    #[test]
    fn a_manifest_of_another_kind_is_refused() {
        let text = ImportManifest::Weights(weights()).to_text();
        let error = ImportManifest::read(ImportKind::Pack, &text).unwrap_err();
        assert_eq!(error.to_string(), "not a manifest of kind pack");
    }
}
