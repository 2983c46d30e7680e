//! A database that is older than the workers' claims: faults 35 and 46 of the reliability page.
//!
//! The past is a copy of the database that was made before the claims; what a worker says of
//! them goes to that copy.

use std::time::Duration;

use selffer_core::ids::{CheckpointId, Claim, JobId};
use selffer_storage::{CheckpointKind, Holder, NewClaim, StoreError, Verdict};

use crate::{
    claims::{item, make_due},
    harness::{Db, bases, claim_id, new_session, result, uuid},
};

/// What the database is now, and what it was.
async fn present_and_past(db: Db) -> (Db, Db) {
    db.close().await;
    (db.copy().await, db.copy().await)
}

async fn only_verdict(db: &Db, holder: &Holder) -> Verdict {
    let answer = db.heartbeat(holder.session_id, &[item(holder.claim)]).await.unwrap();
    answer.verdicts[0].verdict
}

#[tokio::test(flavor = "multi_thread")]
async fn work_on_a_free_job_goes_on_and_nothing_is_handed_out_until_all_were_heard() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("one", 1)).await;
    let waiting = db.session("waiting").await;
    let (present, past) = present_and_past(db).await;
    // Also its session is newer than the past.
    let session_id = present.session("node1").await;
    let holder = present.run_best(session_id, "node1").await;

    let unknown = past.heartbeat(session_id, &[item(holder.claim)]).await;
    assert!(matches!(unknown, Err(StoreError::SessionEnded { .. })), "{unknown:?}");
    past.open_session(&new_session(session_id, "node1")).await.unwrap();
    let early = past.complete(&holder, &result(), CheckpointId(uuid())).await;
    assert!(
        matches!(&early, Err(error @ StoreError::ClaimUnknown { .. }) if error.is_transient()),
        "{early:?}"
    );

    assert_eq!(only_verdict(&past, &holder).await, Verdict::Ok);

    assert_eq!(past.states().await, "ready 1, running 1");
    let freeze = past.freeze().await.unwrap().unwrap();
    assert_eq!(freeze.unheard, 2, "the one that waits, and this one until its next heartbeat");
    assert!(past.candidates(9).await.unwrap().is_empty(), "nothing is offered");
    let free = present.candidates(1).await.unwrap()[0].job_id;
    let claim = Claim { job_id: free, claim_id: claim_id() };
    let new = NewClaim { claim, session_id: waiting, worker: "waiting/cpu0".into() };
    assert_eq!(past.claim(&new).await.unwrap().map(|_| ()), None, "nor handed out");

    past.heartbeat(waiting, &[]).await.unwrap();
    assert_eq!(only_verdict(&past, &holder).await, Verdict::Ok);
    assert_eq!(past.freeze().await.unwrap().unwrap().unheard, 0);
    assert!(past.thaw(freeze).await.unwrap());
    assert!(!past.thaw(freeze).await.unwrap(), "once");
    assert!(past.claim(&new).await.unwrap().is_some());
    past.succeed(&holder).await;
    let found = past.divergences().await.unwrap();
    assert_eq!((found.len(), found[0].adopted, found[0].node.as_str()), (1, true, "node1"));
    past.finish().await;
    present.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn work_on_a_job_that_is_not_free_is_refused_and_reported_once() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("one", 1)).await;
    let (first, second) = (db.session("first").await, db.session("second").await);
    let old = db.run_best(first, "first").await;
    let (present, past) = present_and_past(db).await;
    // After the copy the first worker was lost, and the second has its job.
    present.expire_sessions(Duration::ZERO).await.unwrap();
    present.lose_workers(Duration::ZERO).await.unwrap();
    make_due(&present).await;
    present.heartbeat(second, &[]).await.unwrap();
    let claim = Claim { job_id: old.claim.job_id, claim_id: claim_id() };
    let new = NewClaim { claim, session_id: second, worker: "second/cpu0".into() };
    present.claim(&new).await.unwrap().unwrap();
    let holder = Holder { session_id: second, claim };
    present.confirm(&holder).await.unwrap();

    assert_eq!(only_verdict(&past, &holder).await, Verdict::Revoked);
    let freeze = past.freeze().await.unwrap().unwrap();
    assert_eq!(only_verdict(&past, &holder).await, Verdict::Revoked);

    let found = past.divergences().await.unwrap();
    assert_eq!((found.len(), found[0].adopted), (1, false));
    assert!(found[0].detail.contains("first/cpu0 has it under another claim"), "{}", found[0].detail);
    assert!(past.thaw(freeze).await.unwrap());
    // Its worker may say so for a while: that is no news.
    assert_eq!(only_verdict(&past, &holder).await, Verdict::Revoked);
    assert_eq!(past.freeze().await.unwrap(), None);
    let late = past.confirm(&holder).await;
    assert!(matches!(late, Err(StoreError::StaleClaim { .. })), "{late:?}");
    assert_eq!(only_verdict(&past, &old).await, Verdict::Ok, "who the database knows goes on");
    past.finish().await;
    present.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_the_past_would_have_wait_after_a_failure_goes_on_too() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("one", 1)).await;
    let session_id = db.session("node1").await;
    let lost = db.run_best(session_id, "node1").await;
    db.expire_sessions(Duration::ZERO).await.unwrap();
    db.lose_workers(Duration::ZERO).await.unwrap();
    let (present, past) = present_and_past(db).await;
    make_due(&present).await;
    present.heartbeat(session_id, &[]).await.unwrap();
    let claim = Claim { job_id: lost.claim.job_id, claim_id: claim_id() };
    let new = NewClaim { claim, session_id, worker: "node1/cpu0".into() };
    present.claim(&new).await.unwrap().unwrap();

    let holder = Holder { session_id, claim };
    assert_eq!(only_verdict(&past, &holder).await, Verdict::Ok);

    past.publish(&holder, CheckpointKind::Intermediate, 10).await;
    past.succeed(&holder).await;
    past.finish().await;
    present.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_is_only_old_freezes_nothing() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("one", 1)).await;
    let session_id = db.session("node1").await;
    let holder = db.run_best(session_id, "node1").await;
    db.succeed(&holder).await;
    let no_job = Claim { job_id: JobId(uuid()), claim_id: claim_id() };

    assert_eq!(only_verdict(&db, &holder).await, Verdict::Revoked);
    let stranger = Holder { session_id, claim: no_job };
    assert_eq!(only_verdict(&db, &stranger).await, Verdict::Revoked);

    assert_eq!(db.freeze().await.unwrap(), None);
    db.finish().await;
}
