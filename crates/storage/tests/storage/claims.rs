//! Claims: handed out once, repeated safely, refused when stale.

use std::{collections::BTreeMap, time::Duration};

use selffer_core::{
    ids::SessionId,
    job::{Failure, FailureClass, GiveBackReason, Phase},
};
use selffer_storage::{
    CheckpointKind, Claim, Holder, InventoryItem, NewCheckpoint, NewClaim, Store, StoreError, Verdict,
};

use crate::harness::{Db, TRANSFER, bases, claim_id, is_stale, manifest, new_session, result, uuid};

// Claims what it can get, taking the next candidate when somebody was faster.
async fn claim_until_none_is_left(store: Store, session_id: SessionId, worker: String) -> Vec<Claim> {
    let mut got = Vec::new();
    loop {
        let candidates = store.candidates(256).await.unwrap();
        if candidates.is_empty() {
            return got;
        }
        for candidate in candidates {
            let claim = Claim { job_id: candidate.job_id, claim_id: claim_id() };
            let new = NewClaim { claim, session_id, worker: worker.clone() };
            got.extend(store.claim(&new).await.unwrap().map(|assignment| assignment.claim));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_job_is_handed_out_twice() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("many", 20)).await;

    let mut claimers = Vec::new();
    for number in 0..8 {
        let node = format!("node{number}");
        let session_id = db.session(&node).await;
        claimers.push(tokio::spawn(claim_until_none_is_left(db.store(), session_id, format!("{node}/cpu0"))));
    }
    let mut times: BTreeMap<_, u32> = BTreeMap::new();
    for claimer in claimers {
        for claim in claimer.await.unwrap() {
            *times.entry(claim.job_id).or_default() += 1;
        }
    }

    assert_eq!(times.len(), 40);
    assert!(times.values().all(|count| *count == 1), "{times:?}");
    assert_eq!(db.states().await, "leased 40");
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_claim_gets_the_same_lease() {
    let db = Db::fresh().await;
    db.submit_yaml(TRANSFER).await;
    let session_id = db.session("node1").await;
    let candidates = db.candidates(2).await.unwrap();
    let claim_id = claim_id();
    assert!(db.assignment(claim_id, session_id).await.unwrap().is_none());

    // Ten times at once, half of them for another job, as a dispatcher might.
    let attempts = (0..10).map(|index| {
        let claim = Claim { job_id: candidates[index % 2].job_id, claim_id };
        let new = NewClaim { claim, session_id, worker: "node1/cpu0".to_owned() };
        let store = db.store();
        tokio::spawn(async move { store.claim(&new).await })
    });
    let mut leases = Vec::new();
    for attempt in attempts.collect::<Vec<_>>() {
        // A claim that met the other one's row before it was committed got nothing.
        leases.extend(attempt.await.unwrap().unwrap());
    }

    assert!(!leases.is_empty());
    assert!(leases.iter().all(|lease| lease.claim == leases[0].claim && lease.attempt == leases[0].attempt));
    let again = db.assignment(claim_id, session_id).await.unwrap().unwrap();
    assert_eq!((again.claim, &again.spec_json), (leases[0].claim, &leases[0].spec_json));
    assert!(again.name.starts_with("transfer:random-0/base"), "{}", again.name);
    assert_eq!(db.states().await, "waiting 8, ready 1, leased 1");
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_claims_made_together_each_gets_its_own_answer() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("many", 3)).await;
    let (one, other, gone) = (db.session("node1").await, db.session("node2").await, SessionId(uuid()));
    let jobs = db.candidates(6).await.unwrap();
    let new = |job: usize, session_id, node: &str| {
        let claim = Claim { job_id: jobs[job].job_id, claim_id: claim_id() };
        NewClaim { claim, session_id, worker: format!("{node}/cpu0") }
    };
    let taken = new(0, other, "node2");
    db.claim(&taken).await.unwrap().unwrap();

    let claims = [new(1, one, "node1"), new(0, one, "node1"), new(2, gone, "node3"), new(3, other, "node2")];
    let granted = db.claim_each(&claims).await.unwrap();

    assert_eq!(granted[0].as_ref().unwrap().as_ref().unwrap().claim, claims[0].claim);
    assert!(granted[1].as_ref().unwrap().is_none(), "it has another's");
    assert!(matches!(&granted[2], Err(StoreError::SessionEnded { session_id }) if *session_id == gone));
    assert_eq!(granted[3].as_ref().unwrap().as_ref().unwrap().claim, claims[3].claim);

    // A repeated claim id, and a worker that is none of its session's, are in nobody's way.
    let again = Claim { claim_id: taken.claim.claim_id, ..new(4, other, "node2").claim };
    let claims = [
        new(2, one, "node1"),
        NewClaim { claim: again, ..taken.clone() },
        new(4, one, "nobody"),
        new(5, other, "node2"),
    ];
    let granted = db.claim_each(&claims).await.unwrap();

    assert_eq!(granted[0].as_ref().unwrap().as_ref().unwrap().claim, claims[0].claim);
    assert_eq!(granted[1].as_ref().unwrap().as_ref().unwrap().claim, taken.claim, "what it got before");
    assert!(matches!(&granted[2], Err(StoreError::NotFound { .. })), "{:?}", granted[2]);
    assert_eq!(granted[3].as_ref().unwrap().as_ref().unwrap().claim, claims[3].claim);
    assert_eq!(db.states().await, "ready 1, leased 5");
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_come_first_and_then_the_longest() {
    let db = Db::fresh().await;
    db.submit_yaml(TRANSFER).await;
    db.submit_yaml(&bases("more", 3)).await;

    let candidates = db.candidates(256).await.unwrap();

    assert_eq!(candidates.len(), 6);
    let scores: Vec<_> = candidates.iter().map(|one| (one.unlocks_flops, one.flops)).collect();
    assert!(scores[1].0 > 0.0 && scores[2].0 == 0.0, "{scores:?}");
    assert!(scores.windows(2).all(|pair| pair[0] >= pair[1]), "{scores:?}");
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_living_session_claims() {
    let db = Db::fresh().await;
    db.submit_yaml(TRANSFER).await;
    let job_id = db.candidates(1).await.unwrap()[0].job_id;
    let claim_by = |session_id| {
        let claim = Claim { job_id, claim_id: claim_id() };
        NewClaim { claim, session_id, worker: "node1/cpu0".to_owned() }
    };

    let unknown = db.claim(&claim_by(SessionId(uuid()))).await;
    assert!(matches!(unknown, Err(StoreError::SessionEnded { .. })), "{unknown:?}");

    let silent = db.session("node1").await;
    db.expire_sessions(Duration::ZERO).await.unwrap();
    let answer = db.claim(&claim_by(silent)).await;
    assert!(matches!(answer, Err(StoreError::SessionSilent { .. })), "{answer:?}");

    db.heartbeat(silent, &[]).await.unwrap();
    assert!(db.claim(&claim_by(silent)).await.unwrap().is_some());

    db.close_session(silent).await.unwrap();
    let answer = db.claim(&claim_by(silent)).await;
    assert!(matches!(answer, Err(StoreError::SessionEnded { .. })), "{answer:?}");
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_nobody_confirms_returns_and_costs_no_budget() {
    let db = Db::fresh().await;
    db.submit_yaml(TRANSFER).await;
    let session_id = db.session("node1").await;
    let lease = db.claim_best(session_id, "node1").await;
    let holder = Holder { session_id, claim: lease.claim };

    assert_eq!(db.time_out_confirmations(Duration::from_secs(3600)).await.unwrap(), 0);
    assert_eq!(db.time_out_confirmations(Duration::ZERO).await.unwrap(), 1);

    assert!(is_stale(&db.confirm(&holder).await));
    assert!(is_stale(&db.assignment(lease.claim.claim_id, session_id).await));
    let again = db.claim_best(session_id, "node1").await;
    assert_eq!((again.claim.job_id, again.attempt.0), (lease.claim.job_id, 2));
    let mut raw = db.raw().await;
    let lost: i32 = sqlx::query_scalar("SELECT (budgets->>'lost')::integer FROM jobs WHERE job_id = $1")
        .bind(lease.claim.job_id.0)
        .fetch_one(&mut raw)
        .await
        .unwrap();
    assert_eq!(lost, 0);
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_claim_is_refused_everywhere_and_the_new_one_untouched() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("one", 1)).await;
    let (old_session, new_session) = (db.session("node1").await, db.session("node2").await);
    let old = db.run_best(old_session, "node1").await;
    let began = NewCheckpoint { kind: CheckpointKind::Final, iteration: 800, manifest: &manifest("old") };
    let checkpoint_id = db.begin_checkpoint(&old, &began).await.unwrap();
    // Lost, and given to another worker.
    db.expire_sessions(Duration::ZERO).await.unwrap();
    assert_eq!(db.lose_workers(Duration::ZERO).await.unwrap(), 1);
    db.heartbeat(old_session, &[]).await.unwrap();
    db.heartbeat(new_session, &[]).await.unwrap();
    make_due(&db).await;
    let claim = Claim { job_id: old.claim.job_id, claim_id: claim_id() };
    let lease = NewClaim { claim, session_id: new_session, worker: "node2/cpu0".to_owned() };
    db.claim(&lease).await.unwrap().unwrap();
    let new = Holder { session_id: new_session, claim };
    db.confirm(&new).await.unwrap();

    let failure = Failure { class: FailureClass::TrainerError, message: "late".to_owned() };
    assert!(is_stale(&db.confirm(&old).await));
    assert!(is_stale(&db.give_back(&old, GiveBackReason::WorkerStopping).await));
    assert!(is_stale(&db.fail(&old, &failure, 5).await));
    assert!(is_stale(&db.complete(&old, &result(), checkpoint_id).await));
    assert!(is_stale(&db.begin_checkpoint(&old, &began).await));
    assert!(is_stale(&db.open_checkpoint(&old, checkpoint_id).await));
    assert!(is_stale(&db.publish_checkpoint(&old, checkpoint_id).await));
    assert!(is_stale(&db.append_log(&old, 0, "late").await));
    let answer = db.heartbeat(old_session, &[item(old.claim)]).await.unwrap();
    assert_eq!(answer.verdicts[0].verdict, Verdict::Revoked);

    let job = db.job(&db.find_job("random-0/baseA").await.unwrap()).await.unwrap();
    let other = db.job(&db.find_job("random-0/baseB").await.unwrap()).await.unwrap();
    let ours = if job.summary.job_id == claim.job_id { job } else { other };
    assert_eq!(ours.summary.state.as_str(), "running");
    assert_eq!(ours.summary.worker.as_deref(), Some("node2/cpu0"));
    assert!(ours.metrics.is_empty());
    assert_eq!(db.succeed(&new).await, 0);
    db.finish().await;
}

/// The daemon should have noticed; should it not, people are told.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_gets_no_further_under_a_worker_that_answers_is_shown_as_that() {
    let db = Db::fresh().await;
    db.submit_yaml(TRANSFER).await;
    let session_id = db.session("node1").await;
    let holder = db.run_best(session_id, "node1").await;
    let reason = async |age_s: f32, images_per_s: f32| {
        let item = InventoryItem { progress_age_s: age_s, images_per_s, ..item(holder.claim) };
        db.heartbeat(session_id, &[item]).await.unwrap();
        let jobs = db.study_jobs("last", None, 100).await.unwrap();
        jobs.iter().find(|job| job.job_id == holder.claim.job_id).unwrap().reason()
    };

    assert_eq!(reason(200.0, 500.0).await, "");
    assert_eq!(reason(1_500.0, 500.0).await, "no progress for 25 min, though its worker answers");
    assert_eq!(reason(1_500.0, 0.01).await, "", "so slow a training may take longer");
    assert_eq!(reason(1_500.0, 0.0).await, "", "nobody knows its pace yet");
    assert_eq!(reason(0.5, 500.0).await, "");
    db.finish().await;
}

/// An inventory's entry about a job that trains.
pub(crate) fn item(claim: Claim) -> InventoryItem {
    InventoryItem {
        claim,
        phase: Some(Phase::Training),
        iteration: 10,
        images_per_s: 500.0,
        progress_age_s: 0.1,
        phase_done: 0,
        metrics: Vec::new(),
    }
}

/// Ends every wait for a retry.
pub(crate) async fn make_due(db: &Db) {
    let mut raw = db.raw().await;
    sqlx::query("UPDATE jobs SET not_before = now() WHERE state = 'ready'").execute(&mut raw).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_of_another_session_cannot_be_claimed_for() {
    let db = Db::fresh().await;
    db.submit_yaml(TRANSFER).await;
    let session_id = SessionId(uuid());
    db.open_session(&new_session(session_id, "node1")).await.unwrap();
    let job_id = db.candidates(1).await.unwrap()[0].job_id;
    let claim = Claim { job_id, claim_id: claim_id() };

    let answer = db.claim(&NewClaim { claim, session_id, worker: "node2/cpu0".to_owned() }).await;

    assert!(matches!(answer, Err(StoreError::NotFound { .. })), "{answer:?}");
    assert_eq!(db.states().await, "waiting 8, ready 2");
    db.finish().await;
}
