//! Checkpoints: begun again as the same, seen when published, the newest kept.

use selffer_core::job::{Failure, FailureClass, GiveBackReason};
use selffer_storage::{CheckpointKind, CheckpointState, Claim, Holder, NewCheckpoint, NewClaim, StoreError};

use crate::{
    claims::make_due,
    harness::{Db, bases, claim_id, manifest, result},
};

#[tokio::test(flavor = "multi_thread")]
async fn beginning_again_is_the_same_checkpoint() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("one", 1)).await;
    let session_id = db.session("node1").await;
    let holder = db.run_best(session_id, "node1").await;
    let content = manifest("weights");
    let new = NewCheckpoint { kind: CheckpointKind::Intermediate, iteration: 400, manifest: &content };

    let first = db.begin_checkpoint(&holder, &new).await.unwrap();

    assert_eq!(db.begin_checkpoint(&holder, &new).await.unwrap(), first);
    let open = db.open_checkpoint(&holder, first).await.unwrap();
    assert_eq!((open.state, open.manifest, open.iteration), (CheckpointState::Begun, content, 400));
    db.publish_checkpoint(&holder, first).await.unwrap();
    db.publish_checkpoint(&holder, first).await.unwrap();
    assert_eq!(db.checkpoint(first).await.unwrap().state, CheckpointState::Published);
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_newest_two_intermediate_ones_are_kept() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("one", 1)).await;
    let session_id = db.session("node1").await;
    let holder = db.run_best(session_id, "node1").await;
    let mut ids = Vec::new();
    for iteration in [100, 200, 300] {
        ids.push(db.publish(&holder, CheckpointKind::Intermediate, iteration).await);
    }

    assert!(matches!(db.checkpoint(ids[0]).await, Err(StoreError::NotFound { .. })));
    assert_eq!(db.checkpoint(ids[1]).await.unwrap().iteration, 200);

    let last = db.publish(&holder, CheckpointKind::Final, 800).await;
    let completed = db.complete(&holder, &result(), last).await.unwrap();
    let mut dropped: Vec<u32> = completed.dropped.iter().map(|row| row.iteration).collect();
    dropped.sort_unstable();
    assert_eq!(dropped, [200, 300]);
    assert_eq!(db.checkpoint(last).await.unwrap().kind, CheckpointKind::Final);
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_attempt_resumes_from_the_newest_good_one() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("one", 1)).await;
    let session_id = db.session("node1").await;
    let holder = db.run_best(session_id, "node1").await;
    let older = db.publish(&holder, CheckpointKind::Intermediate, 100).await;
    let newer = db.publish(&holder, CheckpointKind::Intermediate, 200).await;
    let unfinished = manifest("unfinished");
    let begun = NewCheckpoint { kind: CheckpointKind::Intermediate, iteration: 300, manifest: &unfinished };
    db.begin_checkpoint(&holder, &begun).await.unwrap();
    db.give_back(&holder, GiveBackReason::WorkerStopping).await.unwrap();

    let lease = db.claim_best(session_id, "node1").await;
    assert_eq!((lease.claim.job_id, lease.resume_checkpoints), (holder.claim.job_id, vec![newer, older]));

    db.quarantine_checkpoint(newer).await.unwrap();
    let lease = db.assignment(lease.claim.claim_id, session_id).await.unwrap().unwrap();
    assert_eq!(lease.resume_checkpoints, [older]);
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_training_that_starts_over_keeps_what_it_publishes_and_gets_no_further_by_it() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("one", 1)).await;
    let session_id = db.session("node1").await;
    let holder = db.run_best(session_id, "node1").await;
    db.publish(&holder, CheckpointKind::Intermediate, 400).await;
    let furthest = db.publish(&holder, CheckpointKind::Intermediate, 500).await;
    let failure = Failure { class: FailureClass::Infrastructure, message: "the disk is full".to_owned() };
    db.fail(&holder, &failure, 500).await.unwrap();
    make_due(&db).await;
    let claim = Claim { claim_id: claim_id(), ..holder.claim };
    db.claim(&NewClaim { claim, session_id, worker: "node1/cpu0".to_owned() }).await.unwrap().unwrap();
    let again = Holder { claim, session_id };
    db.confirm(&again).await.unwrap();
    let offered =
        async || db.assignment(claim.claim_id, session_id).await.unwrap().unwrap().resume_checkpoints;

    for iteration in [100, 200, 300] {
        let newest = db.publish(&again, CheckpointKind::Intermediate, iteration).await;
        assert_eq!(offered().await, [newest, furthest]);
    }
    assert_eq!(times_progressed(&db).await, 0);

    let beyond = db.publish(&again, CheckpointKind::Intermediate, 600).await;
    assert_eq!(offered().await, [beyond, furthest]);
    assert_eq!(times_progressed(&db).await, 1);
    db.finish().await;
}

/// How often something that was used up was given back for getting further.
async fn times_progressed(db: &Db) -> i64 {
    let mut raw = db.raw().await;
    let count = sqlx::query_scalar("SELECT COUNT(*) FROM events WHERE what = 'progressed'");
    count.fetch_one(&mut raw).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_cannot_use_anothers_checkpoint() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("one", 1)).await;
    let session_id = db.session("node1").await;
    let (one, other) = (db.run_best(session_id, "node1").await, db.run_best(session_id, "node1").await);
    let theirs = db.publish(&other, CheckpointKind::Final, 800).await;

    assert!(matches!(db.open_checkpoint(&one, theirs).await, Err(StoreError::NotFound { .. })));
    assert!(matches!(db.publish_checkpoint(&one, theirs).await, Err(StoreError::NotFound { .. })));
    assert!(matches!(db.complete(&one, &result(), theirs).await, Err(StoreError::NotPublished { .. })));
    db.finish().await;
}
