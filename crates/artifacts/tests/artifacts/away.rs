//! A store that is not there is not an empty one: nothing is missing, nothing is written.

use std::fs;

use selffer_artifacts::{ArtifactError, ChunkStore, Place, cut_bytes};
use selffer_core::artifact::Manifest;

use crate::backends::{Behind, bucket, chunk, folder};

fn assert_away<T: std::fmt::Debug>(result: Result<T, ArtifactError>) {
    let error = result.unwrap_err();
    assert!(matches!(error, ArtifactError::Away { .. }) && error.is_outage(), "{error:?}");
}

async fn identified(behind: &Behind) {
    behind.store.put(&chunk(b"one"), "one".into()).await.unwrap();
    behind.store.identify("this one").await.unwrap();
    behind.store.expect("this one");
    behind.store.check_there().await.unwrap();
}

async fn assert_all_away(store: &ChunkStore) {
    let one = chunk(b"one");
    assert_away(store.read(&one).await);
    assert_away(store.has(&one).await);
    assert_away(store.fault(&one).await);
    assert_away(store.missing(&Manifest { objects: vec![cut_bytes("a", b"one")] }).await);
    assert_away(store.check_there().await);
}

#[tokio::test]
async fn below_an_empty_mount_point_nothing_is_missing_and_nothing_is_written() {
    let behind = folder();
    identified(&behind).await;
    let Place::Folder(path) = behind.place.clone() else { panic!("{}", behind.place) };
    let elsewhere = path.with_extension("elsewhere");
    fs::rename(&path, &elsewhere).unwrap();
    fs::create_dir(&path).unwrap();

    assert_all_away(&behind.store).await;
    assert_away(behind.store.put(&chunk(b"two"), "two".into()).await);
    assert_away(behind.store.remove(chunk(b"one").digest).await);
    assert_eq!(fs::read_dir(&path).unwrap().count(), 0, "the mount point stays empty");

    // Another store in its place will not do either.
    fs::write(path.join("store-id"), "another").unwrap();
    assert_all_away(&behind.store).await;
    fs::remove_dir_all(&path).unwrap();
    fs::rename(&elsewhere, &path).unwrap();
    assert_eq!(behind.store.read(&chunk(b"one")).await.unwrap(), "one");
    assert_eq!(behind.store.identity().await.unwrap().as_deref(), Some("this one"));
}

#[tokio::test]
async fn a_bucket_that_is_gone_misses_nothing() {
    let behind = bucket();
    identified(&behind).await;
    let server = behind.server.as_ref().unwrap();
    // The server forgets every bucket.
    assert!(server.ask("POST", "/moto-api/reset").starts_with("HTTP/1.1 200"));

    assert_all_away(&behind.store).await;
}

#[tokio::test]
async fn a_server_that_is_away_is_an_outage_and_names_no_secret() {
    let mut behind = bucket();
    identified(&behind).await;

    behind.server = None;

    let error = behind.store.read(&chunk(b"one")).await.unwrap_err();
    assert!(error.is_outage(), "{error:?}");
    assert!(!format!("{error:?}").contains("this-is-a-secret"));
    let error = behind.store.put(&chunk(b"two"), "two".into()).await.unwrap_err();
    assert!(error.is_outage(), "{error:?}");
}
