//! Reading a manifest: hostile until checked.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use selffer_core::{limits::CONTROL_MESSAGE_BYTES_MAX, pack::PackManifest};

use super::PackError;

// A manifest travels in one message.
const MANIFEST_BYTES_MAX: u64 = CONTROL_MESSAGE_BYTES_MAX as u64;

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
    manifest.check().map_err(|problem| PackError::Manifest { path: PathBuf::from(path), problem })?;
    Ok(manifest)
}
