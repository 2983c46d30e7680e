//! A checkpoint as files: `state.json`, `mean.safetensors`, and for each layer
//! `NN-LAYER.safetensors` and, while it learns, `NN-LAYER.momentum.safetensors`.
//!
//! Equal checkpoints give equal bytes, and a frozen layer's file equals its source's, so
//! that it is stored once. `state.json` is written last and holds the digests of the
//! others: a folder whose writing was cut short is refused.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use selffer_core::ids::Digest;
use selffer_data::weights::{
    HostParameters, HostTensor, TensorError, layer_file_name, parameters_to_bytes, tensor_from_bytes,
    tensors_to_bytes,
};

use super::{
    Checkpoint, CheckpointError, CheckpointLayer, LossSum,
    state::{Bits, File, SCHEMA, State},
};

const STATE_FILE: &str = "state.json";
const MEAN_FILE: &str = "mean.safetensors";

impl Checkpoint {
    /// Writes the checkpoint into a folder, made if missing, and waits until it is on disk.
    ///
    /// Returns the names of its files, in order, `state.json` first.
    ///
    /// # Errors
    /// When a file cannot be written; the folder then holds part of them.
    pub fn write_folder(&self, folder: &Path) -> Result<Vec<String>, CheckpointError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| CheckpointError::Write { path, source }
        };
        fs::create_dir_all(folder).map_err(at(folder))?;
        let mut files = Vec::new();
        self.each_tensor_file(|name, bytes| {
            write(&folder.join(&name), &bytes)?;
            files.push(File { name, digest: Digest::of(&bytes) });
            Ok(())
        })?;
        let names = std::iter::once(STATE_FILE.to_owned());
        let names = names.chain(files.iter().map(|file| file.name.clone())).collect();
        write(&folder.join(STATE_FILE), self.state(files).to_text().as_bytes())?;
        fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(folder))?;
        Ok(names)
    }

    /// Reads a checkpoint that [`Checkpoint::write_folder`] wrote.
    ///
    /// # Errors
    /// When a file is missing, damaged or of another version.
    pub fn read_folder(folder: &Path) -> Result<Self, CheckpointError> {
        let state = read_state(folder)?;
        let mean = read_mean(&Part { folder, state: &state, name: MEAN_FILE.to_owned() })?;
        let layers = state.layers.iter().enumerate().map(|(index, layer)| {
            let part = |name| Part { folder, state: &state, name };
            let parameters = read_parameters(&part(file_name(index, layer)?))?;
            let momentum = part(momentum_file_name(index, layer)?);
            let momentum = momentum.is_listed().then(|| read_parameters(&momentum)).transpose()?;
            Ok(CheckpointLayer { name: layer.clone(), parameters, momentum })
        });
        let layers = layers.collect::<Result<_, CheckpointError>>()?;
        Ok(Self {
            key: state.key,
            iteration: state.iteration,
            metric_points: state.metric_points,
            loss: LossSum { sum: state.loss_sum.0, iterations: state.loss_iterations },
            lowest_loss: state.lowest_loss.0,
            tests: state.tests.iter().map(Into::into).collect(),
            training_s: state.training_s.0,
            testing_s: state.testing_s.0,
            waiting_s: state.waiting_s.0,
            device_kind: state.device_kind,
            mean,
            layers,
        })
    }

    /// Names of the files of the checkpoint in this folder, in the order of
    /// [`Checkpoint::write_folder`]. Says nothing about what is in them.
    ///
    /// # Errors
    /// When there is no state of this version.
    pub fn files_in(folder: &Path) -> Result<Vec<String>, CheckpointError> {
        let files = read_state(folder)?.files.into_iter().map(|file| file.name);
        Ok(std::iter::once(STATE_FILE.to_owned()).chain(files).collect())
    }

    fn state(&self, files: Vec<File>) -> State {
        State {
            schema: SCHEMA.to_owned(),
            key: self.key,
            iteration: self.iteration,
            device_kind: self.device_kind.clone(),
            metric_points: self.metric_points,
            loss_sum: Bits(self.loss.sum),
            loss_iterations: self.loss.iterations,
            lowest_loss: Bits(self.lowest_loss),
            tests: self.tests.iter().map(Into::into).collect(),
            training_s: Bits(self.training_s),
            testing_s: Bits(self.testing_s),
            waiting_s: Bits(self.waiting_s),
            layers: self.layers.iter().map(|layer| layer.name.clone()).collect(),
            files,
        }
    }

    // One at a time: the bytes of a large network must not lie in memory twice.
    fn each_tensor_file(
        &self,
        mut take: impl FnMut(String, Vec<u8>) -> Result<(), CheckpointError>,
    ) -> Result<(), CheckpointError> {
        take(MEAN_FILE.to_owned(), tensors_to_bytes(&[("mean", &self.mean)]))?;
        for (index, layer) in self.layers.iter().enumerate() {
            let CheckpointLayer { name, parameters, momentum } = layer;
            take(file_name(index, name)?, parameters_to_bytes(parameters))?;
            if let Some(momentum) = momentum {
                take(momentum_file_name(index, name)?, parameters_to_bytes(momentum))?;
            }
        }
        Ok(())
    }
}

