//! A file of labels: one JSON list of class indices.

use std::{fs::File, io::Read as _, path::Path};

use super::ImportError;

/// Ten times what the package's longer list has.
const BYTES_MAX: u64 = 1 << 20;

/// Reads the labels in this file, each of which must be below `class_count`.
pub(super) fn read(path: &Path, class_count: usize) -> Result<Vec<u32>, ImportError> {
    let failed = |source| ImportError::Open { path: path.to_path_buf(), source };
    let mut text = Vec::new();
    File::open(path).map_err(failed)?.take(BYTES_MAX + 1).read_to_end(&mut text).map_err(failed)?;
    if text.len() as u64 > BYTES_MAX {
        return Err(ImportError::LabelsTooLong { path: path.to_path_buf(), limit: BYTES_MAX });
    }
    let labels: Vec<u32> = serde_json::from_slice(&text)
        .map_err(|source| ImportError::LabelsForm { path: path.to_path_buf(), source })?;
    match labels.iter().position(|&label| label as usize >= class_count) {
        None => Ok(labels),
        Some(index) => {
            Err(ImportError::Label { path: path.to_path_buf(), index, label: labels[index], class_count })
        }
    }
}
