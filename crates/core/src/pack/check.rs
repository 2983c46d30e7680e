//! What must hold within a manifest before anything is built on it.

use std::collections::BTreeSet;

use super::{Encoding, PackManifest, Preparation, SCHEMA, Subset};
use crate::{
    ids::Name,
    spec::{Half, ImageShape},
};

/// Classes of one pack; far above any image set.
const CLASSES_MAX: usize = 100_000;
/// Rows or columns of an image.
const SIDE_MAX: u32 = 4_096;
/// The most images of a subset: they are indexed by u32.
pub const IMAGES_MAX: u64 = u32::MAX as u64;

/// What is wrong with a manifest that somebody sent or left in a folder.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackManifestError {
    /// Made by another version of the program, or no manifest.
    #[error("schema is {given:?}, expected {SCHEMA:?}")]
    Schema {
        /// As given.
        given: String,
    },
    /// An image that nothing can be trained on.
    #[error("image is {height}x{width}x{channels}, but sides are 1 to {SIDE_MAX} and channels 1 or 3")]
    Image {
        /// Rows.
        height: u32,
        /// Columns.
        width: u32,
        /// Channels.
        channels: u32,
    },
    /// Images of another shape than the pictures were prepared for.
    #[error(
        "images of {height}×{width} pixels and {channels} channels were not prepared with {preparation:?}"
    )]
    Preparation {
        /// Rows.
        height: u32,
        /// Columns.
        width: u32,
        /// Channels.
        channels: u32,
        /// As given.
        preparation: Preparation,
    },
    /// A quality that JPEG does not have.
    #[error("encoding: jpeg quality {quality} is not in 1 to 100")]
    Quality {
        /// As given.
        quality: u8,
    },
    /// No classes, or too many.
    #[error("{count} classes; a pack has 2 to {CLASSES_MAX}")]
    Classes {
        /// How many.
        count: usize,
    },
    /// A grouping with the wrong number of classes, or with a class in neither half.
    #[error("groupings.{name} must hold A or B for each of the {classes} classes")]
    Grouping {
        /// Which.
        name: String,
        /// Classes of the pack.
        classes: usize,
    },
    /// A count list of the wrong length.
    #[error("{subset}.images_per_class has {found} entries for {classes} classes")]
    CountsLength {
        /// `train` or `validation`.
        subset: &'static str,
        /// Entries.
        found: usize,
        /// Classes of the pack.
        classes: usize,
    },
    /// Counts that do not add up.
    #[error("{subset}: the classes have {by_class} images, but the shards {by_shard}")]
    CountsSum {
        /// `train` or `validation`.
        subset: &'static str,
        /// Sum over classes.
        by_class: u64,
        /// Sum over shards.
        by_shard: u64,
    },
    /// A subset without images, or with more than can be indexed.
    #[error("{subset} has {images} images, expected 1 to {IMAGES_MAX}")]
    ImageCount {
        /// `train` or `validation`.
        subset: &'static str,
        /// How many.
        images: u64,
    },
    /// A shard whose name could be a path, or that is named twice.
    #[error("{subset}.shards: {file:?} is not a file name of its own")]
    ShardFile {
        /// `train` or `validation`.
        subset: &'static str,
        /// As given.
        file: String,
    },
}

/// Whether images of this shape can be imported and trained on.
///
/// # Errors
/// A side is 0 or above 4096, or there are neither 1 nor 3 channels.
pub fn check_image(image: ImageShape) -> Result<(), PackManifestError> {
    let ImageShape { height, width, channels } = image;
    let side = 1..=SIDE_MAX;
    if side.contains(&height) && side.contains(&width) && matches!(channels, 1 | 3) {
        return Ok(());
    }
    Err(PackManifestError::Image { height, width, channels })
}

impl PackManifest {
    /// Checks what a maker may have got wrong; the shards' bytes are another matter.
    ///
    /// # Errors
    /// The first violation found.
    pub fn check(&self) -> Result<(), PackManifestError> {
        if self.schema != SCHEMA {
            return Err(PackManifestError::Schema { given: self.schema.chars().take(64).collect() });
        }
        check_image(self.image)?;
        self.check_making()?;
        let classes = self.classes.len();
        if !(2..=CLASSES_MAX).contains(&classes) {
            return Err(PackManifestError::Classes { count: classes });
        }
        for (name, halves) in &self.groupings {
            if halves.len() != classes || halves.contains(&Half::W) {
                return Err(PackManifestError::Grouping { name: name.clone(), classes });
            }
        }
        check_counts("train", &self.train, classes)?;
        check_counts("validation", &self.validation, classes)?;
        self.check_shard_files()
    }

