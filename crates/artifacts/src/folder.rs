//! A chunk store's folder: made, rid of what writes that were cut off left, measured.

use std::{
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use nix::sys::statvfs::statvfs;
use object_store::{ObjectStore, local::LocalFileSystem};

use crate::ArtifactError;

/// What a disk has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// That this user may still fill.
    pub free_bytes: u64,
    /// In all.
    pub total_bytes: u64,
}

/// The objects of this folder, which is made, for this user alone, if it is not there.
pub(crate) fn objects(folder: &Path) -> Result<Arc<dyn ObjectStore>, ArtifactError> {
    // Also for those who made the folder around it themselves, open to others.
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|source| ArtifactError::file("create", folder, source))?;
    let objects = LocalFileSystem::new_with_prefix(folder)
        .map_err(|source| ArtifactError::file("open", folder, io::Error::other(source)))?;
    // Otherwise a chunk could be gone after a power failure though its row is there.
    Ok(Arc::new(objects.with_fsync(true)))
}

/// Removes the temporary files of writes that were cut off; how many.
pub(crate) fn remove_leftovers(folder: &Path) -> Result<u64, ArtifactError> {
    let mut removed = 0;
    let shelves = entries(&folder.join("cas"))?;
    for shelf in shelves.into_iter().chain([folder.to_owned()]).filter(|shelf| shelf.is_dir()) {
        for file in entries(&shelf)? {
            // The object store writes to `NAME#1` before it renames; no name of ours has a `#`.
            if file.file_name().is_some_and(|name| name.to_string_lossy().contains('#')) {
                fs::remove_file(&file).map_err(|source| ArtifactError::file("remove", &file, source))?;
                removed += 1;
            }
        }
    }
    Ok(removed)
}

/// What its disk has.
pub(crate) fn room(folder: &Path) -> Result<Room, ArtifactError> {
    let disk = statvfs(folder).map_err(|errno| ArtifactError::file("measure", folder, errno.into()))?;
    let unit = disk.fragment_size();
    // Of the free blocks only those that this user may fill.
    Ok(Room { free_bytes: disk.blocks_available() * unit, total_bytes: disk.blocks() * unit })
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, ArtifactError> {
    let read = |source| ArtifactError::file("read", folder, source);
    let listing = match fs::read_dir(folder) {
        Ok(listing) => listing,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(read(source)),
    };
    listing.map(|entry| entry.map(|entry| entry.path()).map_err(read)).collect()
}
