//! Sources that are lost after their dependants were released, and what all of them hear.

use selffer_core::{
    ids::CheckpointId,
    job::{Failure, FailureClass, GiveBackReason},
};
use selffer_storage::{CheckpointKind, Holder};

use crate::{
    claims::make_due,
    harness::{Db, TRANSFER, bases, result},
};

/// Both sources have succeeded; eight networks can start. One source, and its final checkpoint.
async fn trained() -> (Db, Holder, CheckpointId) {
    let db = Db::fresh().await;
    db.submit_yaml(TRANSFER).await;
    let session_id = db.session("node1").await;
    let source = db.run_best(session_id, "node1").await;
    let last = db.publish(&source, CheckpointKind::Final, 800).await;
    db.complete(&source, &result(), last).await.unwrap();
    let other = db.run_best(session_id, "node1").await;
    db.succeed(&other).await;
    assert_eq!(db.states().await, "ready 8, succeeded 2");
    (db, source, last)
}

fn device_broke() -> Failure {
    Failure { class: FailureClass::Hardware, message: "the device fell off the bus".to_owned() }
}

fn fetch_failed() -> Failure {
    Failure { class: FailureClass::Infrastructure, message: "the source cannot be had".to_owned() }
}

/// Claims until it has a job that copies from this checkpoint.
async fn run_copy_of(db: &Db, source: &Holder, last: CheckpointId) -> Holder {
    loop {
        let lease = db.claim_best(source.session_id, "node1").await;
        let holder = Holder { session_id: source.session_id, claim: lease.claim };
        db.confirm(&holder).await.unwrap();
        if lease.source_checkpoint == Some(last) {
            return holder;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_whose_network_is_damaged_is_trained_again_and_those_ready_wait() {
    let (db, source, last) = trained().await;
    let running = run_copy_of(&db, &source, last).await;

    assert!(db.quarantine_checkpoint(last).await.unwrap());
    assert!(!db.quarantine_checkpoint(last).await.unwrap(), "once is enough");

    let states = db.states().await;
    assert!(states.starts_with("waiting 3, ready ") && states.ends_with("succeeded 1"), "{states}");
    let jobs = db.study_jobs("transfer", None, 100).await.unwrap();
    let ours = jobs.iter().find(|job| job.job_id == source.claim.job_id).unwrap();
    let detail = db.job(&db.find_job(&ours.name).await.unwrap()).await.unwrap();
    let told = |what: &str| detail.events.iter().any(|event| event.what == what);
    assert!(told("network lost") && told("re-opened"), "{detail:?}");
    // The one at work has what it copies, and goes on.
    db.succeed(&running).await;
    db.assert_sound().await;

    let again = db.run_best(source.session_id, "node1").await;
    assert_eq!(again.claim.job_id, source.claim.job_id, "a source comes first");
    assert_eq!(db.succeed(&again).await, 3);
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_comes_back_while_its_source_is_trained_again_waits_for_it() {
    let (db, source, last) = trained().await;
    let failing = run_copy_of(&db, &source, last).await;
    let returning = run_copy_of(&db, &source, last).await;
    db.quarantine_checkpoint(last).await.unwrap();

    assert_eq!(db.fail(&failing, &fetch_failed(), 0).await.unwrap(), 0, "nothing can start now");
    assert_eq!(db.give_back(&returning, GiveBackReason::NotStarted).await.unwrap(), 0);

    assert!(db.states().await.starts_with("waiting 4, "), "{}", db.states().await);
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_comes_back_after_its_source_failed_is_held_with_the_reason() {
    let (db, source, last) = trained().await;
    let running = run_copy_of(&db, &source, last).await;
    db.quarantine_checkpoint(last).await.unwrap();
    let again = db.run_best(source.session_id, "node1").await;
    let failure = Failure { class: FailureClass::Diverged, message: "the loss is not finite".to_owned() };
    db.fail(&again, &failure, 12).await.unwrap();

    assert_eq!(db.fail(&running, &fetch_failed(), 0).await.unwrap(), 0);

    let jobs = db.study_jobs("transfer", None, 100).await.unwrap();
    let ours = jobs.iter().find(|job| job.job_id == running.claim.job_id).unwrap();
    assert_eq!(ours.reason(), "its source network failed: the loss is not finite");
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_network_that_nobody_copies_from_any_more_is_trained_again_when_somebody_does() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("bases", 1)).await;
    let session_id = db.session("node1").await;
    let holder = db.run_best(session_id, "node1").await;
    let last = db.publish(&holder, CheckpointKind::Final, 800).await;
    db.complete(&holder, &result(), last).await.unwrap();
    assert!(!db.quarantine_checkpoint(last).await.unwrap(), "its result is known");
    assert_eq!(db.states().await, "ready 1, succeeded 1");

    db.submit_yaml(TRANSFER).await;

    assert_eq!(db.states().await, "waiting 8, ready 2");
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_gives_the_retries_back_and_its_lack_holds_the_job() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("one", 1)).await;
    let session_id = db.session("node1").await;
    let job_id = db.candidates(1).await.unwrap()[0].job_id;
    for iteration in [100, 200, 0, 0] {
        make_due(&db).await;
        let mut holder = db.run_best(session_id, "node1").await;
        while holder.claim.job_id != job_id {
            db.succeed(&holder).await;
            holder = db.run_best(session_id, "node1").await;
        }
        if iteration > 0 {
            db.publish(&holder, CheckpointKind::Intermediate, iteration).await;
        }
        db.fail(&holder, &device_broke(), iteration).await.unwrap();
    }

    // What was before the last progress does not count; the attempt that made it does.
    let jobs = db.study_jobs("one", None, 100).await.unwrap();
    let ours = jobs.iter().find(|job| job.job_id == job_id).unwrap();
    assert_eq!(ours.state.as_str(), "held", "{ours:?}");
    let reason = "3 attempts in a row ended without progress, the last with hardware";
    assert!(ours.reason().starts_with(reason), "{}", ours.reason());
    db.finish().await;
}
