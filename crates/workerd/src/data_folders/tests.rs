//! Packs that lie in data folders: found, verified once, and passed over when they are broken.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use super::*;
use crate::small_packs;

struct Room {
    folder: tempfile::TempDir,
}

impl Room {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    // As a worker that has just started sees them.
    fn folders(&self) -> DataFolders {
        DataFolders::new(vec![self.path("packs")], self.path("scratch/verified"))
    }

    fn pack(&self, name: &str, shade: u8) -> Digest {
        small_packs::write(&self.path("packs").join(name), shade, "halves").digest()
    }
}

// The bytes change, and nothing that can be seen from outside but the time.
fn damage(shard: &Path) {
    let mut bytes = fs::read(shard).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(shard, bytes).unwrap();
}

fn modified_at(shard: &Path, second: u64) {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(second);
    fs::File::options().append(true).open(shard).unwrap().set_modified(time).unwrap();
}

#[test]
fn packs_are_found_side_by_side_or_as_the_folder_itself() {
    let room = Room::new();
    let (one, two) = (room.pack("one", 1), room.pack("two", 2));
    fs::create_dir_all(room.path("packs/photographs")).unwrap();

    let side_by_side = room.folders().packs();
    let itself = DataFolders::new(vec![room.path("packs/two"), room.path("nowhere")], room.path("memory"));

    assert_eq!(side_by_side, [(one, room.path("packs/one")), (two, room.path("packs/two"))]);
    assert_eq!(itself.packs(), [(two, room.path("packs/two"))]);
}

#[test]
fn one_that_is_placed_later_is_found_when_it_is_needed() {
    let room = Room::new();
    let folders = room.folders();
    assert!(folders.packs().is_empty());
    let digest = room.pack("late", 1);
    assert_eq!(folders.find(digest).unwrap().folder, room.path("packs/late"));
}

#[test]
fn a_folder_that_may_not_be_written_is_read_and_not_written() {
    let room = Room::new();
    let digest = room.pack("one", 1);
    let names = || fs::read_dir(room.path("packs/one")).unwrap().map(|entry| entry.unwrap().file_name());
    let before: BTreeSet<_> = names().collect();
    let mode = |mode| fs::set_permissions(room.path("packs/one"), fs::Permissions::from_mode(mode)).unwrap();
    mode(0o555);

    let placed = room.folders().find(digest).unwrap();

    assert_eq!(placed.folder, room.path("packs/one"));
    assert_eq!(names().collect::<BTreeSet<_>>(), before);
    mode(0o755);
}

#[test]
fn a_pack_is_compared_with_its_digests_once_and_again_only_when_a_file_changed() {
    let room = Room::new();
    let digest = room.pack("one", 1);
    let shard = room.path("packs/one/train-00000.safetensors");
    modified_at(&shard, 1_000);
    assert!(room.folders().find(digest).is_some());

    // So that we see whether it is read: it would be found out.
    damage(&shard);
    modified_at(&shard, 1_000);
    assert!(room.folders().find(digest).is_some(), "another daemon on this scratch folder read it again");

    modified_at(&shard, 2_000);
    assert!(room.folders().find(digest).is_none(), "a file that was changed was not read again");
}

#[test]
fn a_broken_pack_is_as_if_it_were_not_there_until_it_is_put_right() {
    let room = Room::new();
    let digest = room.pack("one", 1);
    let shard = room.path("packs/one/train-00000.safetensors");
    let whole = fs::read(&shard).unwrap();
    let folders = room.folders();

    damage(&shard);
    assert_eq!(folders.packs().len(), 1, "nobody has read it");
    assert!(folders.find(digest).is_none());
    assert!(folders.packs().is_empty(), "it is still offered");

    fs::write(&shard, &whole[..whole.len() - 1]).unwrap();
    assert!(folders.find(digest).is_none(), "it has another length");
    fs::remove_file(&shard).unwrap();
    assert!(folders.find(digest).is_none(), "it is missing");

    fs::write(&shard, whole).unwrap();
    assert!(folders.find(digest).is_some());
}

#[test]
fn what_is_wrong_is_told_once() {
    let room = Room::new();
    let digest = room.pack("one", 1);
    fs::remove_file(room.path("packs/one/train-00000.safetensors")).unwrap();
    let folders = room.folders();

    let told = |folders: &DataFolders| folders.known().told.get(&room.path("packs/one")).cloned();
    assert!(folders.find(digest).is_none());
    let first = told(&folders).unwrap();

    assert!(first.contains("train-00000.safetensors"), "{first}");
    assert!(!folders.is_news(&room.path("packs/one"), &first));
}

#[test]
fn one_that_its_reader_found_damaged_is_not_offered_again() {
    let room = Room::new();
    let digest = room.pack("one", 1);
    let folders = room.folders();
    folders.find(digest).unwrap().discredit();
    assert!(folders.find(digest).is_none() && folders.packs().is_empty());
    assert!(room.folders().find(digest).is_some(), "another daemon reads it all again, and it is right");
}
