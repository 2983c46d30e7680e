//! A disk that is full at whatever point of a write (fault 38): a small real one, mounted for
//! the test, in a mount namespace of its own where this user may not mount otherwise.

use selffer_artifacts::{ArtifactError, ChunkStore};

use crate::{backends::chunk, small_disk::SmallDisk};

async fn assert_full(store: &ChunkStore, bytes: Vec<u8>) {
    let error = store.put(&chunk(&bytes), bytes.into()).await.unwrap_err();
    assert!(matches!(error, ArtifactError::NoSpace { .. }), "{error:?}");
}

#[tokio::test]
async fn a_disk_that_fills_up_in_the_middle_of_a_chunk_leaves_no_part_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let disk = SmallDisk::for_test(
        folder.path(),
        "size=8m",
        "full_disks::a_disk_that_fills_up_in_the_middle_of_a_chunk_leaves_no_part_of_it",
    );
    let Some(disk) = disk else { return };
    let store = ChunkStore::in_folder(disk.path()).unwrap();
    let kept = chunk(b"published");
    store.put(&kept, "published".into()).await.unwrap();
    let room = store.room().unwrap().unwrap();
    assert!(room.free_bytes < 8 << 20 && room.total_bytes == 8 << 20, "{room:?}");

    assert_full(&store, vec![7; 8 << 20]).await;

    assert_eq!(disk.files().len(), 1, "{:?}", disk.files());
    assert_eq!(store.read(&kept).await.unwrap(), "published");
    assert_eq!(store.room().unwrap().unwrap(), room, "every byte of it is free again");
    // And it goes on by itself once there is room.
    let small = vec![7; 1 << 20];
    store.put(&chunk(&small), small.into()).await.unwrap();
}

/// The shelf, the temporary file and with them the name to rename to need inodes.
#[tokio::test]
async fn a_disk_without_a_name_left_takes_nothing_new_and_keeps_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let disk = SmallDisk::for_test(
        folder.path(),
        "size=8m,nr_inodes=8",
        "full_disks::a_disk_without_a_name_left_takes_nothing_new_and_keeps_what_it_has",
    );
    let Some(disk) = disk else { return };
    let store = ChunkStore::in_folder(disk.path()).unwrap();
    let mut kept = Vec::new();
    let full = loop {
        let bytes = format!("chunk {}", kept.len()).into_bytes();
        match store.put(&chunk(&bytes), bytes.clone().into()).await {
            Ok(()) => kept.push(bytes),
            Err(error) => break error,
        }
        assert!(kept.len() < 8, "the disk never fills up");
    };

    assert!(matches!(full, ArtifactError::NoSpace { .. }), "{full:?}");
    assert_eq!(disk.files().len(), kept.len());
    for bytes in &kept {
        assert_eq!(store.read(&chunk(bytes)).await.unwrap(), bytes);
    }
}
