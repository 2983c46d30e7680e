//! What the database knows of the chunk store: what is in it and why.

use std::time::Duration;

use selffer_core::{artifact::Chunk, ids::Digest};
use selffer_storage::{CheckpointKind, Kept};

use crate::harness::{Db, bases, manifest};

fn chunk(content: &str) -> Chunk {
    Chunk { digest: Digest::of(content.as_bytes()), bytes: content.len() as u64 }
}

/// Fault 54: a chunk whose row is gone, and one that is wanted again before it is collected.
#[tokio::test(flavor = "multi_thread")]
async fn what_no_manifest_knows_is_noted_and_one_that_is_wanted_meanwhile_stays() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("one", 1)).await;
    let session_id = db.session("node1").await;
    let holder = db.run_best(session_id, "node1").await;
    db.publish(&holder, CheckpointKind::Intermediate, 100).await;
    let known = manifest("100").objects[0].chunks[0].clone();
    let (orphan, wanted) = (chunk("orphan"), chunk("200"));

    let stored = [known, orphan.clone(), wanted.clone()];
    let unknown = db.unknown_chunks(&stored).await.unwrap();
    assert_eq!(unknown, [orphan.clone(), wanted]);
    // Between the look and the note somebody begins.
    db.publish(&holder, CheckpointKind::Intermediate, 200).await;
    db.note_unknown_chunks(&unknown).await.unwrap();
    db.note_unknown_chunks(&unknown).await.unwrap();

    assert!(db.unknown_chunks(&stored).await.unwrap().is_empty(), "now it is known that nobody needs it");
    let usage = db.chunk_usage(Duration::ZERO).await.unwrap();
    assert_eq!((usage.due_chunks, usage.due_bytes, usage.waiting_chunks), (1, 6, 0));
    let usage = db.chunk_usage(Duration::from_secs(3_600)).await.unwrap();
    assert_eq!((usage.due_chunks, usage.waiting_chunks, usage.waiting_bytes), (0, 1, 6));
    assert_eq!(usage.kept, [Kept { what: "intermediate".to_owned(), count: 2, bytes: 6 }]);
    let collection = db.collect(Duration::ZERO).await.unwrap().unwrap();
    assert_eq!(collection.chunks, [(orphan.digest, 6)]);
    collection.removed(&[orphan.digest]).await.unwrap();
    db.finish().await;
}
