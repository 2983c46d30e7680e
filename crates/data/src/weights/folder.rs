//! A folder of imported weights: writing it, and opening it with nothing believed.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use selffer_core::{
    identity::canonical_json,
    ids::Digest,
    limits::CONTROL_MESSAGE_BYTES_MAX,
    weights::{MANIFEST_FILE, SCHEMA, WeightsLayer, WeightsManifest},
};

use super::{
    HostParameters, HostTensor, ImportWeightsError, WeightsError,
    layer_file::{layer_file_name, parameters_from_bytes, parameters_to_bytes},
};
use crate::{bounded::read_at_most, partial::Partial};

// A manifest travels in one message.
const MANIFEST_BYTES_MAX: u64 = CONTROL_MESSAGE_BYTES_MAX as u64;

/// Imported weights in the making; dropped before [`WeightsWriter::finish`], they leave nothing.
#[derive(Debug)]
pub struct WeightsWriter {
    partial: Partial,
    channels: u32,
    layers: Vec<WeightsLayer>,
}

impl WeightsWriter {
    /// Begins weights that will be at `out`, where nothing may be; their network takes images
    /// of so many channels.
    ///
    /// # Errors
    /// `out` exists, another process writes there, or the disk refuses.
    pub fn create(out: &Path, channels: u32) -> Result<Self, ImportWeightsError> {
        Ok(Self { partial: Partial::create(out)?, channels, layers: Vec::new() })
    }

    /// Writes the next layer.
    ///
    /// # Errors
    /// Its name cannot be a file's, or the disk refuses.
    pub fn write_layer(&mut self, name: &str, parameters: &HostParameters) -> Result<(), ImportWeightsError> {
        let file = layer_file_name(self.layers.len(), name)
            .map_err(|source| ImportWeightsError::LayerName { source })?;
        let bytes = parameters_to_bytes(parameters);
        self.partial.write(&file, &bytes)?;
        self.layers.push(WeightsLayer {
            name: name.to_owned(),
            weight_shape: lengths(&parameters.weight),
            bias_shape: lengths(&parameters.bias),
            bytes: bytes.len() as u64,
            digest: Digest::of(&bytes),
            values: parameters.digest(),
        });
        Ok(())
    }

    /// Writes the manifest and puts the folder in its place, to stay there after a power cut.
    ///
    /// # Errors
    /// The manifest does not pass its own check, or the disk refuses.
    pub fn finish(self) -> Result<WeightsManifest, ImportWeightsError> {
        let Self { partial, channels, layers } = self;
        let manifest = WeightsManifest { schema: SCHEMA.to_owned(), channels, layers };
        manifest.check()?;
        partial.write(MANIFEST_FILE, canonical_json(&manifest).as_bytes())?;
        partial.finish(&[])?;
        Ok(manifest)
    }
}

/// Opened imported weights; layers are read, and checked, one by one.
#[derive(Clone, Debug)]
pub struct Weights {
    folder: PathBuf,
    manifest: WeightsManifest,
    digest: Digest,
}

impl Weights {
    /// Opens the weights in this folder; reads the manifest only.
    ///
    /// # Errors
    /// There is no manifest, or it is none.
    pub fn open(folder: &Path) -> Result<Self, WeightsError> {
        let manifest = read_weights_manifest(&folder.join(MANIFEST_FILE))?;
        Ok(Self { folder: folder.to_path_buf(), digest: manifest.digest(), manifest })
    }

    /// What the weights say about themselves.
    #[must_use]
    pub fn manifest(&self) -> &WeightsManifest {
        &self.manifest
    }

    /// The weights' name for machines.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The parameters of the layer at `index` (from 0); none if there are fewer.
    ///
    /// # Errors
    /// Its file is missing, damaged or not what the manifest says.
    pub fn layer(&self, index: usize) -> Result<Option<HostParameters>, WeightsError> {
        self.manifest.layers.get(index).map(|layer| self.read(index, layer)).transpose()
    }

    /// Reads every layer and compares it with the manifest.
    ///
    /// # Errors
    /// The first layer that differs.
    pub fn verify(&self) -> Result<(), WeightsError> {
        for (index, layer) in self.manifest.layers.iter().enumerate() {
            self.read(index, layer)?;
        }
        Ok(())
    }

    fn read(&self, index: usize, layer: &WeightsLayer) -> Result<HostParameters, WeightsError> {
        let name = layer_file_name(index, &layer.name).expect("a name: checked by read_weights_manifest()");
        let path = self.folder.join(name);
        let bytes = read_exactly(&path, layer.bytes)?;
        let (found, expected) = (Digest::of(&bytes), layer.digest);
        if found != expected {
            return Err(WeightsError::Digest { path, found, expected });
        }
        let parameters = parameters_from_bytes(&bytes)
            .map_err(|source| WeightsError::Form { path: path.clone(), source })?;
        let fits = lengths(&parameters.weight) == layer.weight_shape
            && lengths(&parameters.bias) == layer.bias_shape
            && parameters_to_bytes(&parameters) == bytes;
        if !fits {
            return Err(WeightsError::Shape { path, expected: layer.weight_shape.clone() });
        }
        for (tensor, values) in [("weight", &parameters.weight), ("bias", &parameters.bias)] {
            if let Some(index) = values.first_not_finite() {
                return Err(WeightsError::NotFinite { path, tensor, index });
            }
        }
        let (found, expected) = (parameters.digest(), layer.values);
        if found != expected {
            return Err(WeightsError::Digest { path, found, expected });
        }
        Ok(parameters)
    }
}

/// Reads and checks the manifest in this file, without looking at the layers it lists.
///
/// # Errors
/// The file cannot be read, or is no manifest of weights.
pub fn read_weights_manifest(path: &Path) -> Result<WeightsManifest, WeightsError> {
    let failed = |source| WeightsError::Read { path: path.to_path_buf(), source };
    let text = read_at_most(path, MANIFEST_BYTES_MAX).map_err(failed)?;
    let path = path.to_path_buf();
    let Some(text) = text else {
        return Err(WeightsError::ManifestTooLong { path, limit: MANIFEST_BYTES_MAX });
    };
    let manifest: WeightsManifest = match serde_json::from_slice(&text) {
        Ok(manifest) => manifest,
        Err(source) => return Err(WeightsError::ManifestForm { path, source }),
    };
    match manifest.check() {
        Ok(()) => Ok(manifest),
        Err(source) => Err(WeightsError::Manifest { path, source }),
    }
}

// The length is looked at first: a file that grew must not be read into memory.
fn read_exactly(path: &Path, expected: u64) -> Result<Vec<u8>, WeightsError> {
    let failed = |source| WeightsError::Read { path: path.to_path_buf(), source };
    let file = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(expected.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    let found = bytes.len() as u64;
    if found != expected {
        return Err(WeightsError::Length { path: path.to_path_buf(), found, expected });
    }
    Ok(bytes)
}

fn lengths(tensor: &HostTensor) -> Vec<u64> {
    tensor.shape.iter().map(|length| *length as u64).collect()
}