fn read_state(folder: &Path) -> Result<State, CheckpointError> {
    let path = folder.join(STATE_FILE);
    let text = read(&path)?;
    let state: State = serde_json::from_slice(&text)
        .map_err(|source| CheckpointError::State { path: path.clone(), source: Some(source) })?;
    match state.schema == SCHEMA {
        true => Ok(state),
        false => Err(CheckpointError::State { path, source: None }),
    }
}

fn file_name(index: usize, layer: &str) -> Result<String, CheckpointError> {
    layer_file_name(index, layer).map_err(|_| CheckpointError::LayerName { layer: layer.to_owned() })
}

fn momentum_file_name(index: usize, layer: &str) -> Result<String, CheckpointError> {
    Ok(file_name(index, layer)?.replace(".safetensors", ".momentum.safetensors"))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), CheckpointError> {
    let written = fs::File::create(path).and_then(|mut file| {
        io::Write::write_all(&mut file, bytes)?;
        file.sync_all()
    });
    written.map_err(|source| CheckpointError::Write { path: path.to_owned(), source })
}

fn read(path: &Path) -> Result<Vec<u8>, CheckpointError> {
    fs::read(path).map_err(|source| CheckpointError::Read { path: path.to_owned(), source })
}

/// One file of tensors that the state may name.
struct Part<'a> {
    folder: &'a Path,
    state: &'a State,
    name: String,
}

impl Part<'_> {
    fn is_listed(&self) -> bool {
        self.state.files.iter().any(|file| file.name == self.name)
    }

    fn path(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// The file's bytes, as they were written.
    fn read(&self) -> Result<Vec<u8>, CheckpointError> {
        let bytes = read(&self.path())?;
        let digest = Digest::of(&bytes);
        if self.state.files.iter().any(|file| file.name == self.name && file.digest == digest) {
            return Ok(bytes);
        }
        Err(CheckpointError::Damaged { path: self.path() })
    }
}

fn read_mean(part: &Part<'_>) -> Result<HostTensor, CheckpointError> {
    from_bytes(part, &part.read()?, "mean")
}

fn read_parameters(part: &Part<'_>) -> Result<HostParameters, CheckpointError> {
    let bytes = part.read()?;
    Ok(HostParameters {
        weight: from_bytes(part, &bytes, "weight")?,
        bias: from_bytes(part, &bytes, "bias")?,
    })
}

fn from_bytes(part: &Part<'_>, bytes: &[u8], tensor: &'static str) -> Result<HostTensor, CheckpointError> {
    tensor_from_bytes(bytes, tensor).map_err(|TensorError { tensor, source }| CheckpointError::Tensor {
        path: part.path(),
        tensor,
        source,
    })
}

#[cfg(test)]
mod tests {
    use selffer_core::{ids::JobKey, outcome::TestResult};

    use super::*;

    fn checkpoint() -> Checkpoint {
        let tensor = |shape: &[usize]| HostTensor {
            values: (0..shape.iter().product::<usize>()).map(|value| value as f32 * 0.3).collect(),
            shape: shape.to_vec(),
        };
        let parameters = || HostParameters { weight: tensor(&[2, 3]), bias: tensor(&[2]) };
        let layer = |name: &str, momentum| CheckpointLayer {
            name: name.to_owned(),
            parameters: parameters(),
            momentum,
        };
        Checkpoint {
            key: JobKey([7; 32]),
            iteration: 3,
            device_kind: "cpu x86-64-v4".to_owned(),
            metric_points: 2,
            loss: LossSum { sum: 0.1 + 0.2, iterations: 2 },
            lowest_loss: f64::INFINITY,
            tests: vec![TestResult { images: 10, top1_correct: 4, top5_correct: 9, loss: 1.1 / 3.0 }],
            training_s: 12.1 / 3.0,
            testing_s: 0.1,
            waiting_s: 0.01,
            mean: tensor(&[2, 2, 1]),
            layers: vec![layer("fc1", None), layer("fc2", Some(parameters()))],
        }
    }

    #[test]
    fn a_checkpoint_reads_back_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let names = checkpoint().write_folder(folder.path()).unwrap();
        assert_eq!(
            names,
            [
                "state.json",
                "mean.safetensors",
                "01-fc1.safetensors",
                "02-fc2.safetensors",
                "02-fc2.momentum.safetensors"
            ]
        );
        assert_eq!(Checkpoint::files_in(folder.path()).unwrap(), names);
        assert_eq!(Checkpoint::read_folder(folder.path()).unwrap(), checkpoint());
    }

    #[test]
    fn equal_checkpoints_give_equal_bytes() {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        for name in folders.each_ref().map(|f| checkpoint().write_folder(f.path()).unwrap())[0].iter() {
            let [one, two] = folders.each_ref().map(|folder| fs::read(folder.path().join(name)).unwrap());
            assert_eq!(one, two, "{name}");
        }
    }

    #[test]
    fn a_damaged_or_unfinished_checkpoint_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        checkpoint().write_folder(folder.path()).unwrap();
        let path = folder.path().join("01-fc1.safetensors");
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
        let error = Checkpoint::read_folder(folder.path()).unwrap_err();
        assert!(matches!(error, CheckpointError::Damaged { .. }), "{error}");

        fs::remove_file(folder.path().join("state.json")).unwrap();
        let error = Checkpoint::read_folder(folder.path()).unwrap_err();
        assert!(matches!(error, CheckpointError::Read { .. }), "{error}");
    }
}
