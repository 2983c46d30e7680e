//! Which packs were verified, and what their files looked like then.
//!
//! One small file for each pack in the scratch folder. A file that has its length, its time of
//! change and its inode still is taken to have its bytes: whoever writes into one without a trace
//! is found out by the trainer, if at all.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use selffer_core::{ids::Digest, pack::PackManifest};
use serde::{Deserialize, Serialize};

const SCHEMA: &str = "selffer.verified/v1";

/// What a file looks like from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stamp {
    bytes: u64,
    modified_s: i64,
    modified_ns: i64,
    device: u64,
    inode: u64,
}

/// Why a pack's files are not there as its manifest says.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotThere {
    /// One cannot be looked at.
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: io::Error },
    /// One is another.
    #[error("{path} has {found} bytes, but the manifest says {expected}")]
    Length { path: PathBuf, found: u64, expected: u64 },
}

/// The memory in one folder, which is made when there is something to remember.
#[derive(Debug)]
pub(super) struct Verified(PathBuf);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct VerifiedFile {
    schema: String,
    shards: Vec<Stamp>,
}

impl Stamp {
    /// Of this file.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let file = path.metadata()?;
        Ok(Self {
            bytes: file.len(),
            modified_s: file.mtime(),
            modified_ns: file.mtime_nsec(),
            device: file.dev(),
            inode: file.ino(),
        })
    }
}

/// Of each of a pack's shards, in order.
pub(super) fn stamps(folder: &Path, manifest: &PackManifest) -> Result<Vec<Stamp>, NotThere> {
    let stamp = |shard: &selffer_core::pack::Shard| {
        let path = folder.join(&shard.file);
        match Stamp::of(&path) {
            Ok(stamp) if stamp.bytes == shard.bytes => Ok(stamp),
            Ok(stamp) => Err(NotThere::Length { path, found: stamp.bytes, expected: shard.bytes }),
            Err(source) => Err(NotThere::Read { path, source }),
        }
    };
    manifest.shards().map(stamp).collect()
}

impl Verified {
    /// The memory in this folder.
    pub(super) fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// Whether the pack was verified when its files looked like this.
    pub(super) fn remembers(&self, pack: Digest, stamps: &[Stamp]) -> bool {
        let file = fs::read(self.path(pack)).ok();
        let file = file.and_then(|text| serde_json::from_slice::<VerifiedFile>(&text).ok());
        file.is_some_and(|file| file.schema == SCHEMA && file.shards == stamps)
    }

    /// Notes that it was.
    pub(super) fn remember(&self, pack: Digest, stamps: &[Stamp]) -> io::Result<()> {
        let text = serde_json::to_vec(&VerifiedFile { schema: SCHEMA.to_owned(), shards: stamps.to_vec() })?;
        fs::create_dir_all(&self.0)?;
        let path = self.path(pack);
        let part = path.with_extension("part");
        let mut file = fs::File::create(&part)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(part, path)
    }

    /// It must be verified again.
    pub(super) fn forget(&self, pack: Digest) {
        // One that stays is believed at the next start, and its reader finds it damaged again.
        let _ = fs::remove_file(self.path(pack));
    }

    fn path(&self, pack: Digest) -> PathBuf {
        self.0.join(format!("{pack}.json"))
    }
}
