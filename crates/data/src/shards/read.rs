//! Reading a shard: its length and header are checked before anything is believed.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use safetensors::{
    Dtype, SafeTensors,
    tensor::{Metadata, TensorInfo},
};
use selffer_core::{
    ids::Digest,
    limits::SAFETENSORS_HEADER_BYTES_MAX,
    pack::{Encoding, PackManifest, Shard},
    spec::ImageShape,
};

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
    // From the start of the file.
    labels_at: usize,
    images: HeldAt,
}

/// Where the images are, in bytes from the start of the file.
#[derive(Clone, Copy, Debug)]
enum HeldAt {
    Pixels { images_at: usize, image_bytes: usize },
    Jpegs { ends_at: usize, jpegs_at: usize },
}

/// One image as it rests.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Held<'a> {
    /// Its pixels `[H, W, C]`.
    Pixels(&'a [u8]),
    /// To be decoded.
    Jpeg(&'a [u8]),
}

impl MappedShard {
    /// Opens the shard in this file, which must be what the manifest says.
    pub(crate) fn open(path: &Path, shard: &Shard, manifest: &PackManifest) -> Result<Self, PackError> {
        let failed = |source| PackError::Read { path: path.to_path_buf(), source };
        let file = File::open(path).map_err(failed)?;
        let found = file.metadata().map_err(failed)?.len();
        if found != shard.bytes || found < PREFIX_BYTES {
            let expected = shard.bytes.max(PREFIX_BYTES);
            return Err(PackError::Length { path: path.to_path_buf(), found, expected });
        }
        let bytes = MappedFile::of(&file).map_err(failed)?;
        let header = Header::read(path, &bytes)?;
        let (labels_at, images) = match manifest.encoding {
            Encoding::Pixels => header.find_pixels(shard, manifest.image)?,
            Encoding::Jpeg { .. } => header.find_jpegs(shard, &bytes)?,
        };
        let count = shard.images as usize;
        Ok(Self { path: path.to_path_buf(), bytes, count, labels_at, images })
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

    /// Its `index`-th image.
    pub(crate) fn image(&self, index: usize) -> Held<'_> {
        match self.images {
            HeldAt::Pixels { images_at, image_bytes } => {
                let start = images_at + index * image_bytes;
                Held::Pixels(&self.bytes[start..start + image_bytes])
            }
            HeldAt::Jpegs { ends_at, jpegs_at } => {
                // Ends increase and stay within the file: checked by open().
                let end = |index: usize| read_u64(&self.bytes, ends_at + index * 8) as usize;
                let start = if index == 0 { 0 } else { end(index - 1) };
                Held::Jpeg(&self.bytes[jpegs_at + start..jpegs_at + end(index)])
            }
        }
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

/// A shard's header, of which only the form was checked.
struct Header<'a> {
    path: &'a Path,
    metadata: Metadata,
    // From the start of the file.
    tensors_at: usize,
}

impl<'a> Header<'a> {
    fn read(path: &'a Path, bytes: &[u8]) -> Result<Self, PackError> {
        let found = read_u64(bytes, 0);
        let limit = SAFETENSORS_HEADER_BYTES_MAX.min(bytes.len() as u64 - PREFIX_BYTES);
        if found > limit {
            return Err(PackError::HeaderLength { path: path.to_path_buf(), found, limit });
        }
        // This also checks that offsets follow each other without gaps and end with the file.
        let (header_bytes, metadata) = SafeTensors::read_metadata(bytes)
            .map_err(|source| PackError::HeaderForm { path: path.to_path_buf(), source })?;
        Ok(Self { path, metadata, tensors_at: PREFIX_BYTES as usize + header_bytes })
    }

    /// Where labels and pixels are.
    fn find_pixels(&self, shard: &Shard, image: ImageShape) -> Result<(usize, HeldAt), PackError> {
        let count = shard.images as usize;
        let shape = [count, image.height as usize, image.width as usize, image.channels as usize];
        let labels = self.tensor("labels", Dtype::U32, &[count]);
        let images = self.tensor("images", Dtype::U8, &shape);
        let (Some(labels_at), Some(images_at), 2) = (labels, images, self.metadata.tensors().len()) else {
            return Err(self.unexpected(format!("images U8 {shape:?}, labels U32 [{count}]")));
        };
        Ok((labels_at, HeldAt::Pixels { images_at, image_bytes: shape[1..].iter().product() }))
    }

    /// Where labels, ends and JPEGs are; the ends are checked.
    fn find_jpegs(&self, shard: &Shard, bytes: &[u8]) -> Result<(usize, HeldAt), PackError> {
        let count = shard.images as usize;
        let jpegs_bytes = match self.metadata.tensors().get("jpegs").map(|info| info.shape.as_slice()) {
            Some(&[bytes]) => bytes,
            _ => 0,
        };
        let labels = self.tensor("labels", Dtype::U32, &[count]);
        let ends = self.tensor("ends", Dtype::U64, &[count]);
        let jpegs = self.tensor("jpegs", Dtype::U8, &[jpegs_bytes]);
        let (Some(labels_at), Some(ends_at), Some(jpegs_at), 3) =
            (labels, ends, jpegs, self.metadata.tensors().len())
        else {
            let expected = format!("ends U64 [{count}], jpegs U8 of one dimension, labels U32 [{count}]");
            return Err(self.unexpected(expected));
        };
        let mut start = 0;
        for index in 0..count {
            let at = ends_at + index * 8;
            let found = read_u64(bytes, at);
            let last = jpegs_bytes as u64;
            let first = if index + 1 == count { last } else { start + 1 };
            if found <= start || found < first || found > last {
                let (path, offset) = (self.path.to_path_buf(), at as u64);
                return Err(PackError::JpegEnd { path, offset, index, found, first, last });
            }
            start = found;
        }
        Ok((labels_at, HeldAt::Jpegs { ends_at, jpegs_at }))
    }

    fn tensor(&self, name: &str, dtype: Dtype, shape: &[usize]) -> Option<usize> {
        let tensors = self.metadata.tensors();
        let info = tensors.get(name).filter(|info| info.dtype == dtype && info.shape == shape)?;
        Some(self.tensors_at + info.data_offsets.0)
    }

    fn unexpected(&self, expected: String) -> PackError {
        let tensors = self.metadata.tensors();
        let mut found: Vec<_> = tensors.iter().map(|(name, info)| describe(name, info)).collect();
        found.sort();
        PackError::Tensors { path: self.path.to_path_buf(), found: found.join(", "), expected }
    }
}

fn describe(name: &str, info: &TensorInfo) -> String {
    let name: String = name.chars().take(128).collect();
    format!("{name} {:?} {:?}", info.dtype, info.shape)
}

/// The number at this place, which must be within.
fn read_u64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("a slice of 8 is an array of 8"))
}
