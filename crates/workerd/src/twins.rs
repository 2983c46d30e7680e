//! Shards that lie on this machine already, in another pack: linked instead of fetched.
//!
//! Packs share shards when one is made from another, say with another grouping of the same
//! images. A twin is known by the digest in its own pack's manifest; whether its bytes are
//! right is found out with those of the whole pack.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use selffer_core::{
    ids::Digest,
    pack::{MANIFEST_FILE, PackManifest, Shard},
};
use selffer_data::read_manifest;

/// Shards at hand, by digest.
#[derive(Debug, Default)]
pub struct Twins(BTreeMap<Digest, PathBuf>);

/// How a twin gets to where it is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lay {
    /// Under a second name; costs no room.
    Link,
    /// As a copy of its own: it lies on another file system, or may not be linked.
    Copy,
}

impl Twins {
    /// The shards of the packs in these folders.
    #[must_use]
    pub fn of(packs: impl IntoIterator<Item = PathBuf>) -> Self {
        let mut shards = BTreeMap::new();
        for folder in packs {
            // One that cannot be read has nothing to give.
            let Ok(manifest) = read_manifest(&folder.join(MANIFEST_FILE)) else { continue };
            for shard in manifest.shards() {
                shards.entry(shard.digest).or_insert_with(|| folder.join(&shard.file));
            }
        }
        Self(shards)
    }

    /// Puts every shard of the pack that is at hand and not there yet into this folder, and says
    /// which files that are. What goes wrong with one only means that it is fetched. Blocks.
    #[must_use]
    pub fn lay(&self, pack: &PackManifest, folder: &Path, how: Lay) -> BTreeSet<String> {
        let is_laid = |shard: &&Shard| {
            let path = folder.join(&shard.file);
            let twin = self.0.get(&shard.digest).filter(|twin| is_whole(twin, shard));
            twin.is_some_and(|twin| !is_whole(&path, shard) && lay_one(twin, &path, how).is_ok())
        };
        pack.shards().filter(is_laid).map(|shard| shard.file.clone()).collect()
    }
}

fn lay_one(twin: &Path, path: &Path, how: Lay) -> io::Result<()> {
    let mut part = OsString::from(path);
    part.push(".part");
    let part = PathBuf::from(part);
    // A link to a link would lead out of the cache.
    let twin = fs::canonicalize(twin)?;
    // What was fetched of it so far, or a copy that was cut off.
    let _ = fs::remove_file(&part);
    match how {
        // At once under its own name: what is called `.part` is written into.
        Lay::Link => {
            let _ = fs::remove_file(path);
            fs::hard_link(&twin, path)
        }
        Lay::Copy => {
            fs::copy(&twin, &part)?;
            // As what was fetched: complete means complete after a power cut too.
            File::open(&part)?.sync_all()?;
            fs::rename(&part, path)
        }
    }
}

/// Whether a file of the shard's length is there.
fn is_whole(path: &Path, shard: &Shard) -> bool {
    path.metadata().is_ok_and(|file| file.is_file() && file.len() == shard.bytes)
}

/// Bytes of the pack that are in this folder: whole shards, and what was fetched of others.
#[must_use]
pub fn bytes_there(pack: &PackManifest, folder: &Path) -> u64 {
    let bytes = pack.shards().map(|shard| {
        let of = |name: &str| folder.join(name).metadata().map_or(0, |file| file.len());
        of(&shard.file).max(of(&format!("{}.part", shard.file))).min(shard.bytes)
    });
    bytes.sum()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;
    use crate::small_packs;

    const TRAIN: &str = "train-00000.safetensors";
    const VALIDATION: &str = "validation-00000.safetensors";

    // Two packs: all training images differ, the others are the same.
    fn two_packs(folder: &Path) -> (PathBuf, PackManifest, PathBuf) {
        let (at_hand, made, part) = (folder.join("a"), folder.join("b"), folder.join("part"));
        small_packs::write(&at_hand, 1, "halves");
        let wanted = small_packs::write(&made, 2, "other halves");
        fs::create_dir(&part).unwrap();
        (at_hand, wanted, part)
    }

    #[test]
    fn a_shard_of_another_pack_is_linked_and_only_that_one() {
        let folder = tempfile::tempdir().unwrap();
        let (at_hand, wanted, part) = two_packs(folder.path());
        let twins = Twins::of([folder.path().join("nowhere"), at_hand.clone()]);
        fs::write(part.join(format!("{VALIDATION}.part")), b"fetched so far").unwrap();

        let laid = twins.lay(&wanted, &part, Lay::Link);

        assert_eq!(laid, [VALIDATION.to_owned()].into());
        let inode = |folder: &Path| folder.join(VALIDATION).metadata().unwrap().ino();
        assert_eq!(inode(&part), inode(&at_hand));
        assert_eq!(fs::read_dir(&part).unwrap().count(), 1);
        assert_eq!(bytes_there(&wanted, &part), wanted.validation.shards[0].bytes);
        assert!(twins.lay(&wanted, &part, Lay::Copy).is_empty(), "it is there already");
    }

    #[test]
    fn a_copy_is_a_file_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let (at_hand, wanted, part) = two_packs(folder.path());

        let laid = Twins::of([at_hand.clone()]).lay(&wanted, &part, Lay::Copy);

        assert_eq!(laid.len(), 1);
        assert_eq!(fs::read(part.join(VALIDATION)).unwrap(), fs::read(at_hand.join(VALIDATION)).unwrap());
        assert_eq!(part.join(VALIDATION).metadata().unwrap().nlink(), 1);
    }

    #[test]
    fn a_shard_that_is_cut_short_is_no_twin() {
        let folder = tempfile::tempdir().unwrap();
        let (at_hand, wanted, part) = two_packs(folder.path());
        fs::write(at_hand.join(VALIDATION), b"short").unwrap();
        assert!(Twins::of([at_hand]).lay(&wanted, &part, Lay::Link).is_empty());
        assert!(!part.join(VALIDATION).exists() && !part.join(TRAIN).exists());
    }
}
