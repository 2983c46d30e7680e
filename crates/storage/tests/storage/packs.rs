//! Packs: published once, found by name and digest.

use std::collections::BTreeMap;

use selffer_core::{
    ids::Digest,
    pack::{Class, PackManifest, SCHEMA, Subset},
    spec::ImageShape,
};
use selffer_storage::StoreError;

use crate::harness::{Db, manifest};

fn pack(class: &str) -> PackManifest {
    let subset = Subset { images_per_class: vec![3], shards: vec![] };
    PackManifest {
        schema: SCHEMA.to_owned(),
        image: ImageShape { height: 28, width: 28, channels: 1 },
        classes: vec![Class { name: class.to_owned(), wnid: None }],
        groupings: BTreeMap::new(),
        train: subset.clone(),
        validation: subset,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_is_published_once_and_found_by_all_its_names() {
    let db = Db::fresh().await;
    let digest = db.begin_pack(&pack("shoe"), &manifest("shard")).await.unwrap();
    assert_eq!(digest, pack("shoe").digest());
    assert_eq!(db.begin_pack(&pack("shoe"), &manifest("shard")).await.unwrap(), digest);
    assert!(!db.pack_by_digest(digest).await.unwrap().published);
    assert!(db.packs().await.unwrap().is_empty());

    let checked = db.pack_by_digest(digest).await.unwrap();
    for name in ["shoes", "shoes", "footwear"] {
        db.publish_pack(&checked, &name.parse().unwrap()).await.unwrap();
    }

    let found = db.pack_by_name("shoes").await.unwrap();
    assert_eq!(
        (found.digest, found.published, found.names),
        (digest, true, vec!["footwear".into(), "shoes".into()])
    );
    assert_eq!((found.manifest, found.objects), (pack("shoe"), manifest("shard")));
    assert_eq!(db.packs().await.unwrap().len(), 1);
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packs_name_is_not_given_to_another() {
    let db = Db::fresh().await;
    let first = db.begin_pack(&pack("shoe"), &manifest("one")).await.unwrap();
    let second = db.begin_pack(&pack("boot"), &manifest("two")).await.unwrap();
    let name = "shoes".parse().unwrap();
    db.publish_pack(&db.pack_by_digest(first).await.unwrap(), &name).await.unwrap();

    let taken = db.publish_pack(&db.pack_by_digest(second).await.unwrap(), &name).await;

    assert!(matches!(taken, Err(StoreError::PackNameTaken { digest, .. }) if digest == first));
    assert!(!db.pack_by_digest(second).await.unwrap().published, "nothing of it is committed");
    assert!(matches!(db.pack_by_digest(Digest::of(b"nothing")).await, Err(StoreError::NotFound { .. })));
    assert!(matches!(db.pack_by_name("hats").await, Err(StoreError::NotFound { .. })));
    db.finish().await;
}

/// The first announcement used to bind a pack for ever, even if its upload never ended.
#[tokio::test(flavor = "multi_thread")]
async fn a_packs_chunks_are_those_of_the_newest_announcement_until_it_is_published() {
    let db = Db::fresh().await;
    let name = "shoes".parse().unwrap();
    let digest = db.begin_pack(&pack("shoe"), &manifest("first")).await.unwrap();
    let first = db.pack_by_digest(digest).await.unwrap();

    db.begin_pack(&pack("shoe"), &manifest("second")).await.unwrap();

    let second = db.pack_by_digest(digest).await.unwrap();
    assert_eq!(second.objects, manifest("second"));
    let outdated = db.publish_pack(&first, &name).await;
    assert!(matches!(outdated, Err(StoreError::PackChanged { .. })), "its chunks were not checked");
    db.publish_pack(&second, &name).await.unwrap();
    db.begin_pack(&pack("shoe"), &manifest("third")).await.unwrap();
    assert_eq!(db.pack_by_digest(digest).await.unwrap().objects, manifest("second"));
    db.finish().await;
}
