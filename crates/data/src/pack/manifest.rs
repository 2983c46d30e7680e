//! Reading a manifest: hostile until checked.

use std::path::{Path, PathBuf};

use selffer_core::{limits::CONTROL_MESSAGE_BYTES_MAX, pack::PackManifest};

use super::PackError;
use crate::bounded::read_at_most;

// A manifest travels in one message.
const MANIFEST_BYTES_MAX: u64 = CONTROL_MESSAGE_BYTES_MAX as u64;

/// Reads and checks the manifest in this file, without looking at the shards it lists.
///
/// # Errors
/// The file cannot be read, or is no manifest of a pack.
pub fn read_manifest(path: &Path) -> Result<PackManifest, PackError> {
    let failed = |source| PackError::Read { path: path.to_path_buf(), source };
    let Some(text) = read_at_most(path, MANIFEST_BYTES_MAX).map_err(failed)? else {
        // Of what is beyond the limit no more than one byte is looked at.
        let (path, found) = (path.to_path_buf(), MANIFEST_BYTES_MAX + 1);
        return Err(PackError::ManifestTooLong { path, found, limit: MANIFEST_BYTES_MAX });
    };
    let manifest: PackManifest = serde_json::from_slice(&text)
        .map_err(|source| PackError::ManifestForm { path: path.to_path_buf(), source })?;
    manifest.check().map_err(|problem| PackError::Manifest { path: PathBuf::from(path), problem })?;
    Ok(manifest)
}