    fn check_making(&self) -> Result<(), PackManifestError> {
        if let Encoding::Jpeg { quality } = self.encoding
            && !(1..=100).contains(&quality)
        {
            return Err(PackManifestError::Quality { quality });
        }
        let (height, width, channels) = (self.image.height, self.image.width, self.image.channels);
        match self.preparation {
            Some(preparation)
                if (height, width, channels)
                    != (preparation.side, preparation.side, preparation.channels.count()) =>
            {
                Err(PackManifestError::Preparation { height, width, channels, preparation })
            }
            _ => Ok(()),
        }
    }

    fn check_shard_files(&self) -> Result<(), PackManifestError> {
        let mut files = BTreeSet::new();
        for (subset, facts) in [("train", &self.train), ("validation", &self.validation)] {
            for shard in &facts.shards {
                if shard.file.parse::<Name>().is_err() || !files.insert(&shard.file) {
                    let file = shard.file.chars().take(128).collect();
                    return Err(PackManifestError::ShardFile { subset, file });
                }
            }
        }
        Ok(())
    }
}

fn check_counts(subset: &'static str, counts: &Subset, classes: usize) -> Result<(), PackManifestError> {
    let found = counts.images_per_class.len();
    if found != classes {
        return Err(PackManifestError::CountsLength { subset, found, classes });
    }
    // Saturating: a hostile sum must not wrap into a plausible one.
    let by_class = counts.images_per_class.iter().copied().fold(0, u64::saturating_add);
    let by_shard = counts.shards.iter().map(|shard| shard.images).fold(0, u64::saturating_add);
    if by_class != by_shard {
        return Err(PackManifestError::CountsSum { subset, by_class, by_shard });
    }
    if !(1..=IMAGES_MAX).contains(&by_shard) {
        return Err(PackManifestError::ImageCount { subset, images: by_shard });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ids::Digest,
        pack::{ChannelOrder, Class, Resize, Shard},
    };

    fn subset(file: &str, images: u64) -> Subset {
        let shard = Shard { file: file.into(), images, bytes: 1, digest: Digest::of(b"x") };
        Subset { images_per_class: vec![images / 2, images - images / 2], shards: vec![shard] }
    }

    fn manifest() -> PackManifest {
        PackManifest {
            schema: SCHEMA.into(),
            image: ImageShape { height: 28, width: 28, channels: 1 },
            preparation: None,
            encoding: Encoding::Pixels,
            classes: vec![Class::named("bag"), Class::named("boot")],
            groupings: [("manmade-natural".to_owned(), vec![Half::A, Half::B])].into(),
            train: subset("train-00000.safetensors", 10),
            validation: subset("validation-00000.safetensors", 4),
        }
    }

    #[test]
    fn a_manifest_that_adds_up_passes() {
        manifest().check().unwrap();
    }

    #[test]
    fn each_contradiction_is_found() {
        let cases: [fn(&mut PackManifest); 11] = [
            |pack| pack.schema = "other".into(),
            |pack| pack.image.channels = 2,
            |pack| pack.image.width = 0,
            |pack| pack.encoding = Encoding::Jpeg { quality: 0 },
            |pack| {
                let (resize, channels) = (Resize::Squash, ChannelOrder::Rgb);
                pack.preparation = Some(Preparation { resize, side: 28, channels });
            },
            |pack| pack.classes.truncate(1),
            |pack| pack.groupings.values_mut().for_each(|halves| halves[0] = Half::W),
            |pack| pack.train.images_per_class[0] += 1,
            |pack| pack.validation.images_per_class.push(0),
            |pack| {
                pack.validation.images_per_class.fill(0);
                pack.validation.shards.clear();
            },
            |pack| pack.validation.shards[0].file = pack.train.shards[0].file.clone(),
        ];
        for (index, spoil) in cases.iter().enumerate() {
            let mut pack = manifest();
            spoil(&mut pack);
            assert!(pack.check().is_err(), "case {index}");
        }
        let mut pack = manifest();
        pack.train.shards[0].file = "../token".into();
        assert_eq!(
            pack.check(),
            Err(PackManifestError::ShardFile { subset: "train", file: "../token".into() })
        );
    }
}
