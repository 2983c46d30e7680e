//! Sessions: expired, revived, superseded, closed; and what becomes of their jobs.

use std::time::Duration;

use selffer_core::{ids::SessionId, job::GiveBackReason};
use selffer_storage::{CheckpointKind, Holder, Liveness, NewSession, StoreError, Verdict};

use crate::{
    claims::{item, make_due},
    harness::{Db, bases, is_stale, new_session, result, uuid},
};

const LONG: Duration = Duration::from_secs(3600);

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_sessions_job_is_suspect_and_nobody_elses() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("one", 1)).await;
    let session_id = db.session("node1").await;
    db.run_best(session_id, "node1").await;

    assert_eq!(db.session_liveness(LONG).await.unwrap(), Liveness { live: 1, silent: 0 });
    assert_eq!(db.expire_sessions(LONG).await.unwrap(), 0);
    assert_eq!(db.session_liveness(Duration::ZERO).await.unwrap(), Liveness { live: 0, silent: 1 });
    assert_eq!(db.expire_sessions(Duration::ZERO).await.unwrap(), 1);
    assert_eq!(db.expire_sessions(Duration::ZERO).await.unwrap(), 0, "once is enough");

    assert_eq!(db.states().await, "ready 1, suspect 1");
    assert_eq!(db.candidates(9).await.unwrap().len(), 1);
    assert_eq!(db.lose_workers(LONG).await.unwrap(), 0);
    assert!(!db.workers().await.unwrap()[0].alive);
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_returns_in_time_goes_on() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("one", 1)).await;
    let session_id = db.session("node1").await;
    let holder = db.run_best(session_id, "node1").await;
    db.expire_sessions(Duration::ZERO).await.unwrap();

    let answer = db.heartbeat(session_id, &[item(holder.claim)]).await.unwrap();

    assert_eq!(answer.verdicts[0].verdict, Verdict::Ok);
    assert_eq!(db.states().await, "ready 1, running 1");
    let worker = &db.workers().await.unwrap()[0];
    assert!(worker.alive && worker.job.as_deref().is_some_and(|job| job.starts_with("one:random-0/base")));
    db.succeed(&holder).await;
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_result_is_accepted_while_nobody_else_has_the_job() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("one", 1)).await;
    let session_id = db.session("node1").await;
    let holder = db.run_best(session_id, "node1").await;
    let checkpoint_id = db.publish(&holder, CheckpointKind::Final, 800).await;
    db.expire_sessions(Duration::ZERO).await.unwrap();

    db.complete(&holder, &result(), checkpoint_id).await.unwrap();

    assert_eq!(db.states().await, "ready 1, succeeded 1");
    assert_eq!(db.lose_workers(Duration::ZERO).await.unwrap(), 0);
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_workers_job_goes_to_another_and_its_result_comes_too_late() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("one", 1)).await;
    let session_id = db.session("node1").await;
    let holder = db.run_best(session_id, "node1").await;
    let checkpoint_id = db.publish(&holder, CheckpointKind::Final, 800).await;
    db.expire_sessions(Duration::ZERO).await.unwrap();

    assert_eq!(db.lose_workers(Duration::ZERO).await.unwrap(), 1);

    assert!(is_stale(&db.complete(&holder, &result(), checkpoint_id).await));
    make_due(&db).await;
    let due = db.candidates(9).await.unwrap();
    let ours = due.iter().find(|one| one.job_id == holder.claim.job_id).unwrap();
    assert_eq!(ours.avoid_worker.as_deref(), Some("node1/cpu0"));
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_session_of_a_node_ends_the_first() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("one", 1)).await;
    let first = db.session("node1").await;
    let holder = db.run_best(first, "node1").await;

    let second = db.session("node1").await;
    db.open_session(&new_session(second, "node1")).await.unwrap();

    let ended =
        |answer: StoreError| matches!(answer, StoreError::SessionEnded { session_id } if session_id == first);
    assert!(ended(db.heartbeat(first, &[item(holder.claim)]).await.unwrap_err()));
    assert!(ended(db.open_session(&new_session(first, "node1")).await.unwrap_err()));
    assert!(ended(db.give_back(&holder, GiveBackReason::WorkerStopping).await.unwrap_err()));
    assert_eq!(db.states().await, "ready 1, suspect 1");
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_daemon_goes_on_with_what_it_still_has_and_loses_the_rest_at_once() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("one", 1)).await;
    let first = db.session("node1").await;
    let (kept, left) = (db.run_best(first, "node1").await, db.run_best(first, "node1").await);
    let second = db.session("node1").await;

    let answer = db.heartbeat(second, &[item(kept.claim)]).await.unwrap();

    assert_eq!((answer.verdicts[0].verdict, answer.made_ready), (Verdict::Ok, 1));
    assert_eq!(db.states().await, "ready 1, running 1");
    let now = Holder { session_id: second, claim: kept.claim };
    assert_eq!(db.append_log(&now, 0, "goes on\n").await.unwrap(), 8);
    db.succeed(&now).await;
    assert!(is_stale(&db.give_back(&left, GiveBackReason::WorkerStopping).await));
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_a_restarted_daemon_goes_on_with_is_shown_as_its_own() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("one", 1)).await;
    let first = db.session("node1").await;
    let holder = db.run_best(first, "node1").await;
    let second = SessionId(uuid());
    let mut upgraded = NewSession { program_version: "0.2.0".to_owned(), ..new_session(second, "node1") };
    upgraded.devices[0].threads = 4;
    upgraded.devices[0].kind = "cpu x86-64-v4".to_owned();
    db.open_session(&upgraded).await.unwrap();

    db.heartbeat(second, &[item(holder.claim)]).await.unwrap();

    let now = Holder { session_id: second, claim: holder.claim };
    db.succeed(&now).await;
    assert_eq!(db.append_log(&now, 0, "last words\n").await.unwrap(), 11, "also after its end");
    let jobs = db.study_jobs("one", None, 100).await.unwrap();
    let ours = jobs.iter().find(|job| job.job_id == holder.claim.job_id).unwrap();
    let job = db.job(&db.find_job(&ours.name).await.unwrap()).await.unwrap();
    let [attempt] = &job.attempts[..] else { panic!("{:#?}", job.attempts) };
    let shown = (attempt.program_version.as_str(), attempt.threads, attempt.device_kind.as_str());
    assert_eq!(shown, ("0.2.0", 4, "cpu x86-64-v4"));
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_node_cannot_take_over_a_claim() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("one", 1)).await;
    let (ours, theirs) = (db.session("node1").await, db.session("node2").await);
    let holder = db.run_best(ours, "node1").await;

    let answer = db.heartbeat(theirs, &[item(holder.claim)]).await.unwrap();

    assert_eq!(answer.verdicts[0].verdict, Verdict::Revoked);
    let stranger = Holder { session_id: theirs, claim: holder.claim };
    let answer = db.give_back(&stranger, GiveBackReason::NotStarted).await;
    assert!(matches!(answer, Err(StoreError::SessionEnded { .. })), "{answer:?}");
    assert_eq!(db.states().await, "ready 1, running 1");
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_closes_gives_its_jobs_back() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("one", 1)).await;
    let session_id = db.session("node1").await;
    db.run_best(session_id, "node1").await;

    assert_eq!(db.close_session(session_id).await.unwrap(), 1);
    assert_eq!(db.close_session(session_id).await.unwrap(), 0);
    assert_eq!(db.close_session(SessionId(uuid())).await.unwrap(), 0);

    assert_eq!(db.states().await, "ready 2");
    assert!(db.workers().await.unwrap().is_empty());
    db.session("node1").await;
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_its_living_session_forgot_is_taken_from_it() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("one", 1)).await;
    let session_id = db.session("node1").await;
    let holder = db.run_best(session_id, "node1").await;
    db.heartbeat(session_id, &[item(holder.claim)]).await.unwrap();

    assert_eq!(db.lose_unlisted(LONG).await.unwrap(), 0);
    assert_eq!(db.lose_unlisted(Duration::ZERO).await.unwrap(), 1);

    let answer = db.heartbeat(session_id, &[item(holder.claim)]).await.unwrap();
    assert_eq!(answer.verdicts[0].verdict, Verdict::Revoked);
    db.finish().await;
}
