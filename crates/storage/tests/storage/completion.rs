//! Outcomes: committed once, dependants released once or held with a reason.

use selffer_core::job::{Failure, FailureClass, GiveBackReason};
use selffer_storage::{CheckpointKind, Completion, StoreError};

use crate::{
    claims::make_due,
    harness::{Db, TRANSFER, bases, is_stale, result, study, submit, uuid},
};

#[tokio::test(flavor = "multi_thread")]
async fn completing_ten_times_at_once_releases_dependants_once() {
    let db = Db::fresh().await;
    db.submit_yaml(TRANSFER).await;
    let session_id = db.session("node1").await;
    let holder = db.run_best(session_id, "node1").await;
    let checkpoint_id = db.publish(&holder, CheckpointKind::Final, 800).await;

    let calls = (0..10).map(|_| {
        let store = db.store();
        tokio::spawn(async move { store.complete(&holder, &result(), checkpoint_id).await })
    });
    let mut released = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        released.push(call.await.unwrap().unwrap().released);
    }

    released.sort_unstable();
    assert_eq!(released, [0, 0, 0, 0, 0, 0, 0, 0, 0, 4]);
    assert_eq!(db.states().await, "waiting 4, ready 5, succeeded 1");
    let mut raw = db.raw().await;
    let count = |sql: &'static str| sqlx::query_scalar::<_, i64>(sql);
    assert_eq!(count("SELECT COUNT(*) FROM results").fetch_one(&mut raw).await.unwrap(), 1);
    let events = "SELECT COUNT(*) FROM events WHERE what = 'source succeeded'";
    assert_eq!(count(events).fetch_one(&mut raw).await.unwrap(), 4);
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_completions_made_together_each_gets_its_own_answer() {
    let db = Db::fresh().await;
    db.submit_yaml(TRANSFER).await;
    db.submit_yaml(&bases("plain", 3)).await;
    let session_id = db.session("node1").await;
    let completion = async |kind, iteration| {
        let holder = db.run_best(session_id, "node1").await;
        let checkpoint_id = db.publish(&holder, kind, iteration).await;
        Completion { holder, result: result(), checkpoint_id }
    };
    // The best are the sources; an earlier attempt at a plain one is over.
    let source = completion(CheckpointKind::Final, 800).await;
    let other_source = completion(CheckpointKind::Final, 800).await;
    let stale = completion(CheckpointKind::Final, 800).await;
    db.give_back(&stale.holder, GiveBackReason::WorkerStopping).await.unwrap();
    let plain = completion(CheckpointKind::Final, 800).await;
    let next = completion(CheckpointKind::Final, 800).await;

    let together = [source, plain.clone(), stale, next, plain, other_source];
    let completed = db.complete_each(&together).await.unwrap();

    let released: Vec<_> = completed.iter().map(|one| one.as_ref().map(|done| done.released).ok()).collect();
    assert_eq!(released, [Some(4), Some(0), None, Some(0), Some(0), Some(4)]);
    assert!(is_stale(&completed[2]), "{:?}", completed[2]);
    let again = db.complete_each(&together[..2]).await.unwrap();
    assert!(again.iter().all(|one| matches!(one, Ok(done) if done.released == 0)), "{again:?}");

    // One whose checkpoint is none is in nobody's way.
    let good = completion(CheckpointKind::Final, 800).await;
    let bad = completion(CheckpointKind::Intermediate, 400).await;
    let completed = db.complete_each(&[bad, good]).await.unwrap();
    assert!(matches!(completed[0], Err(StoreError::NotPublished { .. })), "{:?}", completed[0]);
    assert!(completed[1].is_ok(), "{:?}", completed[1]);
    let mut raw = db.raw().await;
    let results = sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM results");
    assert_eq!(results.fetch_one(&mut raw).await.unwrap(), 5);
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dependant_gets_the_sources_final_checkpoint() {
    let db = Db::fresh().await;
    db.submit_yaml(TRANSFER).await;
    let session_id = db.session("node1").await;
    let holder = db.run_best(session_id, "node1").await;
    let final_checkpoint = db.publish(&holder, CheckpointKind::Final, 800).await;
    db.complete(&holder, &result(), final_checkpoint).await.unwrap();
    let second = db.run_best(session_id, "node1").await;
    db.succeed(&second).await;

    let candidates = db.candidates(256).await.unwrap();
    assert!(candidates.iter().all(|one| one.source_weights == Some(result().weights_digest)));
    let lease = db.claim_best(session_id, "node1").await;

    assert!(lease.source_checkpoint.is_some());
    assert_eq!(lease.resume_checkpoints, []);
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_without_its_published_final_checkpoint_is_refused() {
    let db = Db::fresh().await;
    db.submit_yaml(TRANSFER).await;
    let session_id = db.session("node1").await;
    let holder = db.run_best(session_id, "node1").await;
    let intermediate = db.publish(&holder, CheckpointKind::Intermediate, 400).await;

    let answer = db.complete(&holder, &result(), intermediate).await;

    assert!(matches!(answer, Err(StoreError::NotPublished { .. })), "{answer:?}");
    assert_eq!(db.states().await, "waiting 8, ready 1, running 1");
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_source_holds_its_dependants_until_somebody_wants_them_again() {
    let db = Db::fresh().await;
    db.submit_yaml(TRANSFER).await;
    let session_id = db.session("node1").await;
    let holder = db.run_best(session_id, "node1").await;
    let failure = Failure { class: FailureClass::Diverged, message: "the loss is not finite".to_owned() };

    assert_eq!(db.fail(&holder, &failure, 12).await.unwrap(), 0);
    assert_eq!(db.fail(&holder, &failure, 12).await.unwrap(), 0, "a repeat answers the same");
    assert_eq!(db.states().await, "waiting 4, ready 1, held 4, failed 1");
    let jobs = db.study_jobs("transfer", None, 100).await.unwrap();
    let held = jobs.iter().find(|job| job.hold.is_some()).unwrap();
    assert_eq!(held.reason(), "its source network failed: the loss is not finite");

    let again = db.submit_yaml(TRANSFER).await;
    assert!(again.existed);
    assert_eq!(db.states().await, "waiting 8, ready 2");
    assert!(is_stale(&db.complete(&holder, &result(), selffer_core::ids::CheckpointId(uuid())).await));
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_that_is_ours_is_tried_again_later_and_elsewhere() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("one", 1)).await;
    let session_id = db.session("node1").await;
    let holder = db.run_best(session_id, "node1").await;
    let failure = Failure { class: FailureClass::Infrastructure, message: "the disk is full".to_owned() };

    assert_eq!(db.fail(&holder, &failure, 3).await.unwrap(), 1);

    assert_eq!(db.states().await, "ready 2");
    let due = db.candidates(9).await.unwrap();
    assert!(due.iter().all(|one| one.job_id != holder.claim.job_id), "it must wait for its time");
    make_due(&db).await;
    let due = db.candidates(9).await.unwrap();
    let ours = due.iter().find(|one| one.job_id == holder.claim.job_id).unwrap();
    assert_eq!(ours.avoid_worker.as_deref(), Some("node1/cpu0"));
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_given_back_is_ready_at_once() {
    let db = Db::fresh().await;
    db.submit_yaml(TRANSFER).await;
    let session_id = db.session("node1").await;
    let holder = db.run_best(session_id, "node1").await;

    assert_eq!(db.give_back(&holder, GiveBackReason::WorkerStopping).await.unwrap(), 1);
    assert_eq!(db.give_back(&holder, GiveBackReason::WorkerStopping).await.unwrap(), 0);

    let again = db.claim_best(session_id, "node1").await;
    assert_eq!((again.claim.job_id, again.attempt.0), (holder.claim.job_id, 2));
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dependant_submitted_while_its_source_finishes_is_never_forgotten() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("bases", 8)).await;
    let session_id = db.session("node1").await;
    for split in 0..8 {
        let holder = db.run_best(session_id, "node1").await;
        let checkpoint_id = db.publish(&holder, CheckpointKind::Final, 800).await;
        let yaml = TRANSFER
            .replace("study: transfer", &format!("study: transfer-{split}"))
            .replace("split: random-0", "split: [random-0, random-1, random-2, random-3]");
        let store = db.store();
        let finishing = tokio::spawn(async move { store.complete(&holder, &result(), checkpoint_id).await });
        let store = db.store();
        let submitting = tokio::spawn(async move { submit(&store, &study(&yaml), uuid()).await });
        finishing.await.unwrap().unwrap();
        submitting.await.unwrap().unwrap();
        db.assert_sound().await;
    }
    db.finish().await;
}
