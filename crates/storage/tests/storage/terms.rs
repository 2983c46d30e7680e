//! Limits of studies on how much of them is at work at once, and deadlines.

use std::time::Duration;

use selffer_core::{
    interest::{Interest, InterestChange},
    job::StateKind,
    placement::below_limits,
};
use selffer_storage::{Act, Claim, Deadline, Holder, NewClaim};

use crate::{
    harness::{Db, bases, claim_id},
    sharing::ACT,
};

/// What a dispatcher would hand out now, to as many workers as there are jobs.
async fn startable(db: &Db) -> Vec<selffer_core::ids::JobId> {
    let candidates = db.candidates(256).await.unwrap();
    let room = db.study_room().await.unwrap();
    below_limits(candidates, room).iter().map(|one| one.job_id).collect()
}

/// Hands one out.
async fn start(db: &Db, node: &str) -> Holder {
    let session_id = db.session(node).await;
    let claim = Claim { job_id: startable(db).await[0], claim_id: claim_id() };
    let worker = format!("{node}/cpu0");
    db.claim(&NewClaim { claim, session_id, worker }).await.unwrap().unwrap();
    let holder = Holder { session_id, claim };
    db.confirm(&holder).await.unwrap();
    holder
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limited_study_has_no_more_at_work_and_holds_nobody_else_up() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("large", 200)).await;
    db.submit_yaml(&bases("small", 1).replace("random-0", "random-900")).await;
    db.prioritize("large", 9, &ACT).await.unwrap();

    let acted = db.limit("large", Some(2), &ACT).await.unwrap();

    assert!(acted.changed);
    assert_eq!(db.candidates(256).await.unwrap().len(), 256, "as long as there is room");
    let first = start(&db, "node1").await;
    start(&db, "node2").await;
    let left = db.candidates(256).await.unwrap();
    assert_eq!(left.len(), 2, "only the other study's, though 398 better ones are ready");
    let jobs = db.all_study_jobs("large").await.unwrap();
    let waits = jobs.iter().find(|job| job.state == StateKind::Ready).unwrap();
    assert_eq!(waits.reason(), "its study has as many networks at work as it may");
    db.succeed(&first).await;
    assert_eq!(startable(&db).await.len(), 1, "the best of the large study; then it is full again");
    start(&db, "node3").await;
    assert_eq!(startable(&db).await.len(), 2, "the small one's");

    assert!(db.limit("large", None, &ACT).await.unwrap().changed);
    assert!(!db.limit("large", None, &ACT).await.unwrap().changed);
    assert_eq!(db.candidates(256).await.unwrap().len(), 256);
    let events = db.study_events(db.study("large").await.unwrap().study_id).await.unwrap();
    let told: Vec<_> = events.iter().map(|event| event.detail.as_str()).collect();
    assert!(told.contains(&"2 at once a reason") && told.contains(&"none at once a reason"), "{told:?}");
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_job_starts_for_the_study_that_has_room() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("one", 3)).await;
    db.submit_yaml(&bases("two", 2)).await;
    db.limit("one", Some(1), &ACT).await.unwrap();
    assert_eq!(startable(&db).await.len(), 4 + 1, "four that two wants, one that only one wants");

    db.limit("two", Some(2), &ACT).await.unwrap();
    start(&db, "node1").await;
    start(&db, "node2").await;
    db.change_interest("two", InterestChange::Pause, &ACT).await.unwrap();
    assert!(startable(&db).await.is_empty(), "one is full, two is paused");
    db.change_interest("two", InterestChange::Resume, &ACT).await.unwrap();
    let full = db.study_room().await.unwrap().into_values().all(|room| room == 0);
    assert_eq!(startable(&db).await.is_empty(), full);
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_study_is_stopped_at_its_deadline_and_says_so() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("due", 2)).await;
    let session_id = db.session("node1").await;
    let running = db.run_best(session_id, "node1").await;

    let acted = db.set_deadline("due", Deadline::In(Duration::from_secs(3_600)), &ACT).await.unwrap();
    assert!(acted.changed && db.study("due").await.unwrap().deadline.is_some());
    assert_eq!(db.stop_overdue().await.unwrap(), 0);
    db.set_deadline("due", Deadline::None, &ACT).await.unwrap();
    assert_eq!(db.study("due").await.unwrap().deadline, None);
    db.set_deadline("due", Deadline::In(Duration::ZERO), &ACT).await.unwrap();
    assert_eq!(db.stop_overdue().await.unwrap(), 1);
    assert_eq!(db.stop_overdue().await.unwrap(), 0);

    let study = db.study("due").await.unwrap();
    assert_eq!(study.interest, Interest::Stopped);
    assert!(study.interest_reason.starts_with("its deadline was 2"), "{}", study.interest_reason);
    assert_eq!(db.states().await, "running 1, cancelled 3");
    let events = db.study_events(study.study_id).await.unwrap();
    let last = events.last().unwrap();
    assert_eq!((last.what.as_str(), last.actor.as_str()), ("stop", "coordinator"));
    db.succeed(&running).await;

    // Whoever submits it again knows.
    let again = db.submit_yaml(&bases("due", 2)).await;
    assert_eq!((again.existed, again.reopened), (true, 3));
    assert_eq!(db.stop_overdue().await.unwrap(), 0);
    assert_eq!(db.study("due").await.unwrap().deadline, None);
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn terms_are_no_part_of_a_networks_identity() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("one", 1)).await;
    let act = Act { actor: "tester", reason: "" };
    db.limit("one", Some(3), &act).await.unwrap();
    db.set_deadline("one", Deadline::In(Duration::from_secs(60)), &act).await.unwrap();

    let two = db.submit_yaml(&bases("two", 1)).await;

    assert_eq!((two.shared, two.jobs), (2, 2));
    assert!(db.submit_yaml(&bases("one", 1)).await.existed);
    assert_eq!(db.study("one").await.unwrap().parallel_max, Some(3));
    db.finish().await;
}
