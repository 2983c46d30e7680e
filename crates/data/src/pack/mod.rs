//! Opening packs: everything a manifest says about its shards is checked, then believed.
//!
//! After [`Pack::open`] every image can be found, every label is one of the pack's classes,
//! and the classes have as many images as the manifest says. Pixels are not looked at, nor is
//! what JPEGs hold; [`Pack::verify`] compares every byte with the digests.

mod error;
mod manifest;

use std::path::{Path, PathBuf};

use selffer_core::{
    ids::Digest,
    pack::{MANIFEST_FILE, PackManifest, Subset},
};

pub use error::PackError;
pub use manifest::read_manifest;
pub(crate) use selffer_core::pack::{IMAGES_MAX, check_image};

use crate::{
    picture::{CodedImages, CodedRoom},
    shards::{Held, MappedShard},
};

/// An opened pack.
#[derive(Debug)]
pub struct Pack {
    manifest: PackManifest,
    digest: Digest,
    train: Images,
    validation: Images,
}

/// The images of one subset, mapped: reading one costs no copy, unless it is to be decoded.
#[derive(Debug)]
pub struct Images {
    shards: Vec<MappedShard>,
    // Index of the first image after each shard.
    ends: Vec<usize>,
    image_bytes: usize,
    coded: CodedImages,
}

/// Room for one decoded image; whoever reads many keeps it from one to the next.
#[derive(Debug, Default)]
pub struct ImageBuffer {
    room: CodedRoom,
}

impl Pack {
    /// Opens the pack in this folder.
    ///
    /// Reads the manifest, every shard's header and labels; costs milliseconds, also for
    /// a million images.
    ///
    /// # Errors
    /// Whatever is missing, or does not agree with the manifest, with file and byte.
    pub fn open(folder: &Path) -> Result<Self, PackError> {
        let manifest = manifest::read_manifest(&folder.join(MANIFEST_FILE))?;
        let train = Images::open(folder, &manifest, &manifest.train)?;
        let validation = Images::open(folder, &manifest, &manifest.validation)?;
        Ok(Self { digest: manifest.digest(), manifest, train, validation })
    }

    /// Compares every shard with its digest; reads all bytes.
    ///
    /// # Errors
    /// The first shard that differs.
    pub fn verify(&self) -> Result<(), PackError> {
        let subsets = [(&self.train, &self.manifest.train), (&self.validation, &self.manifest.validation)];
        for (images, subset) in subsets {
            for (mapped, shard) in images.shards.iter().zip(&subset.shards) {
                let found = mapped.digest();
                if found != shard.digest {
                    let path = mapped.path().to_path_buf();
                    return Err(PackError::Digest { path, found, expected: shard.digest });
                }
            }
        }
        Ok(())
    }

    /// What the pack says about itself.
    #[must_use]
    pub fn manifest(&self) -> &PackManifest {
        &self.manifest
    }

    /// The pack's name for machines.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Images to train on.
    #[must_use]
    pub fn train(&self) -> &Images {
        &self.train
    }

    /// Images to test on.
    #[must_use]
    pub fn validation(&self) -> &Images {
        &self.validation
    }
}

impl Images {
    fn open(folder: &Path, manifest: &PackManifest, subset: &Subset) -> Result<Self, PackError> {
        let mut shards = Vec::with_capacity(subset.shards.len());
        let mut ends = Vec::with_capacity(subset.shards.len());
        let mut counts = vec![0_u64; manifest.classes.len()];
        let mut end = 0;
        for shard in &subset.shards {
            let mapped = MappedShard::open(&folder.join(&shard.file), shard, manifest)?;
            count_labels(&mapped, &mut counts)?;
            end += mapped.len();
            ends.push(end);
            shards.push(mapped);
        }
        if let Some(class) = (0..counts.len()).find(|&class| counts[class] != subset.images_per_class[class])
        {
            let path = shards.first().map_or_else(PathBuf::new, |shard| shard.path().to_path_buf());
            let expected = subset.images_per_class[class];
            return Err(PackError::ImagesPerClass { path, class, found: counts[class], expected });
        }
        Ok(Self { shards, ends, image_bytes: manifest.image.bytes(), coded: CodedImages::of(manifest) })
    }

    /// How many images.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    /// Whether there are none; never true of an opened pack.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of one image: height × width × channels.
    #[must_use]
    pub fn image_bytes(&self) -> usize {
        self.image_bytes
    }

    /// Pixels of one image, `[H, W, C]`: mapped, or decoded into the buffer.
    ///
    /// # Errors
    /// The image is coded and cannot be decoded.
    ///
    /// # Panics
    /// If `index` is not below [`Images::len`].
    pub fn image<'a>(&'a self, index: usize, buffer: &'a mut ImageBuffer) -> Result<&'a [u8], PackError> {
        let (shard, index) = self.locate(index);
        match shard.image(index) {
            Held::Pixels(pixels) => Ok(pixels),
            Held::Jpeg(coded) => self
                .coded
                .decode(coded, &mut buffer.room)
                .map_err(|source| PackError::Image { path: shard.path().to_path_buf(), index, source }),
        }
    }

    /// Class of one image, an index into the manifest's classes.
    ///
    /// # Panics
    /// If `index` is not below [`Images::len`].
    #[must_use]
    pub fn label(&self, index: usize) -> u32 {
        let (shard, index) = self.locate(index);
        shard.label(index)
    }

    fn locate(&self, index: usize) -> (&MappedShard, usize) {
        assert!(index < self.len(), "image {index} of {}", self.len());
        let position = self.ends.partition_point(|&end| end <= index);
        let first = if position == 0 { 0 } else { self.ends[position - 1] };
        (&self.shards[position], index - first)
    }
}

fn count_labels(shard: &MappedShard, counts: &mut [u64]) -> Result<(), PackError> {
    for index in 0..shard.len() {
        let label = shard.label(index);
        let Some(count) = counts.get_mut(label as usize) else {
            return Err(PackError::Label {
                path: shard.path().to_path_buf(),
                offset: shard.label_offset(index),
                label,
                class_count: counts.len(),
            });
        };
        *count += 1;
    }
    Ok(())
}
