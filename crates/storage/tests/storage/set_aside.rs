//! Workers that a person drains and releases, and jobs that ask for another device.

use selffer_core::{
    ids::SessionId,
    job::{Failure, FailureClass, GiveBackReason, StateKind},
};
use selffer_storage::{Act, Claim, Device, Drain, NewClaim, StoreError, Verdict};

use crate::{
    claims::{item, make_due},
    harness::{Db, bases, claim_id, new_session, uuid},
};

const ACT: Act<'static> = Act { actor: "tester", reason: "new kernel" };

async fn may_claim(db: &Db, session_id: SessionId, worker: &str) -> bool {
    let job_id = db.candidates(1).await.unwrap().remove(0).job_id;
    let claim = Claim { job_id, claim_id: claim_id() };
    match db.claim(&NewClaim { claim, session_id, worker: worker.to_owned() }).await {
        Ok(Some(_)) => true,
        Err(StoreError::SetAside { .. }) => false,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_node_finishes_what_it_runs_and_is_handed_nothing_until_released() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("many", 4)).await;
    let session_id = db.session("node1").await;
    let running = db.run_best(session_id, "node1").await;

    let acted = db.drain("node1", Drain::WhenDone, &ACT).await.unwrap();

    assert_eq!((acted.changed, acted.running, acted.ending), (true, 1, 0));
    assert_eq!(acted.workers, ["node1/cpu0"]);
    assert!(!db.drain("node1", Drain::WhenDone, &ACT).await.unwrap().changed, "a repeat");
    let answer = db.heartbeat(session_id, &[item(running.claim)]).await.unwrap();
    assert!(answer.drain);
    assert_eq!(answer.verdicts[0].verdict, Verdict::Ok);
    db.succeed(&running).await;
    assert!(!may_claim(&db, session_id, "node1/cpu0").await);
    let restarted = db.session("node1").await;
    assert!(!may_claim(&db, restarted, "node1/cpu0").await, "a restart does not end it");
    let row = db.workers().await.unwrap().remove(0).set_aside.unwrap();
    assert_eq!(
        (row.kind.as_str(), row.actor.as_str(), row.reason.as_str()),
        ("drained", "tester", "new kernel")
    );

    let still = db.release("node1/cpu0", &ACT).await.unwrap();
    assert_eq!((still.changed, still.still.as_deref()), (false, Some("node1 is drained")));
    assert!(db.release("node1", &ACT).await.unwrap().changed);
    assert!(may_claim(&db, restarted, "node1/cpu0").await);
    let mut raw = db.raw().await;
    let told: Vec<(String, String, String, String)> =
        sqlx::query_as("SELECT name, actor, reason, ended_by FROM set_aside")
            .fetch_all(&mut raw)
            .await
            .unwrap();
    let row = ["node1", "tester", "new kernel", "tester"].map(str::to_owned);
    assert_eq!(told, [row.into()], "who did what, and why");
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn draining_at_once_stops_what_runs_after_a_checkpoint_and_costs_it_nothing() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("many", 4)).await;
    let session_id = db.session("node1").await;
    let running = db.run_best(session_id, "node1").await;
    db.drain("node1/cpu0", Drain::WhenDone, &ACT).await.unwrap();

    let acted = db.drain("node1/cpu0", Drain::Now, &ACT).await.unwrap();

    assert_eq!((acted.changed, acted.running, acted.ending), (true, 0, 1));
    let answer = db.heartbeat(session_id, &[item(running.claim)]).await.unwrap();
    assert_eq!(answer.verdicts[0].verdict, Verdict::Cancel);
    assert_eq!(db.give_back(&running, GiveBackReason::WorkerStopping).await.unwrap(), 1);
    assert_eq!(db.states().await, "ready 8");
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_drained_device_of_a_node_leaves_the_others_at_work() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("many", 4)).await;
    let mut new = new_session(SessionId(uuid()), "node1");
    new.devices.push(Device { worker: "node1/cpu1".to_owned(), ..new.devices[0].clone() });
    db.open_session(&new).await.unwrap();

    db.drain("node1/cpu0", Drain::WhenDone, &ACT).await.unwrap();

    assert!(!db.heartbeat(new.session_id, &[]).await.unwrap().drain);
    assert!(!may_claim(&db, new.session_id, "node1/cpu0").await);
    assert!(may_claim(&db, new.session_id, "node1/cpu1").await);
    let nobody = db.drain("node9", Drain::WhenDone, &ACT).await;
    assert!(matches!(nobody, Err(StoreError::NotFound { .. })));
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_ran_out_of_memory_waits_for_a_larger_device_if_there_is_one() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("many", 1)).await;
    let small = db.session("small").await;
    let failed = db.run_best(small, "small").await;
    let failure = Failure { class: FailureClass::OutOfMemory, message: "8 GiB were not enough".to_owned() };
    db.fail(&failed, &failure, 0).await.unwrap();
    make_due(&db).await;
    let kept_from = async || {
        let candidates = db.candidates(9).await.unwrap();
        let ours = candidates.iter().find(|one| one.job_id == failed.claim.job_id).unwrap();
        ours.kept_from.iter().cloned().collect::<Vec<_>>()
    };
    assert!(kept_from().await.is_empty(), "there is no other");

    let mut large = new_session(SessionId(uuid()), "large");
    large.devices[0].memory_bytes = 1 << 36;
    db.open_session(&large).await.unwrap();
    assert_eq!(kept_from().await, ["small/cpu0"]);

    db.drain("large", Drain::WhenDone, &ACT).await.unwrap();
    assert!(kept_from().await.is_empty(), "it is handed nothing");
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_device_broke_goes_to_another_device() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("many", 1)).await;
    let first = db.session("node1").await;
    let failed = db.run_best(first, "node1").await;
    let failure = Failure { class: FailureClass::Hardware, message: "Xid 79".to_owned() };
    db.fail(&failed, &failure, 0).await.unwrap();
    make_due(&db).await;
    db.session("node2").await;

    let candidates = db.candidates(9).await.unwrap();

    let ours = candidates.iter().find(|one| one.job_id == failed.claim.job_id).unwrap();
    assert_eq!(ours.kept_from.iter().collect::<Vec<_>>(), ["node1/cpu0"]);
    assert!(candidates.iter().filter(|one| one.job_id != ours.job_id).all(|one| one.kept_from.is_empty()));
    assert_eq!(db.all_study_jobs("many").await.unwrap()[0].state, StateKind::Ready);
    db.finish().await;
}
