//! Chunks that nobody needs any more: noted with their rows' end, collected after a while,
//! left alone when somebody wants them again.

use std::time::Duration;

use selffer_core::{
    artifact::{Chunk, Manifest, Object},
    ids::Digest,
    job::GiveBackReason,
};
use selffer_storage::{CheckpointKind, Holder, NewCheckpoint};

use crate::harness::{Db, bases, manifest, result};

const LONG: Duration = Duration::from_secs(3600);
const DEADLINE: Duration = Duration::from_secs(20);

fn of(content: &str) -> Digest {
    Digest::of(content.as_bytes())
}

/// One object for each content.
fn objects(contents: &[&str]) -> Manifest {
    let object = |content: &&str| {
        let chunk = Chunk { digest: of(content), bytes: content.len() as u64 };
        Object { name: (*content).to_owned(), bytes: chunk.bytes, chunks: vec![chunk] }
    };
    Manifest { objects: contents.iter().map(object).collect() }
}

async fn running() -> (Db, Holder) {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("one", 1)).await;
    let session_id = db.session("node1").await;
    let holder = db.run_best(session_id, "node1").await;
    (db, holder)
}

async fn publish(db: &Db, holder: &Holder, iteration: u32, contents: &[&str]) {
    let manifest = objects(contents);
    let new = NewCheckpoint { kind: CheckpointKind::Intermediate, iteration, manifest: &manifest };
    let id = db.begin_checkpoint(holder, &new).await.unwrap();
    db.publish_checkpoint(holder, id).await.unwrap();
}

/// Collects everything that is due; which chunks went.
async fn collected(db: &Db) -> Vec<Digest> {
    let mut gone = Vec::new();
    while let Some(collection) = db.collect(Duration::ZERO).await.unwrap() {
        let digests: Vec<_> = collection.chunks.iter().map(|(digest, _)| *digest).collect();
        collection.removed(&digests).await.unwrap();
        gone.extend(digests);
    }
    gone.sort_unstable();
    gone
}

fn sorted(contents: &[&str]) -> Vec<Digest> {
    let mut digests: Vec<_> = contents.iter().map(|content| of(content)).collect();
    digests.sort_unstable();
    digests
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_checkpoint_leaves_only_what_others_do_not_have() {
    let (db, holder) = running().await;
    for (iteration, own) in [(1, "one"), (2, "two"), (3, "three")] {
        publish(&db, &holder, iteration, &["frozen", own]).await;
    }

    assert!(db.collect(LONG).await.unwrap().is_none(), "not yet");
    assert_eq!(collected(&db).await, [of("one")]);
    assert_eq!(collected(&db).await, [], "once");

    let last = db.publish(&holder, CheckpointKind::Final, 800).await;
    db.complete(&holder, &result(), last).await.unwrap();
    assert_eq!(collected(&db).await, sorted(&["frozen", "two", "three"]));
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_that_a_begun_checkpoint_wants_again_stays() {
    let (db, holder) = running().await;
    for (iteration, own) in [(1, "one"), (2, "two"), (3, "three")] {
        publish(&db, &holder, iteration, &[own]).await;
    }
    let again = objects(&["one"]);
    let new = NewCheckpoint { kind: CheckpointKind::Intermediate, iteration: 4, manifest: &again };

    db.begin_checkpoint(&holder, &new).await.unwrap();

    assert_eq!(collected(&db).await, []);
    db.finish().await;
}

/// Fault 55: the collector is about to remove a file when a checkpoint that needs it begins.
#[tokio::test(flavor = "multi_thread")]
async fn who_begins_while_the_file_goes_waits_and_then_sees_that_it_is_missing() {
    let (db, holder) = running().await;
    for (iteration, own) in [(1, "one"), (2, "two"), (3, "three")] {
        publish(&db, &holder, iteration, &[own]).await;
    }
    let collection = db.collect(Duration::ZERO).await.unwrap().unwrap();
    assert_eq!(collection.chunks, [(of("one"), 3)]);
    let (store, again) = (db.store(), objects(&["one"]));
    let begin = tokio::spawn(async move {
        let new = NewCheckpoint { kind: CheckpointKind::Intermediate, iteration: 4, manifest: &again };
        store.begin_checkpoint(&holder, &new).await
    });

    let mut raw = db.raw().await;
    let waits = "SELECT COUNT(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let blocked = async {
        while sqlx::query_scalar::<_, i64>(waits).fetch_one(&mut raw).await.unwrap() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, blocked).await.expect("it waits for the collector");
    assert!(!begin.is_finished());

    // Here the file goes.
    collection.removed(&[of("one")]).await.unwrap();
    begin.await.unwrap().unwrap();
    assert_eq!(collected(&db).await, [], "what comes after is a chunk in use");
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_passes_over_what_somebody_is_about_to_want() {
    let (db, holder) = running().await;
    for (iteration, own) in [(1, "one"), (2, "two"), (3, "three")] {
        publish(&db, &holder, iteration, &[own]).await;
    }
    let mut raw = db.raw().await;
    // As the transaction of a Begin that has not ended.
    sqlx::raw_sql("BEGIN; DELETE FROM dropped_chunks").execute(&mut raw).await.unwrap();

    assert!(db.collect(Duration::ZERO).await.unwrap().is_none());

    sqlx::raw_sql("ROLLBACK").execute(&mut raw).await.unwrap();
    assert_eq!(collected(&db).await, [of("one")]);
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_attempt_announced_and_never_published_goes_once_it_has_ended() {
    let (db, holder) = running().await;
    let manifest = manifest("unfinished");
    let new = NewCheckpoint { kind: CheckpointKind::Intermediate, iteration: 4, manifest: &manifest };
    db.begin_checkpoint(&holder, &new).await.unwrap();
    assert_eq!(db.drop_abandoned_checkpoints(Duration::ZERO).await.unwrap(), 0);
    db.give_back(&holder, GiveBackReason::WorkerStopping).await.unwrap();

    assert_eq!(db.drop_abandoned_checkpoints(LONG).await.unwrap(), 0, "not yet");
    assert_eq!(db.drop_abandoned_checkpoints(Duration::ZERO).await.unwrap(), 1);

    assert_eq!(collected(&db).await, [of("unfinished")]);
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_for_who_has_a_chunk_uses_the_indexes_however_many_checkpoints_there_are() {
    let (db, holder) = running().await;
    publish(&db, &holder, 1, &["frozen", "one"]).await;
    let mut raw = db.raw().await;
    sqlx::raw_sql(
        "INSERT INTO checkpoints (job_id, claim_id, kind, iteration, manifest, manifest_digest, bytes)
         SELECT job_id, claim_id, 'final', number, jsonb_build_object('objects', jsonb_build_array(
                 jsonb_build_object('name', 'a', 'bytes', 1, 'chunks', jsonb_build_array(
                     jsonb_build_object('digest', encode(sha256(number::text::bytea), 'hex'), 'bytes', 1))))),
             sha256(number::text::bytea), 1
         FROM checkpoints, generate_series(2, 20000) AS number;
         ANALYZE checkpoints",
    )
    .execute(&mut raw)
    .await
    .unwrap();
    let sql = "EXPLAIN SELECT 1 FROM UNNEST(ARRAY[sha256('x')]) AS chunk (digest) WHERE EXISTS (
        SELECT 1 FROM checkpoints WHERE jsonb_path_query_array(manifest, '$.objects[*].chunks[*].digest')
            ? encode(chunk.digest, 'hex'))";
    let plan: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut raw).await.unwrap();
    assert!(plan.iter().any(|line| line.contains("checkpoints_chunks")), "{plan:#?}");
    db.finish().await;
}
