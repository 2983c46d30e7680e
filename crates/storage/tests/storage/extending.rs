//! Studies that grow, and the same grid under other names.

use std::collections::BTreeMap;

use selffer_core::interest::InterestChange;
use selffer_storage::{Onto, StoreError, Submission, Submitted};

use crate::{
    harness::{Db, TRANSFER, pack, study, submission, uuid},
    sharing::ACT,
};

async fn extend(db: &Db, yaml: &str) -> Result<Submitted, StoreError> {
    let (study, files) = (study(yaml), BTreeMap::new());
    db.submit(&Submission { onto: Onto::Extended, ..submission(&study, uuid(), &files) }).await
}

fn deeper() -> String {
    TRANSFER.replace("n: [1, 4]", "n: [4, 7]")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_extended_study_has_what_is_new_and_is_each_of_its_grids() {
    let db = Db::fresh().await;
    db.submit_yaml(TRANSFER).await;

    let extended = extend(&db, &deeper()).await.unwrap();

    assert_eq!((extended.existed, extended.added, extended.jobs, extended.shared), (false, 4, 14, 6));
    let names: Vec<String> = db.all_study_jobs("last").await.unwrap().into_iter().map(|j| j.name).collect();
    assert_eq!(names.len(), 14);
    assert!(names[10..].iter().all(|name| name.contains('7')), "{names:?}");
    for yaml in [TRANSFER.to_owned(), deeper(), TRANSFER.replace("n: [1, 4]", "n: [1, 4, 7]")] {
        let same = db.submit_yaml(&yaml).await;
        assert_eq!((same.existed, same.jobs, same.added), (true, 14, 0), "{yaml}");
    }
    let other = db.try_submit(&TRANSFER.replace("n: [1, 4]", "n: [1]"), uuid()).await;
    assert!(matches!(other, Err(StoreError::StudyConflict { .. })), "{other:?}");
    let study_id = db.study("transfer").await.unwrap().study_id;
    assert_eq!(db.study_grids(study_id).await.unwrap().len(), 2);
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_extension_that_is_repeated_changes_nothing() {
    let db = Db::fresh().await;
    db.submit_yaml(TRANSFER).await;
    let (deeper, files, request_id) = (study(&deeper()), BTreeMap::new(), uuid());
    let extension = Submission { onto: Onto::Extended, ..submission(&deeper, request_id, &files) };
    let first = db.submit(&extension).await.unwrap();

    assert_eq!(db.submit(&extension).await.unwrap(), first, "a repeated request answers the same");
    let again = db.submit(&Submission { request_id: uuid(), ..extension }).await.unwrap();
    assert_eq!((again.existed, again.added), (true, 0));
    let reused = db.submit(&Submission { onto: Onto::Same, ..extension }).await;
    assert!(matches!(reused, Err(StoreError::RequestReused { .. })), "{reused:?}");
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_extension_never_changes_a_network() {
    let db = Db::fresh().await;
    db.submit_yaml(TRANSFER).await;

    let answer = extend(&db, &deeper().replace("preset: quick-28", "preset: quick-28, batch: 8")).await;

    let Err(StoreError::StudyConflict { difference, .. }) = answer else { panic!("{answer:?}") };
    assert!(difference.starts_with("6 networks are changed (random-0/"), "{difference}");
    let (network, files) = (study(&deeper()), BTreeMap::new());
    let elsewhere = selffer_core::ids::Digest::of(b"elsewhere");
    assert_ne!(elsewhere, pack());
    let other_pack =
        Submission { onto: Onto::Extended, pack: elsewhere, ..submission(&network, uuid(), &files) };
    let answer = db.submit(&other_pack).await;
    assert!(matches!(answer, Err(StoreError::StudyConflict { .. })), "{answer:?}");
    assert_eq!(db.study("transfer").await.unwrap().jobs(), 10);
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_study_that_is_there_is_extended() {
    let db = Db::fresh().await;
    let answer = extend(&db, TRANSFER).await;
    assert!(matches!(answer, Err(StoreError::NotFound { .. })), "{answer:?}");
    assert!(db.studies().await.unwrap().is_empty());
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn extending_a_study_that_was_given_up_revives_all_of_it() {
    let db = Db::fresh().await;
    db.submit_yaml(TRANSFER).await;
    db.change_interest("transfer", InterestChange::Cancel, &ACT).await.unwrap();

    let extended = extend(&db, &deeper()).await.unwrap();

    assert_eq!((extended.added, extended.reopened), (4, 10));
    assert_eq!(db.states().await, "waiting 12, ready 2");
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_grid_under_another_name_shares_every_network() {
    let db = Db::fresh().await;
    db.submit_yaml(TRANSFER).await;
    let (mut other, files) = (study(TRANSFER), BTreeMap::from([("net.yaml".to_owned(), "x".to_owned())]));
    other.name = "other".parse().unwrap();

    let submitted =
        db.submit(&Submission { priority: Some(7), ..submission(&other, uuid(), &files) }).await.unwrap();

    assert_eq!((submitted.study.as_str(), submitted.existed), ("other", false));
    assert_eq!((submitted.jobs, submitted.shared), (10, 10));
    assert!(db.candidates(9).await.unwrap().iter().all(|one| one.priority == 7));
    let grids = db.study_grids(db.study("other").await.unwrap().study_id).await.unwrap();
    assert_eq!(grids[0].files, files);
    db.finish().await;
}
