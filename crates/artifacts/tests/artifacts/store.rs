//! What a store promises, over both kinds of places.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use futures_util::TryStreamExt;
use object_store::path::Path as Key;
use selffer_artifacts::{ArtifactError, ChunkStore, Place, cut_bytes};
use selffer_core::{
    artifact::{Chunk, Manifest},
    limits::CHUNK_BYTES_MAX,
};

use crate::backends::{Behind, bucket, chunk, folder, key};

/// The same claim about a folder and about a bucket.
macro_rules! over_both {
    ($($claim:ident),+ $(,)?) => {
        mod in_a_folder {
            $(#[tokio::test]
            async fn $claim() {
                super::$claim(super::folder()).await;
            })+
        }
        mod in_a_bucket {
            $(#[tokio::test]
            async fn $claim() {
                super::$claim(super::bucket()).await;
            })+
        }
    };
}

over_both!(
    what_is_put_is_read_and_no_longer_missing,
    a_chunk_of_full_size_comes_back_as_it_went,
    bytes_of_a_wrong_length_or_digest_are_not_stored,
    a_flipped_bit_at_rest_is_found_and_the_chunk_can_be_stored_again,
    an_object_that_grew_is_damaged_and_not_read,
    verifying_names_what_is_missing_or_damaged_and_changes_nothing,
    a_chunk_that_was_removed_is_missing_and_removing_again_is_harmless,
    what_was_cut_short_counts_as_missing,
    everything_stored_is_listed_and_nothing_else,
);

async fn what_is_put_is_read_and_no_longer_missing(behind: Behind) {
    let store = &behind.store;
    let manifest =
        Manifest { objects: vec![cut_bytes("a", b"one"), cut_bytes("b", b"two"), cut_bytes("c", b"one")] };
    let (one, two) = (chunk(b"one"), chunk(b"two"));
    assert_eq!(store.missing(&manifest).await.unwrap(), [one.digest, two.digest]);

    store.put(&one, "one".into()).await.unwrap();
    store.put(&one, "one".into()).await.unwrap();

    assert_eq!(store.missing(&manifest).await.unwrap(), [two.digest]);
    assert_eq!(store.read(&one).await.unwrap(), "one");
    assert!(matches!(store.read(&two).await, Err(ArtifactError::Missing { .. })));
}

async fn a_chunk_of_full_size_comes_back_as_it_went(behind: Behind) {
    let bytes: Vec<u8> = (0..CHUNK_BYTES_MAX).map(|index| (index % 253) as u8).collect();
    let full = chunk(&bytes);

    behind.store.put(&full, bytes.clone().into()).await.unwrap();

    assert!(behind.store.read(&full).await.unwrap() == bytes);
}

async fn bytes_of_a_wrong_length_or_digest_are_not_stored(behind: Behind) {
    let declared = chunk(b"right");
    for wrong in ["wrong", "longer", "", "rigHt"] {
        let error = behind.store.put(&declared, wrong.into()).await.unwrap_err();
        let refused = matches!(error, ArtifactError::WrongDigest { .. } | ArtifactError::WrongLength { .. });
        assert!(refused, "{wrong:?}: {error}");
    }

    assert!(!behind.store.has(&declared).await.unwrap());
    assert_eq!(behind.lies(&key(declared.digest)).await, None);
}

async fn a_flipped_bit_at_rest_is_found_and_the_chunk_can_be_stored_again(behind: Behind) {
    let weights = chunk(b"weights");
    behind.store.put(&weights, "weights".into()).await.unwrap();
    behind.overwrite(&weights, b"weightr").await;

    assert!(matches!(behind.store.read(&weights).await, Err(ArtifactError::Damaged { .. })));

    assert!(!behind.store.has(&weights).await.unwrap());
    let aside = Key::from_iter(["damaged", &weights.digest.to_string()]);
    assert_eq!(behind.lies(&aside).await.unwrap(), b"weightr");
    behind.store.put(&weights, "weights".into()).await.unwrap();
    assert_eq!(behind.store.read(&weights).await.unwrap(), "weights");
}

async fn an_object_that_grew_is_damaged_and_not_read(behind: Behind) {
    let weights = chunk(b"weights");
    behind.store.put(&weights, "weights".into()).await.unwrap();
    behind.overwrite(&weights, b"weights and much more").await;

    assert!(matches!(behind.store.fault(&weights).await, Ok(Some(ArtifactError::Damaged { .. }))));
}

