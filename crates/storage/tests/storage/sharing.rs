//! Studies that share networks: what each wants, and what becomes of the jobs.

use std::time::Duration;

use selffer_core::{
    interest::{Interest, InterestChange},
    job::{Failure, FailureClass, GiveBackReason, StateKind},
};
use selffer_storage::{Act, Acted, Holder, OtherStudy, StoreError, Verdict};

use crate::{
    claims::{item, make_due},
    harness::{Db, TRANSFER, bases, is_stale, uuid},
};

pub(crate) const ACT: Act<'static> = Act { actor: "tester", reason: "a reason" };

/// The bases of [`TRANSFER`] are networks of this study too.
fn shared_bases() -> String {
    bases("bases", 1)
}

async fn change(db: &Db, study: &str, change: InterestChange) -> Acted {
    db.change_interest(study, change, &ACT).await.unwrap()
}

async fn states(db: &Db, study: &str) -> String {
    let counts = db.study(study).await.unwrap().counts;
    counts.iter().map(|(kind, count)| format!("{kind} {count}")).collect::<Vec<_>>().join(", ")
}

async fn verdict(db: &Db, holder: &Holder) -> Verdict {
    let answer = db.heartbeat(holder.session_id, &[item(holder.claim)]).await.unwrap();
    answer.verdicts[0].verdict
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_one_of_two_studies_leaves_the_other_whole() {
    let db = Db::fresh().await;
    db.submit_yaml(TRANSFER).await;
    db.submit_yaml(&shared_bases()).await;

    let acted = change(&db, "transfer", InterestChange::Cancel).await;

    assert_eq!((acted.cancelled, acted.ending, acted.interest), (8, 0, Interest::Cancelled));
    assert_eq!(acted.others, [OtherStudy { study: "bases".to_owned(), jobs: 2 }]);
    assert_eq!(states(&db, "transfer").await, "ready 2, cancelled 8");
    assert_eq!(states(&db, "bases").await, "ready 2");
    assert!(db.study("transfer").await.unwrap().has_ended());
    assert!(!db.study("bases").await.unwrap().has_ended());
    assert_eq!(db.candidates(99).await.unwrap().len(), 2);
    let again = change(&db, "transfer", InterestChange::Cancel).await;
    assert_eq!((again.changed, again.cancelled), (false, 0));
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sources_of_a_wanted_network_stay_when_their_own_study_is_cancelled() {
    let db = Db::fresh().await;
    db.submit_yaml(&shared_bases()).await;
    db.submit_yaml(TRANSFER).await;

    let acted = change(&db, "bases", InterestChange::Cancel).await;

    assert_eq!(acted.cancelled, 0);
    assert_eq!(acted.others, [OtherStudy { study: "transfer".to_owned(), jobs: 2 }]);
    assert_eq!(states(&db, "transfer").await, "waiting 8, ready 2");
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_study_hands_out_nothing_and_goes_on_where_it_was() {
    let db = Db::fresh().await;
    db.submit_yaml(TRANSFER).await;
    let session_id = db.session("node1").await;
    let running = db.run_best(session_id, "node1").await;

    let acted = change(&db, "last", InterestChange::Pause).await;

    assert_eq!((acted.changed, acted.running, acted.cancelled), (true, 1, 0));
    assert!(db.candidates(99).await.unwrap().is_empty());
    assert_eq!(verdict(&db, &running).await, Verdict::Ok);
    assert_eq!(db.succeed(&running).await, 4, "dependants become ready, for later");
    assert!(db.candidates(99).await.unwrap().is_empty());
    let jobs = db.all_study_jobs("transfer").await.unwrap();
    let ready = jobs.iter().find(|job| job.state == StateKind::Ready).unwrap();
    assert_eq!(ready.reason(), "paused");
    let ready = db.find_job(&ready.name).await.unwrap();
    let study = db.study("transfer").await.unwrap();
    assert_eq!((study.interest, study.interest_reason.as_str()), (Interest::Paused, "a reason"));
    assert!(!study.has_ended());

    change(&db, "transfer", InterestChange::Resume).await;

    assert_eq!(db.candidates(99).await.unwrap().len(), 5);
    let events = db.study_events(study.study_id).await.unwrap();
    let told: Vec<_> = events.iter().map(|one| (one.what.as_str(), one.actor.as_str())).collect();
    assert_eq!(told, [("submitted", "tester"), ("pause", "tester"), ("resume", "tester")]);
    let events = db.job(&ready).await.unwrap().events;
    let pause = events.iter().find(|event| event.what == "pause").unwrap();
    assert_eq!(pause.detail, "by tester with study transfer: a reason");
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_active_study_wants_is_handed_out_in_spite_of_a_pause() {
    let db = Db::fresh().await;
    db.submit_yaml(TRANSFER).await;
    db.submit_yaml(&shared_bases()).await;

    change(&db, "transfer", InterestChange::Pause).await;
    assert_eq!(db.candidates(99).await.unwrap().len(), 2);
    change(&db, "bases", InterestChange::Pause).await;
    assert_eq!(db.candidates(99).await.unwrap().len(), 0);
    change(&db, "transfer", InterestChange::Resume).await;
    assert_eq!(db.candidates(99).await.unwrap().len(), 2);
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_was_under_way_when_the_study_was_paused_gets_nothing() {
    let db = Db::fresh().await;
    db.submit_yaml(TRANSFER).await;
    let session_id = db.session("node1").await;
    let best = db.candidates(1).await.unwrap().remove(0);
    change(&db, "transfer", InterestChange::Pause).await;

    let claim = selffer_storage::Claim { job_id: best.job_id, claim_id: crate::harness::claim_id() };
    let new = selffer_storage::NewClaim { claim, session_id, worker: "node1/cpu0".to_owned() };

    assert!(db.claim(&new).await.unwrap().is_none());
    assert_eq!(db.states().await, "waiting 8, ready 2");
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_studies_paused_at_once_leave_no_shared_job_claimable() {
    let db = Db::fresh().await;
    for index in 0..6 {
        db.submit_yaml(&bases(&format!("bases-{index}"), 4)).await;
    }
    let calls = (0..6).map(|index| {
        let store = db.store();
        tokio::spawn(async move {
            store.change_interest(&format!("bases-{index}"), InterestChange::Pause, &ACT).await
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    assert!(db.candidates(99).await.unwrap().is_empty());
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_lets_running_jobs_finish_and_nothing_else() {
    let db = Db::fresh().await;
    db.submit_yaml(TRANSFER).await;
    let session_id = db.session("node1").await;
    let running = db.run_best(session_id, "node1").await;

    let acted = change(&db, "transfer", InterestChange::Stop).await;

    assert_eq!((acted.cancelled, acted.running, acted.ending), (9, 1, 0));
    assert_eq!(verdict(&db, &running).await, Verdict::Ok);
    assert!(!db.study("transfer").await.unwrap().has_ended());
    assert_eq!(db.succeed(&running).await, 0);
    assert!(db.study("transfer").await.unwrap().has_ended());
    assert_eq!(db.states().await, "succeeded 1, cancelled 9");
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_a_stopped_study_that_comes_back_is_cancelled_at_once() {
    let db = Db::fresh().await;
    db.submit_yaml(&shared_bases()).await;
    let (one, two) = (db.session("node1").await, db.session("node2").await);
    let given_back = db.run_best(one, "node1").await;
    let failed = db.run_best(two, "node2").await;
    change(&db, "bases", InterestChange::Stop).await;

    assert_eq!(db.give_back(&given_back, GiveBackReason::WorkerStopping).await.unwrap(), 0);
    let failure = Failure { class: FailureClass::Infrastructure, message: "disk full".to_owned() };
    assert_eq!(db.fail(&failed, &failure, 5).await.unwrap(), 0);

    assert_eq!(db.states().await, "cancelled 2");
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_hears_of_a_cancellation_and_its_job_ends_when_it_is_given_back() {
    let db = Db::fresh().await;
    db.submit_yaml(&shared_bases()).await;
    let session_id = db.session("node1").await;
    let running = db.run_best(session_id, "node1").await;

    let acted = change(&db, "bases", InterestChange::Cancel).await;

    assert_eq!((acted.cancelled, acted.ending, acted.running), (1, 1, 0));
    assert!(!db.study("bases").await.unwrap().has_ended(), "its worker is still at it");
    assert_eq!(verdict(&db, &running).await, Verdict::Cancel);
    db.publish(&running, selffer_storage::CheckpointKind::Intermediate, 400).await;
    assert_eq!(db.give_back(&running, GiveBackReason::WorkerStopping).await.unwrap(), 0);
    assert_eq!(db.states().await, "cancelled 2");
    assert!(db.study("bases").await.unwrap().has_ended());
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_does_not_answer_a_cancellation_loses_the_job_after_a_grace() {
    let db = Db::fresh().await;
    db.submit_yaml(&shared_bases()).await;
    let session_id = db.session("node1").await;
    let running = db.run_best(session_id, "node1").await;
    change(&db, "bases", InterestChange::Cancel).await;

    assert_eq!(db.end_withdrawn(Duration::from_secs(3_600)).await.unwrap(), 0);
    assert_eq!(db.end_withdrawn(Duration::ZERO).await.unwrap(), 1);
    assert_eq!(db.end_withdrawn(Duration::ZERO).await.unwrap(), 0);

    assert_eq!(verdict(&db, &running).await, Verdict::Revoked);
    assert!(is_stale(&db.give_back(&running, GiveBackReason::WorkerStopping).await));
    assert_eq!(db.states().await, "cancelled 2");
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_is_not_confirmed_ends_with_its_study() {
    let db = Db::fresh().await;
    db.submit_yaml(&shared_bases()).await;
    let session_id = db.session("node1").await;
    let lease = db.claim_best(session_id, "node1").await;

    let acted = change(&db, "bases", InterestChange::Cancel).await;

    assert_eq!((acted.cancelled, acted.ending), (2, 0));
    assert!(is_stale(&db.confirm(&Holder { session_id, claim: lease.claim }).await));
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_job_of_a_lost_worker_is_not_handed_out_again() {
    let db = Db::fresh().await;
    db.submit_yaml(&shared_bases()).await;
    let session_id = db.session("node1").await;
    db.run_best(session_id, "node1").await;
    change(&db, "bases", InterestChange::Cancel).await;

    db.expire_sessions(Duration::ZERO).await.unwrap();
    assert_eq!(db.lose_workers(Duration::ZERO).await.unwrap(), 0);

    assert_eq!(db.states().await, "cancelled 2");
    assert_eq!(db.end_unwanted().await.unwrap(), 0);
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_comes_in_spite_of_a_cancellation_counts() {
    let db = Db::fresh().await;
    db.submit_yaml(TRANSFER).await;
    let session_id = db.session("node1").await;
    let running = db.run_best(session_id, "node1").await;
    change(&db, "transfer", InterestChange::Cancel).await;

    assert_eq!(db.succeed(&running).await, 0);

    assert_eq!(db.states().await, "succeeded 1, cancelled 9");
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_study_that_was_given_up_can_only_be_submitted_again() {
    let db = Db::fresh().await;
    db.submit_yaml(TRANSFER).await;
    change(&db, "transfer", InterestChange::Stop).await;

    for refused in [InterestChange::Pause, InterestChange::Resume] {
        let answer = db.change_interest("transfer", refused, &ACT).await;
        assert!(matches!(answer, Err(StoreError::InterestGone { .. })), "{answer:?}");
    }
    change(&db, "transfer", InterestChange::Cancel).await;
    let again = db.submit_yaml(TRANSFER).await;

    assert_eq!((again.existed, again.reopened), (true, 10));
    assert_eq!(db.states().await, "waiting 8, ready 2");
    assert_eq!(db.study("transfer").await.unwrap().interest, Interest::Active);
    let answer = db.change_interest("nobody", InterestChange::Pause, &ACT).await;
    assert!(matches!(answer, Err(StoreError::NotFound { .. })), "{answer:?}");
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_job_that_is_wanted_again_goes_on() {
    let db = Db::fresh().await;
    db.submit_yaml(&shared_bases()).await;
    let session_id = db.session("node1").await;
    let running = db.run_best(session_id, "node1").await;
    change(&db, "bases", InterestChange::Cancel).await;

    let second = db.submit_yaml(TRANSFER).await;

    assert_eq!((second.shared, second.reopened), (2, 1));
    assert_eq!(verdict(&db, &running).await, Verdict::Ok);
    assert_eq!(db.end_withdrawn(Duration::ZERO).await.unwrap(), 0);
    assert_eq!(db.succeed(&running).await, 4);
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_has_the_largest_priority_of_the_studies_that_want_it() {
    let db = Db::fresh().await;
    db.submit_yaml(TRANSFER).await;
    db.submit_yaml(&shared_bases()).await;
    let priorities = async || {
        let mut found: Vec<i32> = db.candidates(99).await.unwrap().iter().map(|one| one.priority).collect();
        found.dedup();
        found
    };

    let acted = db.prioritize("transfer", 3, &ACT).await.unwrap();
    assert_eq!((acted.changed, acted.priority), (true, 3));
    assert!(!db.prioritize("transfer", 3, &ACT).await.unwrap().changed);
    assert_eq!(priorities().await, [3]);
    db.prioritize("bases", 5, &ACT).await.unwrap();
    assert_eq!(priorities().await, [5]);
    change(&db, "bases", InterestChange::Stop).await;
    assert_eq!(priorities().await, [3], "a stopped study has no say");
    db.prioritize("transfer", -1, &ACT).await.unwrap();
    assert_eq!(priorities().await, [-1]);
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_of_a_larger_priority_come_first() {
    let db = Db::fresh().await;
    db.submit_yaml(TRANSFER).await;
    db.submit_yaml(&bases("late", 1).replace("random-0", "random-7")).await;
    assert!(db.candidates(1).await.unwrap()[0].unlocks_flops > 0.0);

    db.prioritize("late", 1, &ACT).await.unwrap();

    let first = db.candidates(2).await.unwrap();
    assert!(first.iter().all(|one| one.priority == 1 && one.unlocks_flops == 0.0), "{first:?}");
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_a_job_names_its_studies_and_a_retry_opens_it_again() {
    let db = Db::fresh().await;
    db.submit_yaml(&shared_bases()).await;
    db.submit_yaml(TRANSFER).await;
    let job = db.find_job("transfer:random-0/baseA").await.unwrap();

    let acted = db.cancel_job(&job, &ACT).await.unwrap();

    assert_eq!((acted.name.as_str(), acted.cancelled), ("transfer:random-0/baseA", 1));
    let others: Vec<&str> = acted.others.iter().map(|other| other.study.as_str()).collect();
    assert_eq!(others, ["bases", "transfer"]);
    assert_eq!(states(&db, "transfer").await, "waiting 4, ready 1, held 4, cancelled 1");
    assert!(!db.cancel_job(&job, &ACT).await.unwrap().changed);

    let dependant = db.find_job("transfer:random-0/A1B").await.unwrap();
    let acted = db.retry_job(&dependant, &ACT).await.unwrap();

    assert_eq!(acted.reopened, 2, "itself and its source");
    assert_eq!(states(&db, "transfer").await, "waiting 8, ready 2", "the source wakes the others");
    assert!(!db.retry_job(&dependant, &ACT).await.unwrap().changed);
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_job_that_is_cancelled_ends_although_its_study_goes_on() {
    let db = Db::fresh().await;
    db.submit_yaml(&shared_bases()).await;
    let session_id = db.session("node1").await;
    let running = db.run_best(session_id, "node1").await;
    let job = db.find_job(&running_name(&db, &running).await).await.unwrap();

    let acted = db.cancel_job(&job, &ACT).await.unwrap();
    assert_eq!((acted.changed, acted.ending, acted.cancelled), (true, 1, 0));
    assert_eq!(verdict(&db, &running).await, Verdict::Cancel);
    // Another study's act does not make it go on; a retry does.
    db.prioritize("bases", 2, &ACT).await.unwrap();
    assert_eq!(verdict(&db, &running).await, Verdict::Cancel);
    assert!(db.retry_job(&job, &ACT).await.unwrap().changed);
    assert_eq!(verdict(&db, &running).await, Verdict::Ok);
    db.cancel_job(&job, &ACT).await.unwrap();
    db.give_back(&running, GiveBackReason::WorkerStopping).await.unwrap();

    assert_eq!(db.states().await, "ready 1, cancelled 1");
    db.finish().await;
}

async fn running_name(db: &Db, holder: &Holder) -> String {
    let jobs = db.all_study_jobs("last").await.unwrap();
    jobs.into_iter().find(|job| job.job_id == holder.claim.job_id).unwrap().name
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_no_study_wants_is_not_tried_again() {
    let db = Db::fresh().await;
    db.submit_yaml(TRANSFER).await;
    change(&db, "transfer", InterestChange::Cancel).await;
    let job = db.find_job("random-0/baseA").await.unwrap();

    let answer = db.retry_job(&job, &ACT).await;

    assert!(matches!(answer, Err(StoreError::Unwanted { .. })), "{answer:?}");
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_study_is_tried_again_in_whole_or_only_where_it_failed() {
    use selffer_storage::Reopen;
    let db = Db::fresh().await;
    db.submit_yaml(TRANSFER).await;
    let session_id = db.session("node1").await;
    let failed = db.run_best(session_id, "node1").await;
    let failure = Failure { class: FailureClass::Invalid, message: "no such class".to_owned() };
    db.fail(&failed, &failure, 0).await.unwrap();
    make_due(&db).await;
    let other = db.candidates(1).await.unwrap()[0].key;
    let other = db.find_job(&other.to_string()).await.unwrap();
    db.cancel_job(&other, &ACT).await.unwrap();
    assert_eq!(db.states().await, "held 8, failed 1, cancelled 1");

    let acted = db.retry_study("transfer", Reopen::Failed, &ACT).await.unwrap();
    assert_eq!(acted.reopened, 5, "the failed one and what is held because of it");
    assert_eq!(db.states().await, "waiting 4, ready 1, held 4, cancelled 1");
    let acted = db.retry_study("transfer", Reopen::Everything, &ACT).await.unwrap();
    assert_eq!(acted.reopened, 5);
    assert_eq!(db.states().await, "waiting 8, ready 2");
    change(&db, "transfer", InterestChange::Cancel).await;
    let acted = db.retry_study("transfer", Reopen::Everything, &ACT).await.unwrap();
    assert_eq!((acted.reopened, acted.interest), (10, Interest::Active));
    db.try_submit(TRANSFER, uuid()).await.unwrap();
    db.finish().await;
}
