//! Imports: published once, found by name and digest, each kind with names of its own.

use std::collections::BTreeMap;

use selffer_core::{
    ids::Digest,
    import::{ImportKind, ImportManifest},
    pack::{self, Class, Encoding, PackManifest, Subset},
    spec::ImageShape,
    weights::{self, WeightsLayer, WeightsManifest},
};
use selffer_storage::StoreError;

use crate::harness::{Db, manifest};

fn pack(class: &str) -> ImportManifest {
    let subset = Subset { images_per_class: vec![3], shards: vec![] };
    ImportManifest::Pack(PackManifest {
        schema: pack::SCHEMA.to_owned(),
        image: ImageShape { height: 28, width: 28, channels: 1 },
        preparation: None,
        encoding: Encoding::Pixels,
        classes: vec![Class::named(class)],
        groupings: BTreeMap::new(),
        train: subset.clone(),
        validation: subset,
    })
}

fn weights(layer: &str) -> ImportManifest {
    let layer = WeightsLayer {
        name: layer.to_owned(),
        weight_shape: vec![2, 3],
        bias_shape: vec![2],
        bytes: 176,
        digest: Digest::of(b"file"),
        values: Digest::of(b"values"),
    };
    let schema = weights::SCHEMA.to_owned();
    ImportManifest::Weights(WeightsManifest { schema, channels: 1, layers: vec![layer] })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_is_published_once_and_found_by_all_its_names() {
    let db = Db::fresh().await;
    let digest = db.begin_import(&pack("shoe"), &manifest("shard")).await.unwrap();
    assert_eq!(digest, pack("shoe").digest());
    assert_eq!(db.begin_import(&pack("shoe"), &manifest("shard")).await.unwrap(), digest);
    assert!(!db.import_by_digest(ImportKind::Pack, digest).await.unwrap().published);
    assert!(db.packs().await.unwrap().is_empty());
    assert!(db.pack(&digest.to_string()).await.unwrap().is_none());

    let checked = db.import_by_digest(ImportKind::Pack, digest).await.unwrap();
    for name in ["shoes", "shoes", "footwear"] {
        db.publish_import(&checked, &name.parse().unwrap()).await.unwrap();
    }

    let found = db.import_by_name(ImportKind::Pack, "shoes").await.unwrap();
    assert_eq!(
        (found.digest, found.published, found.names),
        (digest, true, vec!["footwear".into(), "shoes".into()])
    );
    assert_eq!((found.manifest, found.objects), (pack("shoe"), manifest("shard")));
    assert_eq!(db.packs().await.unwrap().len(), 1);
    assert_eq!(db.pack("footwear").await.unwrap().unwrap().digest, digest);
    assert_eq!(db.pack(&digest.to_string()).await.unwrap().unwrap().digest, digest);
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_and_weights_may_have_one_name() {
    let db = Db::fresh().await;
    let name = "shoes".parse().unwrap();
    for (import, objects) in [(pack("shoe"), manifest("shard")), (weights("fc1"), manifest("layer"))] {
        let digest = db.begin_import(&import, &objects).await.unwrap();
        let row = db.import_by_digest(import.kind(), digest).await.unwrap();
        db.publish_import(&row, &name).await.unwrap();
    }

    let pack_row = db.pack("shoes").await.unwrap().unwrap();
    let weights_row = db.weights("shoes").await.unwrap().unwrap();
    assert_eq!(pack_row.digest, pack("shoe").digest());
    assert_eq!(weights_row.digest, weights("fc1").digest());
    assert_eq!(ImportManifest::Weights(weights_row.manifest), weights("fc1"));
    assert_eq!((pack_row.names, weights_row.names), (vec!["shoes".into()], vec!["shoes".into()]));
    for kind in [ImportKind::Pack, ImportKind::Weights] {
        assert_eq!(db.imports(kind).await.unwrap().len(), 1, "{kind}");
    }
    let as_pack = db.import_by_digest(ImportKind::Pack, weights_row.digest).await;
    assert!(matches!(as_pack, Err(StoreError::NotFound { what: "pack", .. })));
    assert!(db.weights(&pack_row.digest.to_string()).await.unwrap().is_none());
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_not_given_to_another_of_its_kind() {
    let db = Db::fresh().await;
    let name = "shoes".parse().unwrap();
    for [first, second] in [[pack("shoe"), pack("boot")], [weights("fc1"), weights("fc2")]] {
        let kind = first.kind();
        let first = db.begin_import(&first, &manifest("one")).await.unwrap();
        let second = db.begin_import(&second, &manifest("two")).await.unwrap();
        db.publish_import(&db.import_by_digest(kind, first).await.unwrap(), &name).await.unwrap();

        let taken = db.publish_import(&db.import_by_digest(kind, second).await.unwrap(), &name).await;

        let of = |error| matches!(error, StoreError::ImportNameTaken { digest, kind: of, .. } if digest == first && of == kind);
        assert!(taken.is_err_and(of), "{kind}");
        let second = db.import_by_digest(kind, second).await.unwrap();
        assert!(!second.published, "nothing of it is committed");
        let nothing = db.import_by_digest(kind, Digest::of(b"nothing")).await;
        assert!(matches!(nothing, Err(StoreError::NotFound { .. })));
        assert!(matches!(db.import_by_name(kind, "hats").await, Err(StoreError::NotFound { .. })));
    }
    db.finish().await;
}

/// The first announcement used to bind a pack for ever, even if its upload never ended.
#[tokio::test(flavor = "multi_thread")]
async fn an_imports_chunks_are_those_of_the_newest_announcement_until_it_is_published() {
    let db = Db::fresh().await;
    let name = "shoes".parse().unwrap();
    let digest = db.begin_import(&pack("shoe"), &manifest("first")).await.unwrap();
    let first = db.import_by_digest(ImportKind::Pack, digest).await.unwrap();

    db.begin_import(&pack("shoe"), &manifest("second")).await.unwrap();

    let second = db.import_by_digest(ImportKind::Pack, digest).await.unwrap();
    assert_eq!(second.objects, manifest("second"));
    let outdated = db.publish_import(&first, &name).await;
    assert!(matches!(outdated, Err(StoreError::ImportChanged { .. })), "its chunks were not checked");
    db.publish_import(&second, &name).await.unwrap();
    db.begin_import(&pack("shoe"), &manifest("third")).await.unwrap();
    let published = db.import_by_digest(ImportKind::Pack, digest).await.unwrap();
    assert_eq!(published.objects, manifest("second"));
    db.finish().await;
}
