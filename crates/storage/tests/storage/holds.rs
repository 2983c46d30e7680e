//! Jobs that a person holds, and what becomes of those that copy from a cancelled one.

use selffer_core::job::{Failure, FailureClass, GiveBackReason, HoldReason, StateKind};
use selffer_storage::{Act, Fate, Holder, JobRef, StoreError, Verdict};

use crate::{
    claims::item,
    harness::{Db, TRANSFER, bases},
};

const ACT: Act<'static> = Act { actor: "tester", reason: "the images are looked into" };

async fn job(db: &Db, name: &str) -> JobRef {
    db.find_job(name).await.unwrap()
}

async fn reason(db: &Db, name: &str) -> String {
    db.job(&job(db, name).await).await.unwrap().summary.reason()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_job_says_why_everywhere_and_goes_on_when_it_is_tried_again() {
    let db = Db::fresh().await;
    db.submit_yaml(TRANSFER).await;
    let base = job(&db, "random-0/baseA").await;

    let acted = db.hold_job(&base, &ACT).await.unwrap();

    assert_eq!((acted.changed, acted.held, acted.ending), (true, 1, 0));
    assert!(!db.hold_job(&base, &ACT).await.unwrap().changed);
    assert_eq!(reason(&db, "random-0/baseA").await, "the images are looked into");
    assert_eq!(reason(&db, "random-0/A1B").await, "its source network is held: the images are looked into");
    assert_eq!(db.states().await, "waiting 4, ready 1, held 5");
    let events = db.job(&base).await.unwrap().events;
    assert!(events.iter().any(|event| event.what == "hold" && event.detail.starts_with("by tester")));

    let acted = db.retry_job(&base, &ACT).await.unwrap();
    assert_eq!(acted.reopened, 1);
    assert_eq!(db.states().await, "waiting 8, ready 2");
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_job_is_held_when_its_worker_has_made_a_checkpoint() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("two", 1)).await;
    let session_id = db.session("node1").await;
    let running = db.run_best(session_id, "node1").await;
    let name = db.all_study_jobs("two").await.unwrap();
    let name = name.iter().find(|job| job.job_id == running.claim.job_id).unwrap().name.clone();
    let held = job(&db, &name).await;

    let acted = db.hold_job(&held, &ACT).await.unwrap();

    assert_eq!((acted.held, acted.ending, acted.running), (1, 1, 0));
    let told = reason(&db, &name).await;
    assert_eq!(told, "to be held after a checkpoint: the images are looked into");
    let answer = db.heartbeat(session_id, &[item(running.claim)]).await.unwrap();
    assert_eq!(answer.verdicts[0].verdict, Verdict::Cancel);
    assert_eq!(db.give_back(&running, GiveBackReason::WorkerStopping).await.unwrap(), 0);
    let summary = db.job(&held).await.unwrap().summary;
    let operator = HoldReason::Operator { reason: ACT.reason.to_owned() };
    assert_eq!((summary.state, summary.hold), (StateKind::Held, Some(operator)));
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_is_taken_back_in_time_lets_the_worker_go_on() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("two", 1)).await;
    let session_id = db.session("node1").await;
    let running = db.run_best(session_id, "node1").await;
    let acted = db.hold_study("two", &ACT).await.unwrap();
    assert_eq!((acted.held, acted.ending), (2, 1), "one at once, one after a checkpoint");
    assert_eq!(db.states().await, "running 1, held 1");

    let acted = db.retry_study("two", selffer_storage::Reopen::Everything, &ACT).await.unwrap();

    assert_eq!(acted.reopened, 1);
    let answer = db.heartbeat(session_id, &[item(running.claim)]).await.unwrap();
    assert_eq!(answer.verdicts[0].verdict, Verdict::Ok);
    db.succeed(&running).await;
    assert_eq!(db.states().await, "ready 1, succeeded 1");
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_finishes_before_it_could_be_held_has_succeeded() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("two", 1)).await;
    let session_id = db.session("node1").await;
    let running = db.run_best(session_id, "node1").await;
    db.hold_study("two", &ACT).await.unwrap();

    db.succeed(&running).await;

    assert_eq!(db.states().await, "held 1, succeeded 1");
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_a_source_is_refused_until_it_is_said_what_becomes_of_its_dependants() {
    let db = Db::fresh().await;
    db.submit_yaml(TRANSFER).await;
    let base = job(&db, "random-0/baseA").await;

    for fate in [None, Some(Fate::Keep)] {
        let refused = db.cancel_job_and(&base, fate, &ACT).await.unwrap_err();
        let StoreError::HasDependants { count, names, .. } = refused else { panic!("{refused}") };
        assert_eq!((count, names.len()), (4, 4));
        assert!(names.contains(&"transfer:random-0/A1B".to_owned()), "{names:?}");
    }
    assert_eq!(db.states().await, "waiting 8, ready 2", "nothing was changed");
    let (names, count) = db.dependants_of(base.job_id).await.unwrap();
    assert_eq!((names.len(), count), (4, 4));

    let acted = db.cancel_job_and(&base, Some(Fate::Hold), &ACT).await.unwrap();
    assert_eq!(acted.cancelled, 1);
    assert_eq!(db.states().await, "waiting 4, ready 1, held 4, cancelled 1");
    db.retry_job(&base, &ACT).await.unwrap();
    assert_eq!(db.states().await, "waiting 8, ready 2");

    let acted = db.cancel_job_and(&base, Some(Fate::Cancel), &ACT).await.unwrap();
    assert_eq!(acted.cancelled, 5);
    assert_eq!(db.states().await, "waiting 4, ready 1, cancelled 5");
    let leaf = job(&db, "random-0/B1A").await;
    assert_eq!(db.cancel_job_and(&leaf, None, &ACT).await.unwrap().cancelled, 1, "nothing copies from it");
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_finishes_while_it_is_cancelled_starts_none_of_its_cancelled_dependants() {
    for round in 0..8 {
        let db = Db::fresh().await;
        db.submit_yaml(TRANSFER).await;
        let session_id = db.session("node1").await;
        let running: Holder = db.run_best(session_id, "node1").await;
        let jobs = db.all_study_jobs("transfer").await.unwrap();
        let source = jobs.iter().find(|job| job.job_id == running.claim.job_id).unwrap().name.clone();
        let source = job(&db, &source).await;

        let store = db.store();
        let cancel =
            tokio::spawn(async move { store.cancel_job_and(&source, Some(Fate::Cancel), &ACT).await });
        let finished = async {
            for _ in 0..round {
                tokio::task::yield_now().await;
            }
            db.succeed(&running).await
        };
        let (released, cancelled) = tokio::join!(finished, cancel);

        let cancelled = cancelled.unwrap().unwrap().cancelled;
        // Either the cancellation was first and its dependants are gone, or the success was, and
        // there was nothing left to cancel.
        assert!(
            matches!((released, cancelled), (0, 4) | (4, 0)),
            "{released} released, {cancelled} cancelled"
        );
        db.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_source_holds_its_dependants_and_its_retry_releases_them() {
    let db = Db::fresh().await;
    db.submit_yaml(TRANSFER).await;
    let session_id = db.session("node1").await;
    let running = db.run_best(session_id, "node1").await;
    let failure = Failure { class: FailureClass::Diverged, message: "the loss is not finite".to_owned() };
    db.fail(&running, &failure, 7).await.unwrap();
    assert_eq!(db.states().await, "waiting 4, ready 1, held 4, failed 1");

    let acted = db.retry_study("last", selffer_storage::Reopen::Failed, &ACT).await.unwrap();
    assert_eq!((acted.reopened, db.states().await.as_str()), (5, "waiting 8, ready 2"));
    let again = db.run_best(session_id, "node1").await;
    assert_eq!(db.succeed(&again).await, 4);
    db.finish().await;
}
