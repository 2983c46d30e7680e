//! Reading a manifest: hostile until checked.

use std::{
    collections::BTreeSet,
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use selffer_core::{
    ids::Name,
    limits::CONTROL_MESSAGE_BYTES_MAX,
    pack::{PackManifest, SCHEMA, Subset},
    spec::Half,
};

use super::{ManifestProblem, PackError};

// A manifest travels in one message.
const MANIFEST_BYTES_MAX: u64 = CONTROL_MESSAGE_BYTES_MAX as u64;
/// The longest side of an image, in pixels.
pub(crate) const SIDE_MAX: u32 = 4096;
/// The most images of a subset: they are indexed by u32.
pub(crate) const IMAGES_MAX: u64 = u32::MAX as u64;

/// Reads and checks the manifest in this file, without looking at the shards it lists.
///
/// # Errors
/// The file cannot be read, or is no manifest of a pack.
pub fn read_manifest(path: &Path) -> Result<PackManifest, PackError> {
    let failed = |source| PackError::Read { path: path.to_path_buf(), source };
    let mut text = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(MANIFEST_BYTES_MAX + 1).read_to_end(&mut text).map_err(failed)?;
    let found = text.len() as u64;
    if found > MANIFEST_BYTES_MAX {
        return Err(PackError::ManifestTooLong {
            path: path.to_path_buf(),
            found,
            limit: MANIFEST_BYTES_MAX,
        });
    }
    let manifest: PackManifest = serde_json::from_slice(&text)
        .map_err(|source| PackError::ManifestForm { path: path.to_path_buf(), source })?;
    check(&manifest).map_err(|problem| PackError::Manifest { path: PathBuf::from(path), problem })?;
    Ok(manifest)
}

/// Whether images of this shape can be imported and trained on.
pub(crate) fn check_image(image: selffer_core::spec::ImageShape) -> Result<(), ManifestProblem> {
    let side_fits = |side| (1..=SIDE_MAX).contains(&side);
    if side_fits(image.height) && side_fits(image.width) && matches!(image.channels, 1 | 3) {
        return Ok(());
    }
    let (height, width, channels) = (image.height, image.width, image.channels);
    Err(ManifestProblem::Image { height, width, channels, side_max: SIDE_MAX })
}

fn check(manifest: &PackManifest) -> Result<(), ManifestProblem> {
    if manifest.schema != SCHEMA {
        return Err(ManifestProblem::Schema { found: manifest.schema.clone(), expected: SCHEMA });
    }
    check_image(manifest.image)?;
    let class_count = manifest.classes.len();
    if class_count == 0 {
        return Err(ManifestProblem::NoClasses);
    }
    for (grouping, halves) in &manifest.groupings {
        if halves.len() != class_count || halves.contains(&Half::W) {
            return Err(ManifestProblem::Grouping { grouping: grouping.clone(), class_count });
        }
    }
    let mut files = BTreeSet::new();
    check_subset("train", &manifest.train, class_count, &mut files)?;
    check_subset("validation", &manifest.validation, class_count, &mut files)
}

fn check_subset<'a>(
    subset: &'static str,
    facts: &'a Subset,
    class_count: usize,
    files: &mut BTreeSet<&'a str>,
) -> Result<(), ManifestProblem> {
    let found = facts.images_per_class.len();
    if found != class_count {
        return Err(ManifestProblem::CountsLength { subset, found, class_count });
    }
    for shard in &facts.shards {
        if shard.file.parse::<Name>().is_err() || !files.insert(&shard.file) {
            return Err(ManifestProblem::ShardName { subset, file: shard.file.clone() });
        }
    }
    // Saturating: a hostile sum must not wrap into a plausible one.
    let by_class = facts.images_per_class.iter().copied().fold(0, u64::saturating_add);
    let by_shard = facts.shards.iter().map(|shard| shard.images).fold(0, u64::saturating_add);
    if by_class != by_shard {
        return Err(ManifestProblem::CountsSum { subset, by_class, by_shard });
    }
    if !(1..=IMAGES_MAX).contains(&by_shard) {
        return Err(ManifestProblem::ImageCount { subset, images: by_shard, limit: IMAGES_MAX });
    }
    Ok(())
}
