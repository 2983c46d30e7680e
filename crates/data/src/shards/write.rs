//! Writing packs: whole or not at all.
//!
//! The same images give the same bytes, and with them the same digest, on every machine.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};

use selffer_core::{
    identity::canonical_json,
    ids::Digest,
    pack::{Class, Encoding, MANIFEST_FILE, PackManifest, SCHEMA, Shard, Subset},
    spec::{Half, ImageShape},
};

use crate::partial::{Partial, WriteError};

/// A shard's images and labels, in bytes at most; its header comes on top.
const SHARD_BYTES_MAX: u64 = (256 << 20) - 4096;

/// A pack in the making; dropped before [`PackWriter::finish`], it leaves nothing.
#[derive(Debug)]
pub struct PackWriter {
    image: ImageShape,
    partial: Partial,
}

/// The images of a subset as an importer has them.
pub struct SubsetImages<'a, E> {
    /// `train` or `validation`; names the shards.
    pub name: &'static str,
    /// The label of each image; each is below `class_count`.
    pub labels: &'a [u32],
    /// How many classes there are.
    pub class_count: usize,
    /// Fills the buffer with the pixels `[H, W, C]` of the next image.
    pub next_image: &'a mut dyn FnMut(&mut [u8]) -> Result<(), E>,
}

impl PackWriter {
    /// Begins a pack that will be at `out`, where nothing may be.
    ///
    /// # Errors
    /// `out` exists, another process writes there, or the disk refuses.
    pub fn create(out: &Path, image: ImageShape) -> Result<Self, WriteError> {
        Ok(Self { image, partial: Partial::create(out)? })
    }

    /// Writes one subset's shards, in order.
    ///
    /// # Errors
    /// What `next_image` answers, or what the disk refuses.
    pub fn write_subset<E: From<WriteError>>(&mut self, subset: SubsetImages<'_, E>) -> Result<Subset, E> {
        let SubsetImages { name, labels, class_count, next_image } = subset;
        let mut images_per_class = vec![0; class_count];
        for &label in labels {
            images_per_class[label as usize] += 1;
        }
        let images_per_shard = (SHARD_BYTES_MAX / (self.image_bytes() as u64 + 4)).max(1) as usize;
        let mut shards = Vec::new();
        for (index, labels) in labels.chunks(images_per_shard).enumerate() {
            let file = format!("{name}-{index:05}.safetensors");
            shards.push(self.write_shard(file, labels, next_image)?);
        }
        Ok(Subset { images_per_class, shards })
    }

    /// Writes the manifest and puts the pack in its place, to stay there after a power cut.
    ///
    /// # Errors
    /// The disk refuses, or something came to be at the target meanwhile.
    pub fn finish(
        self,
        classes: Vec<Class>,
        groupings: std::collections::BTreeMap<String, Vec<Half>>,
        train: Subset,
        validation: Subset,
    ) -> Result<PackManifest, WriteError> {
        let schema = SCHEMA.to_owned();
        let (image, preparation, encoding) = (self.image, None, Encoding::Pixels);
        let manifest =
            PackManifest { schema, image, preparation, encoding, classes, groupings, train, validation };
        self.partial.write(MANIFEST_FILE, canonical_json(&manifest).as_bytes())?;
        self.partial.finish()?;
        Ok(manifest)
    }

    fn image_bytes(&self) -> usize {
        self.image.height as usize * self.image.width as usize * self.image.channels as usize
    }

    fn write_shard<E: From<WriteError>>(
        &mut self,
        file: String,
        labels: &[u32],
        next_image: &mut dyn FnMut(&mut [u8]) -> Result<(), E>,
    ) -> Result<Shard, E> {
        let path = self.partial.path(&file);
        let failed = |source| WriteError::Write { path: path.clone(), source };
        let mut writer = HashedFile::create(&path).map_err(failed)?;
        writer.write(&header(labels.len(), self.image)).map_err(failed)?;
        for label in labels {
            writer.write(&label.to_le_bytes()).map_err(failed)?;
        }
        let mut pixels = vec![0; self.image_bytes()];
        for _ in labels {
            next_image(&mut pixels)?;
            writer.write(&pixels).map_err(failed)?;
        }
        let (bytes, digest) = writer.finish().map_err(failed)?;
        Ok(Shard { file, images: labels.len() as u64, bytes, digest })
    }
}

/// The safetensors header of a shard, with its length prefix, padded to 8 bytes.
fn header(count: usize, image: ImageShape) -> Vec<u8> {
    let (height, width, channels) = (image.height, image.width, image.channels);
    let labels_end = count * 4;
    let images_end = labels_end + count * height as usize * width as usize * channels as usize;
    let mut text = format!(
        "{{\"labels\":{{\"dtype\":\"U32\",\"shape\":[{count}],\"data_offsets\":[0,{labels_end}]}},\
         \"images\":{{\"dtype\":\"U8\",\"shape\":[{count},{height},{width},{channels}],\
         \"data_offsets\":[{labels_end},{images_end}]}}}}"
    );
    while text.len() % 8 != 0 {
        text.push(' ');
    }
    let mut header = (text.len() as u64).to_le_bytes().to_vec();
    header.extend_from_slice(text.as_bytes());
    header
}

/// A file that knows its length and digest.
struct HashedFile {
    writer: BufWriter<File>,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl HashedFile {
    fn create(path: &Path) -> io::Result<Self> {
        let writer = BufWriter::with_capacity(1 << 20, File::create(path)?);
        Ok(Self { writer, hasher: blake3::Hasher::new(), bytes: 0 })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        self.writer.write_all(bytes)
    }

    fn finish(self) -> io::Result<(u64, Digest)> {
        self.writer.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        Ok((self.bytes, Digest(*self.hasher.finalize().as_bytes())))
    }
}
