//! Where the binary files lie: in a folder, or in the archive as it was downloaded.

use std::{
    fs::{self, File},
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
};

use super::ImportError;
use crate::import::tar_gz::{self, Member};

/// Three times what the larger archive unpacks to.
const UNPACKED_BYTES_MAX: u64 = 1 << 29;
/// A hundred times what the longest list of names has.
const NAMES_BYTES_MAX: u64 = 1 << 16;
/// What the archives are called, and the folders in them.
const ARCHIVES: [&str; 2] = ["cifar-10-binary.tar.gz", "cifar-100-binary.tar.gz"];

/// The files of one set.
pub(super) enum Source {
    Folder(PathBuf),
    Archive { path: PathBuf, members: Vec<Member> },
}

impl Source {
    /// The set at `path`: a folder of files, an archive, or a folder in which an archive lies.
    pub(super) fn open(path: &Path) -> Result<Self, ImportError> {
        let has = |name: &str| path.join(name).is_file();
        let archive = if path.is_file() {
            Some(path.to_path_buf())
        } else if has("data_batch_1.bin") || has("train.bin") {
            None
        } else {
            ARCHIVES.iter().map(|name| path.join(name)).find(|path| path.is_file())
        };
        let Some(archive) = archive else { return Ok(Self::Folder(path.to_path_buf())) };
        let members = tar_gz::members(&archive, UNPACKED_BYTES_MAX)
            .map_err(|source| ImportError::Read { path: archive.clone(), source })?;
        Ok(Self::Archive { path: archive, members })
    }

    /// The folder or the archive.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Folder(path) | Self::Archive { path, .. } => path,
        }
    }

    /// The length of the file of this name, if there is one.
    pub(super) fn bytes(&self, name: &str) -> Option<u64> {
        match self {
            Self::Folder(path) => {
                let metadata = fs::metadata(path.join(name)).ok()?;
                metadata.is_file().then_some(metadata.len())
            }
            Self::Archive { members, .. } => member(members, name).map(|member| member.bytes),
        }
    }

    /// The file of this name from its beginning.
    pub(super) fn read(&self, name: &str) -> Result<Box<dyn Read>, ImportError> {
        let reader = match self {
            Self::Folder(path) => {
                File::open(path.join(name)).map(|file| Box::new(BufReader::new(file)) as Box<dyn Read>)
            }
            Self::Archive { path, members } => match member(members, name) {
                None => Err(io::Error::from(io::ErrorKind::NotFound)),
                Some(member) => tar_gz::open(path, member, UNPACKED_BYTES_MAX)
                    .map(|reader| Box::new(BufReader::new(reader)) as Box<dyn Read>),
            },
        };
        reader.map_err(|source| ImportError::Read { path: self.file(name), source })
    }

    /// The files on disk that hold those of these names.
    pub(super) fn files(&self, names: impl Iterator<Item = &'static str>) -> Vec<PathBuf> {
        match self {
            Self::Folder(folder) => names.map(|name| folder.join(name)).collect(),
            Self::Archive { path, .. } => vec![path.clone()],
        }
    }

    /// What people call the file of this name.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Checks that the file of this name lists these names, one in a line.
    pub(super) fn expect_names(&self, name: &str, expected: &[&str]) -> Result<(), ImportError> {
        let mut bytes = Vec::new();
        self.read(name)?
            .take(NAMES_BYTES_MAX)
            .read_to_end(&mut bytes)
            .map_err(|source| ImportError::Read { path: self.file(name), source })?;
        let text = String::from_utf8_lossy(&bytes);
        let found: Vec<_> = text.trim_end().lines().map(str::trim_end).collect();
        for index in 0..found.len().max(expected.len()) {
            let (found, expected) = (found.get(index), expected.get(index));
            if found != expected {
                let text = |name: Option<&&str>| name.copied().unwrap_or_default().chars().take(64).collect();
                let (found, expected) = (text(found), text(expected));
                return Err(ImportError::Name { file: self.file(name), line: index + 1, found, expected });
            }
        }
        Ok(())
    }
}

/// By the last part of its path: the archives have a folder of their own in them.
fn member<'a>(members: &'a [Member], name: &str) -> Option<&'a Member> {
    members.iter().find(|member| member.name.rsplit('/').next() == Some(name))
}
