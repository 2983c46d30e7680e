//! What intermediate checkpoints may take together: replaced ones give way, finals never.

use selffer_core::{
    artifact::{Chunk, Manifest, Object},
    ids::{CheckpointId, Digest},
};
use selffer_storage::{CheckpointKind, Holder, NewCheckpoint, StoreError};

use crate::harness::{Db, bases, result};

const INTERMEDIATE: CheckpointKind = CheckpointKind::Intermediate;

/// A manifest of one chunk of so many bytes, which nobody else has.
fn manifest(name: &str, bytes: u64) -> Manifest {
    let chunk = Chunk { digest: Digest::of(name.as_bytes()), bytes };
    Manifest { objects: vec![Object { name: "state.json".to_owned(), bytes, chunks: vec![chunk] }] }
}

/// Announces and publishes where all may take `max` bytes.
async fn publish(
    db: &Db,
    holder: &Holder,
    (kind, iteration, bytes): (CheckpointKind, u32, u64),
    max: u64,
) -> Result<CheckpointId, StoreError> {
    let manifest = manifest(&format!("{:?} {iteration}", holder.claim.job_id), bytes);
    let new = NewCheckpoint { kind, iteration, manifest: &manifest };
    let id = db.begin_checkpoint_within(holder, &new, Some(max)).await?;
    db.publish_checkpoint(holder, id).await?;
    Ok(id)
}

async fn two_running() -> (Db, [Holder; 2]) {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("one", 1)).await;
    let session_id = db.session("node1").await;
    let holders = [db.run_best(session_id, "node1").await, db.run_best(session_id, "node1").await];
    (db, holders)
}

async fn is_there(db: &Db, id: CheckpointId) -> bool {
    db.checkpoint(id).await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_that_was_replaced_gives_way_and_no_jobs_newest_ever_does() {
    let (db, [one, other]) = two_running().await;
    let oldest = publish(&db, &one, (INTERMEDIATE, 1, 100), 500).await.unwrap();
    let newer = publish(&db, &one, (INTERMEDIATE, 2, 100), 500).await.unwrap();
    let others_only = publish(&db, &other, (INTERMEDIATE, 1, 100), 500).await.unwrap();

    // 300 are taken and 300 more wanted: one of 100 has been replaced, and goes.
    let next = publish(&db, &other, (INTERMEDIATE, 2, 300), 500).await.unwrap();

    assert!(!is_there(&db, oldest).await, "a newer one of its job is there");
    assert!(is_there(&db, newer).await && is_there(&db, others_only).await && is_there(&db, next).await);
    // Now the other job's first one is replaced too; beyond that nothing may go.
    let refused = publish(&db, &one, (INTERMEDIATE, 3, 250), 500).await.unwrap_err();
    assert!(matches!(refused, StoreError::QuotaReached { used: 400, max: 500, given: 250 }), "{refused}");
    assert!(is_there(&db, others_only).await, "what was refused has changed nothing");
    publish(&db, &one, (INTERMEDIATE, 3, 100), 500).await.unwrap();
    assert!(!is_there(&db, others_only).await && is_there(&db, newer).await);
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_final_one_is_neither_counted_nor_refused_and_beginning_again_counts_once() {
    let (db, [one, other]) = two_running().await;
    publish(&db, &one, (CheckpointKind::Final, 800, 10_000), 100).await.unwrap();
    let content = manifest("half sent", 80);
    let new = NewCheckpoint { kind: INTERMEDIATE, iteration: 1, manifest: &content };
    let begun = db.begin_checkpoint_within(&other, &new, Some(100)).await.unwrap();
    assert_eq!(db.begin_checkpoint_within(&other, &new, Some(100)).await.unwrap(), begun);

    // What is announced counts for everybody else.
    let refused = publish(&db, &one, (INTERMEDIATE, 1, 30), 100).await.unwrap_err();
    assert!(matches!(refused, StoreError::QuotaReached { used: 80, .. }), "{refused}");
    publish(&db, &one, (INTERMEDIATE, 1, 20), 100).await.unwrap();
    db.finish().await;
}

/// What was furthest is how progress is known: it stays, however long ago it was.
#[tokio::test(flavor = "multi_thread")]
async fn the_furthest_of_a_training_that_started_over_stays() {
    let (db, [one, other]) = two_running().await;
    let furthest = publish(&db, &one, (INTERMEDIATE, 9, 100), 300).await.unwrap();
    let over = publish(&db, &one, (INTERMEDIATE, 1, 100), 300).await.unwrap();

    let refused = publish(&db, &other, (INTERMEDIATE, 1, 150), 300).await.unwrap_err();

    assert!(matches!(refused, StoreError::QuotaReached { .. }), "{refused}");
    assert!(is_there(&db, furthest).await && is_there(&db, over).await);
    db.finish().await;
}

/// Two that announce at once do not both take the last of it.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_that_announce_at_once_one_gets_the_last_room() {
    let (db, [one, other]) = two_running().await;
    let begin = |holder: Holder, name: &'static str| {
        let store = db.store();
        tokio::spawn(async move {
            let content = manifest(name, 60);
            let new = NewCheckpoint { kind: INTERMEDIATE, iteration: 1, manifest: &content };
            store.begin_checkpoint_within(&holder, &new, Some(100)).await
        })
    };

    let (first, second) = tokio::join!(begin(one, "one"), begin(other, "other"));

    let outcomes = [first.unwrap().is_ok(), second.unwrap().is_ok()];
    assert_eq!(outcomes.iter().filter(|taken| **taken).count(), 1, "{outcomes:?}");
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_is_summed_from_an_index_however_many_finals_there_are() {
    let (db, [one, _]) = two_running().await;
    let id = publish(&db, &one, (CheckpointKind::Final, 800, 100), 100).await.unwrap();
    db.complete(&one, &result(), id).await.unwrap();
    let mut raw = db.raw().await;
    sqlx::raw_sql(
        "INSERT INTO checkpoints (job_id, claim_id, kind, iteration, manifest, manifest_digest, bytes)
         SELECT job_id, claim_id, 'final', number, manifest, sha256(number::text::bytea), 1
         FROM checkpoints, generate_series(1, 20000) AS number;
         ANALYZE checkpoints",
    )
    .execute(&mut raw)
    .await
    .unwrap();
    let sql = "EXPLAIN SELECT SUM(bytes) FROM checkpoints WHERE kind = 'intermediate'";
    let plan: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut raw).await.unwrap();
    assert!(plan.iter().any(|line| line.contains("checkpoints_intermediate")), "{plan:#?}");
}
