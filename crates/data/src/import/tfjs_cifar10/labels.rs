//! A file of labels: one JSON list of class indices.

use std::path::Path;

use super::ImportError;
use crate::bounded::read_at_most;

/// Ten times what the package's longer list has.
const BYTES_MAX: u64 = 1 << 20;

/// Reads the labels in this file, each of which must be below `class_count`.
pub(super) fn read(path: &Path, class_count: usize) -> Result<Vec<u32>, ImportError> {
    let failed = |source| ImportError::Open { path: path.to_path_buf(), source };
    let Some(text) = read_at_most(path, BYTES_MAX).map_err(failed)? else {
        return Err(ImportError::LabelsTooLong { path: path.to_path_buf(), limit: BYTES_MAX });
    };
    let labels: Vec<u32> = serde_json::from_slice(&text)
        .map_err(|source| ImportError::LabelsForm { path: path.to_path_buf(), source })?;
    match labels.iter().position(|&label| label as usize >= class_count) {
        None => Ok(labels),
        Some(index) => {
            Err(ImportError::Label { path: path.to_path_buf(), index, label: labels[index], class_count })
        }
    }
}
