//! A safetensors file from outside: hostile until checked.
//!
//! Only the header is read at first, and nothing of it is believed that does not fit the
//! file's length. Tensors are read one by one.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};

use safetensors::{
    Dtype,
    tensor::{Metadata, TensorInfo},
};
use selffer_core::limits::SAFETENSORS_HEADER_BYTES_MAX;

use super::{HostTensor, ImportWeightsError, layer_file::floats};

// A safetensors file begins with the length of its header, u64.
const PREFIX_BYTES: u64 = 8;

/// An opened file whose header is right.
#[derive(Debug)]
pub(super) struct TensorFile {
    pub(super) path: PathBuf,
    file: File,
    // From the start of the file.
    data_at: u64,
    /// Every tensor by its name.
    pub(super) tensors: BTreeMap<String, TensorInfo>,
}

impl TensorFile {
    pub(super) fn open(path: &Path) -> Result<Self, ImportWeightsError> {
        let failed = |source| ImportWeightsError::Read { path: path.to_path_buf(), source };
        let mut file = File::open(path).map_err(failed)?;
        let found = file.metadata().map_err(failed)?.len();
        let mut prefix = Vec::new();
        (&file).take(PREFIX_BYTES).read_to_end(&mut prefix).map_err(failed)?;
        let path = path.to_path_buf();
        let header_bytes = prefix.as_slice().try_into().map_or(u64::MAX, u64::from_le_bytes);
        let limit = SAFETENSORS_HEADER_BYTES_MAX.min(found.saturating_sub(PREFIX_BYTES));
        if header_bytes > limit {
            // Only now: a header of 640 bytes begins as a pickle does.
            return Err(match other_format(&prefix) {
                Some(what) => ImportWeightsError::OtherFormat { path, what },
                None => ImportWeightsError::HeaderLength { path, found: header_bytes, limit },
            });
        }
        let mut header = vec![0; header_bytes as usize];
        file.read_exact(&mut header)
            .map_err(|source| ImportWeightsError::Read { path: path.clone(), source })?;
        // This also checks that offsets follow each other without gaps and that lengths are
        // those of the shapes.
        let metadata: Metadata = serde_json::from_slice(&header)
            .map_err(|source| ImportWeightsError::HeaderForm { path: path.clone(), source })?;
        let data_at = PREFIX_BYTES + header_bytes;
        let expected = data_at.saturating_add(metadata.data_len() as u64);
        if found != expected {
            return Err(ImportWeightsError::Length { path, found, expected });
        }
        let tensors = metadata.tensors().into_iter().map(|(name, info)| (name, info.clone())).collect();
        Ok(Self { path, file, data_at, tensors })
    }

    /// The values of a tensor that [`is_readable`], exactly.
    ///
    /// # Errors
    /// The file cannot be read, or a value is infinite or not a number.
    pub(super) fn read(&mut self, name: &str) -> Result<HostTensor, ImportWeightsError> {
        let failed = |source| ImportWeightsError::Read { path: self.path.clone(), source };
        let info = self.tensors.get(name).ok_or_else(|| failed(std::io::ErrorKind::NotFound.into()))?;
        let (start, end) = info.data_offsets;
        let mut bytes = vec![0; end - start];
        self.file.seek(SeekFrom::Start(self.data_at + start as u64)).map_err(failed)?;
        self.file.read_exact(&mut bytes).map_err(failed)?;
        let halves = || bytes.chunks_exact(2).map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]]));
        let values: Vec<f32> = match info.dtype {
            Dtype::F16 => halves().map(|bits| half::f16::from_bits(bits).to_f32()).collect(),
            Dtype::BF16 => halves().map(|bits| half::bf16::from_bits(bits).to_f32()).collect(),
            _ => floats(&bytes),
        };
        let tensor = HostTensor { shape: info.shape.clone(), values };
        match tensor.first_not_finite() {
            None => Ok(tensor),
            Some(index) => {
                let (path, tensor) = (self.path.clone(), name.to_owned());
                Err(ImportWeightsError::NotFinite { path, tensor, index })
            }
        }
    }
}

/// Whether values of this type are f32, or become f32 without a loss.
pub(super) fn is_readable(dtype: Dtype) -> bool {
    matches!(dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16)
}

/// What a file that begins so is, if it is something that people take for weights.
fn other_format(prefix: &[u8]) -> Option<&'static str> {
    match prefix {
        [b'P', b'K', 3, 4, ..] => Some("a zip archive, as torch.save writes it around a pickle"),
        [0x80, 2..=5, ..] => Some("a pickle, which can run programs when it is read"),
        [0x89, b'H', b'D', b'F', ..] => Some("an HDF5 file"),
        [b'G', b'G', b'U', b'F', ..] => Some("a GGUF file"),
        _ => None,
    }
}
