//! Reading a shard: its length and header are checked before anything is believed.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use safetensors::{Dtype, SafeTensors, tensor::TensorInfo};
use selffer_core::{ids::Digest, limits::SAFETENSORS_HEADER_BYTES_MAX, pack::Shard, spec::ImageShape};

use super::map::MappedFile;
use crate::PackError;

// A safetensors file begins with the length of its header, u64.
const PREFIX_BYTES: u64 = 8;

/// One shard of a pack, mapped, with labels and images found.
#[derive(Debug)]
pub(crate) struct MappedShard {
    path: PathBuf,
    bytes: MappedFile,
    count: usize,
    image_bytes: usize,
    // From the start of the file.
    labels_at: usize,
    images_at: usize,
}

impl MappedShard {
    /// Opens the shard in this file, which must be what the manifest says.
    pub(crate) fn open(path: &Path, shard: &Shard, image: ImageShape) -> Result<Self, PackError> {
        let failed = |source| PackError::Read { path: path.to_path_buf(), source };
        let file = File::open(path).map_err(failed)?;
        let found = file.metadata().map_err(failed)?.len();
        if found != shard.bytes || found < PREFIX_BYTES {
            let expected = shard.bytes.max(PREFIX_BYTES);
            return Err(PackError::Length { path: path.to_path_buf(), found, expected });
        }
        let bytes = MappedFile::of(&file).map_err(failed)?;
        let (labels_at, images_at) = find_tensors(path, &bytes, shard, image)?;
        let image_bytes = image.height as usize * image.width as usize * image.channels as usize;
        let count = shard.images as usize;
        Ok(Self { path: path.to_path_buf(), bytes, count, image_bytes, labels_at, images_at })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Images in it.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// BLAKE3 of the file; reads all of it.
    pub(crate) fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }

    /// Pixels of its `index`-th image.
    pub(crate) fn image(&self, index: usize) -> &[u8] {
        let start = self.images_at + index * self.image_bytes;
        &self.bytes[start..start + self.image_bytes]
    }

    /// Class of its `index`-th image.
    pub(crate) fn label(&self, index: usize) -> u32 {
        let start = self.labels_at + index * 4;
        let bytes = self.bytes[start..start + 4].try_into().expect("a slice of 4 is an array of 4");
        u32::from_le_bytes(bytes)
    }

    /// Where in the file the `index`-th label is, in bytes from its start.
    pub(crate) fn label_offset(&self, index: usize) -> u64 {
        (self.labels_at + index * 4) as u64
    }
}

/// Where labels and images begin in the file.
fn find_tensors(
    path: &Path,
    bytes: &[u8],
    shard: &Shard,
    image: ImageShape,
) -> Result<(usize, usize), PackError> {
    let prefix = bytes[..PREFIX_BYTES as usize].try_into().expect("the file has 8 bytes: checked by open()");
    let found = u64::from_le_bytes(prefix);
    let limit = SAFETENSORS_HEADER_BYTES_MAX.min(bytes.len() as u64 - PREFIX_BYTES);
    if found > limit {
        return Err(PackError::HeaderLength { path: path.to_path_buf(), found, limit });
    }
    // This also checks that offsets follow each other without gaps and end with the file.
    let (header_bytes, metadata) = SafeTensors::read_metadata(bytes)
        .map_err(|source| PackError::HeaderForm { path: path.to_path_buf(), source })?;
    let tensors = metadata.tensors();
    let images = shard.images as usize;
    let shape = [images, image.height as usize, image.width as usize, image.channels as usize];
    let is = |name, dtype, shape: &[usize]| {
        tensors.get(name).filter(|info: &&&TensorInfo| info.dtype == dtype && info.shape == shape)
    };
    let (Some(labels), Some(images), 2) =
        (is("labels", Dtype::U32, &[images]), is("images", Dtype::U8, &shape), tensors.len())
    else {
        let mut found: Vec<_> = tensors.iter().map(|(name, info)| describe(name, info)).collect();
        found.sort();
        return Err(PackError::Tensors {
            path: path.to_path_buf(),
            found: found.join(", "),
            expected: format!("images U8 {shape:?}, labels U32 [{images}]"),
        });
    };
    let start = PREFIX_BYTES as usize + header_bytes;
    Ok((start + labels.data_offsets.0, start + images.data_offsets.0))
}

fn describe(name: &str, info: &TensorInfo) -> String {
    let name: String = name.chars().take(128).collect();
    format!("{name} {:?} {:?}", info.dtype, info.shape)
}
