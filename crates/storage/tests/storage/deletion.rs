//! Trained networks that people delete: what goes, what stays for whom, and what is left of it.

use std::time::Duration;

use selffer_core::job::GiveBackReason;
use selffer_storage::{
    Act, CheckpointKind, CheckpointState, Deleted, Deleting, Holder, JobRef, Mode, OtherStudy, StoreError,
};

use crate::harness::{Db, TRANSFER, bases, uuid};

const ACT: Act<'_> = Act { actor: "tester", reason: "old" };

async fn delete(db: &Db, what: Deleting, mode: Mode) -> Result<Deleted, StoreError> {
    db.delete_networks(&what, &ACT, mode).await
}

fn study(name: &str) -> Deleting {
    Deleting::Study(name.to_owned())
}

async fn reference(db: &Db, holder: &Holder, study: &str) -> JobRef {
    let jobs = db.study_jobs(study, None, 100).await.unwrap();
    let ours = jobs.iter().find(|job| job.job_id == holder.claim.job_id).unwrap();
    db.find_job(&format!("{study}:{}", ours.name)).await.unwrap()
}

async fn train(db: &Db, count: usize) -> Vec<Holder> {
    let session_id = db.session("node1").await;
    let mut holders = Vec::new();
    for _ in 0..count {
        let holder = db.run_best(session_id, "node1").await;
        db.succeed(&holder).await;
        holders.push(holder);
    }
    holders
}

#[tokio::test(flavor = "multi_thread")]
async fn a_study_loses_its_networks_and_keeps_its_results() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("one", 1)).await;
    let trained = train(&db, 2).await;

    let would = delete(&db, study("one"), Mode::DryRun).await.unwrap();
    assert_eq!((would.networks, would.checkpoints, would.unended), (2, 2, 0));
    assert_eq!(db.published_checkpoints().await.unwrap().len(), 2, "a dry run changes nothing");
    assert_eq!(delete(&db, study("one"), Mode::Delete).await.unwrap(), would);

    assert!(db.published_checkpoints().await.unwrap().is_empty());
    assert_eq!(db.states().await, "succeeded 2");
    let job = reference(&db, &trained[0], "one").await;
    let detail = db.job(&job).await.unwrap();
    let checkpoint = db.checkpoint(detail.final_checkpoint.unwrap()).await.unwrap();
    assert_eq!(checkpoint.state, CheckpointState::Deleted);
    let collection = db.collect(Duration::ZERO).await.unwrap().unwrap();
    assert_eq!(collection.chunks.len(), 1, "both had the same chunk, and nobody has it now");
    let chunk = collection.chunks[0].0;
    collection.removed(&[chunk]).await.unwrap();
    assert_eq!(delete(&db, study("one"), Mode::Delete).await.unwrap().checkpoints, 0, "once");
    let mut raw = db.raw().await;
    let noted: (String, String, i32, i32) =
        sqlx::query_as("SELECT name, reason, networks, checkpoints FROM deletions")
            .fetch_one(&mut raw)
            .await
            .unwrap();
    assert_eq!(noted, ("one".to_owned(), "old".to_owned(), 2, 2));
    let events: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM events WHERE what = 'network deleted'")
        .fetch_one(&mut raw)
        .await
        .unwrap();
    assert_eq!(events, 2);
    assert!(db.quarantine_checkpoint(checkpoint.checkpoint_id).await.is_err(), "it stays deleted");
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_study_wants_or_somebody_copies_from_stays() {
    let db = Db::fresh().await;
    db.submit_yaml(TRANSFER).await;
    let sources = train(&db, 2).await;
    // The first study's networks among others: both bases of the first split.
    db.submit_yaml(&bases("shares", 1)).await;

    let of_shares = delete(&db, study("shares"), Mode::Delete).await.unwrap();
    assert_eq!(of_shares.others, [OtherStudy { study: "transfer".to_owned(), jobs: 2 }]);
    let of_transfer = delete(&db, study("transfer"), Mode::Delete).await.unwrap();
    assert_eq!((of_transfer.checkpoints, of_transfer.unended), (0, 8));
    assert_eq!(of_transfer.others, [OtherStudy { study: "shares".to_owned(), jobs: 2 }]);
    let job = reference(&db, &sources[0], "transfer").await;
    let refused = delete(&db, Deleting::Job(job), Mode::Delete).await.unwrap_err();
    assert!(matches!(refused, StoreError::StillNeeded { .. }), "{refused}");
    assert!(refused.to_string().contains("networks copy from it and have not ended: transfer:"), "{refused}");
    assert_eq!(db.published_checkpoints().await.unwrap().len(), 2);
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_cannot_be_deleted_and_what_was_cancelled_leaves_nothing_behind() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("one", 1)).await;
    let session_id = db.session("node1").await;
    let holder = db.run_best(session_id, "node1").await;
    db.publish(&holder, CheckpointKind::Intermediate, 100).await;
    let job = reference(&db, &holder, "one").await;
    let refused = delete(&db, Deleting::Job(job.clone()), Mode::Delete).await.unwrap_err();
    assert!(refused.to_string().ends_with("it is running; cancel it first"), "{refused}");

    db.give_back(&holder, GiveBackReason::WorkerStopping).await.unwrap();
    db.cancel_job(&job, &ACT).await.unwrap();
    let deleted = delete(&db, Deleting::Job(job), Mode::Delete).await.unwrap();

    assert_eq!((deleted.networks, deleted.checkpoints), (1, 1));
    let mut raw = db.raw().await;
    let left: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM checkpoints").fetch_one(&mut raw).await.unwrap();
    assert_eq!(left, 0);
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_source_is_trained_again_when_a_study_needs_it() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("first", 1)).await;
    let trained = train(&db, 2).await;
    for holder in &trained {
        let job = reference(&db, holder, "first").await;
        delete(&db, Deleting::Job(job), Mode::Delete).await.unwrap();
    }

    db.try_submit(TRANSFER, uuid()).await.unwrap();

    let states = db.states().await;
    assert!(states.contains("ready 2") && states.contains("waiting 8"), "{states}");
    db.assert_sound().await;
    let again = train(&db, 2).await;
    assert_eq!(again.len(), 2);
    assert!(db.states().await.contains("ready 8"));
    db.finish().await;
}