async fn verifying_names_what_is_missing_or_damaged_and_changes_nothing(behind: Behind) {
    let store = &behind.store;
    let manifest =
        Manifest { objects: vec![cut_bytes("a", b"one"), cut_bytes("b", b"two"), cut_bytes("c", b"three")] };
    let (one, two, three) = (chunk(b"one"), chunk(b"two"), chunk(b"three"));
    store.put(&one, "one".into()).await.unwrap();
    store.put(&two, "two".into()).await.unwrap();
    behind.overwrite(&two, b"twO").await;

    let faults = store.verify(&manifest).await.unwrap();

    let told: Vec<_> = faults.iter().map(ToString::to_string).collect();
    let (damaged, missing) = (two.digest, three.digest);
    assert_eq!(
        told,
        [format!("stored chunk {damaged} is damaged"), format!("chunk {missing} is not in the store")]
    );
    assert_eq!(behind.lies(&key(two.digest)).await.unwrap(), b"twO");
    store.put_aside(two.digest).await.unwrap();
    store.put_aside(two.digest).await.unwrap();
    assert!(!store.has(&two).await.unwrap());
}

async fn a_chunk_that_was_removed_is_missing_and_removing_again_is_harmless(behind: Behind) {
    let one = chunk(b"one");
    behind.store.put(&one, "one".into()).await.unwrap();

    behind.store.remove(one.digest).await.unwrap();
    behind.store.remove(one.digest).await.unwrap();

    assert!(matches!(behind.store.read(&one).await, Err(ArtifactError::Missing { .. })));
}

async fn what_was_cut_short_counts_as_missing(behind: Behind) {
    let weights = chunk(b"weights");
    behind.store.put(&weights, "weights".into()).await.unwrap();

    behind.overwrite(&weights, b"weig").await;

    assert!(!behind.store.has(&weights).await.unwrap());
}

async fn everything_stored_is_listed_and_nothing_else(behind: Behind) {
    let (one, two, three) = (chunk(b"one"), chunk(b"two"), chunk(b"three"));
    for (chunk, bytes) in [(&one, "one"), (&two, "two"), (&three, "three")] {
        behind.store.put(chunk, bytes.into()).await.unwrap();
    }
    behind.store.identify("this one").await.unwrap();
    behind.store.put_aside(two.digest).await.unwrap();

    let mut stored: Vec<Chunk> = behind.store.stored().try_collect().await.unwrap();

    let mut expected = vec![one, three];
    stored.sort_by_key(|chunk| chunk.digest);
    expected.sort_by_key(|chunk| chunk.digest);
    assert_eq!(stored, expected);
}

fn file_of(behind: &Behind, chunk: &Chunk) -> PathBuf {
    let Place::Folder(folder) = &behind.place else { panic!("{}", behind.place) };
    folder.join(key(chunk.digest).as_ref())
}

#[test]
fn a_folder_is_its_users_alone() {
    let behind = folder();
    let Place::Folder(folder) = behind.store.place() else { panic!("{}", behind.store.place()) };

    let mode = fs::metadata(folder).unwrap().permissions().mode();

    assert_eq!(mode & 0o777, 0o700);
}

#[tokio::test]
async fn leftovers_of_writes_that_were_cut_off_go_and_chunks_stay() {
    let behind = folder();
    let weights = chunk(b"weights");
    behind.store.put(&weights, "weights".into()).await.unwrap();
    let leftover = PathBuf::from(format!("{}#1", file_of(&behind, &weights).display()));
    fs::write(&leftover, b"wei").unwrap();

    assert_eq!(behind.store.remove_leftovers().unwrap(), 1);

    assert!(!leftover.exists());
    assert_eq!(behind.store.read(&weights).await.unwrap(), "weights");
}

#[tokio::test]
async fn a_put_into_a_bucket_leaves_nothing_but_the_chunk() {
    let behind = bucket();
    let weights = chunk(b"weights");
    behind.store.put(&weights, "weights".into()).await.unwrap();
    assert!(behind.store.put(&chunk(b"right"), "wrong".into()).await.is_err());

    let everything: Vec<_> = behind.raw.list(None).try_collect().await.unwrap();

    let names: Vec<_> = everything.iter().map(|meta| meta.location.clone()).collect();
    assert_eq!(names, [key(weights.digest)]);
    assert_eq!(behind.store.remove_leftovers().unwrap(), 0);
}

#[test]
fn no_secret_is_shown_with_a_store() {
    let variables = [
        ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "this-is-a-secret"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let store = ChunkStore::open("s3://lab/x".parse().unwrap(), variables).unwrap();

    let shown = format!("{store:?} {}", store.place());

    assert!(!shown.contains("this-is-a-secret"), "{shown}");
}
