//! Who is to blame when attempts end badly: workers are quarantined and their jobs' budgets given
//! back (fault 24), jobs that take their workers with them are held (fault 23).

use std::time::Duration;

use selffer_core::{
    ids::SessionId,
    job::{Budgets, Failure, FailureClass, HoldReason, StateKind},
};
use selffer_storage::{Act, CheckpointKind, Claim, Holder, JobDetail, NewClaim, StoreError};

use crate::{
    claims::make_due,
    harness::{Db, bases, claim_id, new_session, uuid},
};

const ACT: Act<'static> = Act { actor: "tester", reason: "the card was replaced" };

fn failure(class: FailureClass) -> Failure {
    Failure { class, message: "assertion failed".to_owned() }
}

/// Runs the best ready jobs on this worker, which fails each at once; nothing is left waiting for a
/// retry. Stops when it is handed nothing.
async fn fail(db: &Db, session_id: SessionId, node: &str, classes: &[FailureClass]) -> Vec<Holder> {
    let mut failed = Vec::new();
    for class in classes {
        let holder = db.run_best(session_id, node).await;
        db.fail(&holder, &failure(*class), 0).await.unwrap();
        failed.push(holder);
    }
    failed
}

/// Tries to claim any job for this worker.
async fn claims_nothing(db: &Db, session_id: SessionId, node: &str) -> bool {
    let job_id = db.candidates(1).await.unwrap().remove(0).job_id;
    let claim = Claim { job_id, claim_id: claim_id() };
    let answer = db.claim(&NewClaim { claim, session_id, worker: format!("{node}/cpu0") }).await;
    matches!(answer, Err(StoreError::SetAside { .. }))
}

async fn budgets(db: &Db, holder: &Holder) -> Budgets {
    let mut raw = db.raw().await;
    let budgets: sqlx::types::Json<Budgets> =
        sqlx::query_scalar("SELECT budgets FROM jobs WHERE job_id = $1")
            .bind(holder.claim.job_id.0)
            .fetch_one(&mut raw)
            .await
            .unwrap();
    budgets.0
}

async fn detail(db: &Db, holder: &Holder) -> JobDetail {
    let jobs = db.all_study_jobs("last").await.unwrap();
    let job = jobs.iter().find(|job| job.job_id == holder.claim.job_id).unwrap();
    db.job(&db.find_job(&job.name).await.unwrap()).await.unwrap()
}

async fn set_aside(db: &Db, worker: &str) -> Option<String> {
    let workers = db.workers().await.unwrap();
    let row = workers.into_iter().find(|row| row.worker == worker).unwrap();
    row.set_aside.map(|aside| format!("{} by {}: {}", aside.kind, aside.actor, aside.reason))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_fails_five_jobs_in_a_row_is_quarantined_and_their_budgets_are_untouched() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("many", 4)).await;
    let session_id = db.session("node1").await;

    let failed = fail(&db, session_id, "node1", &[FailureClass::TrainerError; 4]).await;
    assert_eq!(set_aside(&db, "node1/cpu0").await, None);
    assert_eq!(budgets(&db, &failed[0]).await.job, 1);
    let fifth = fail(&db, session_id, "node1", &[FailureClass::Stalled]).await;

    let told = set_aside(&db, "node1/cpu0").await.unwrap();
    assert!(told.starts_with("quarantined by coordinator: 5 different jobs in a row"), "{told}");
    for holder in failed.iter().chain(&fifth) {
        assert_eq!(budgets(&db, holder).await, Budgets::default());
        let refunded = detail(&db, holder).await;
        assert_eq!(refunded.summary.state, StateKind::Ready);
        let event = refunded.events.last().unwrap();
        assert!(event.what == "refunded" && event.detail.contains("its worker was to blame"), "{event:?}");
    }
    assert_eq!(db.candidates(99).await.unwrap().len(), 8, "all of them at once, for others");
    assert!(claims_nothing(&db, session_id, "node1").await);
    assert!(db.heartbeat(session_id, &[]).await.unwrap().drain, "it is told");
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_failed_because_of_a_quarantined_worker_start_again() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("many", 4)).await;
    let session_id = db.session("node1").await;

    // The same job fails twice, which ends it; then four others.
    let first = fail(&db, session_id, "node1", &[FailureClass::TrainerError]).await;
    make_due(&db).await;
    let claim = Claim { job_id: first[0].claim.job_id, claim_id: claim_id() };
    let new = NewClaim { claim, session_id, worker: "node1/cpu0".to_owned() };
    db.claim(&new).await.unwrap().unwrap();
    let again = Holder { session_id, claim };
    db.confirm(&again).await.unwrap();
    db.fail(&again, &failure(FailureClass::TrainerError), 0).await.unwrap();
    assert_eq!(detail(&db, &again).await.summary.state, StateKind::Failed);
    fail(&db, session_id, "node1", &[FailureClass::TrainerError; 4]).await;

    assert!(set_aside(&db, "node1/cpu0").await.is_some());
    assert_eq!(db.states().await, "ready 8");
    assert_eq!(budgets(&db, &again).await, Budgets::default());
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_ends_a_quarantine_and_restarts_do_not_unless_the_device_is_another() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("many", 8)).await;
    let session_id = db.session("node1").await;
    fail(&db, session_id, "node1", &[FailureClass::TrainerError; 5]).await;

    let restarted = db.session("node1").await;
    assert!(claims_nothing(&db, restarted, "node1").await, "the same device");
    let mut replaced = new_session(SessionId(uuid()), "node1");
    replaced.devices[0].kind = "cpu x86-64-v4".to_owned();
    db.open_session(&replaced).await.unwrap();
    assert_eq!(set_aside(&db, "node1/cpu0").await, None, "another device");

    fail(&db, replaced.session_id, "node1", &[FailureClass::TrainerError; 5]).await;
    assert!(set_aside(&db, "node1/cpu0").await.is_some());
    let acted = db.release("node1/cpu0", &ACT).await.unwrap();
    assert!(acted.changed && acted.still.is_none());
    assert!(!db.heartbeat(replaced.session_id, &[]).await.unwrap().drain);
    fail(&db, replaced.session_id, "node1", &[FailureClass::TrainerError; 4]).await;
    assert_eq!(set_aside(&db, "node1/cpu0").await, None, "what was before is forgotten");
    assert!(!db.release("node1/cpu0", &ACT).await.unwrap().changed);
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_success_or_progress_shows_that_a_worker_is_sound() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("many", 8)).await;
    let session_id = db.session("node1").await;

    fail(&db, session_id, "node1", &[FailureClass::TrainerError; 4]).await;
    let good = db.run_best(session_id, "node1").await;
    db.succeed(&good).await;
    fail(&db, session_id, "node1", &[FailureClass::TrainerError; 4]).await;
    let further = db.run_best(session_id, "node1").await;
    db.publish(&further, CheckpointKind::Intermediate, 100).await;
    db.fail(&further, &failure(FailureClass::TrainerError), 120).await.unwrap();

    assert_eq!(set_aside(&db, "node1/cpu0").await, None);
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_fail_everywhere_set_at_most_one_worker_aside() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("broken", 3)).await;
    let (first, second) = (db.session("node1").await, db.session("node2").await);

    fail(&db, first, "node1", &[FailureClass::TrainerError; 5]).await;
    assert!(set_aside(&db, "node1/cpu0").await.is_some());
    let mut tried = 0;
    while let Some(best) = db.candidates(1).await.unwrap().pop() {
        let claim = Claim { job_id: best.job_id, claim_id: claim_id() };
        let new = NewClaim { claim, session_id: second, worker: "node2/cpu0".to_owned() };
        db.claim(&new).await.unwrap().unwrap();
        let holder = Holder { session_id: second, claim };
        db.confirm(&holder).await.unwrap();
        db.fail(&holder, &failure(FailureClass::TrainerError), 0).await.unwrap();
        make_due(&db).await;
        tried += 1;
    }

    assert_eq!(tried, 12, "each once more than its budget");
    assert_eq!(set_aside(&db, "node2/cpu0").await, None);
    assert_eq!(db.states().await, "failed 6");
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_broke_under_two_jobs_is_quarantined() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("many", 4)).await;
    let session_id = db.session("node1").await;

    let first = fail(&db, session_id, "node1", &[FailureClass::Hardware]).await;
    let good = db.run_best(session_id, "node1").await;
    db.succeed(&good).await;
    fail(&db, session_id, "node1", &[FailureClass::Hardware]).await;

    let told = set_aside(&db, "node1/cpu0").await.unwrap();
    assert_eq!(told, "quarantined by coordinator: its device broke under 2 different jobs");
    assert_eq!(budgets(&db, &first[0]).await, Budgets::default());
    db.finish().await;
}

/// The best ready job, lost with this node's daemon.
async fn lose(db: &Db, node: &str, job: Option<&Holder>) -> Holder {
    let session_id = db.session(node).await;
    let holder = match job {
        None => db.run_best(session_id, node).await,
        Some(job) => {
            make_due(db).await;
            let claim = Claim { job_id: job.claim.job_id, claim_id: claim_id() };
            db.claim(&NewClaim { claim, session_id, worker: format!("{node}/cpu0") }).await.unwrap().unwrap();
            let holder = Holder { session_id, claim };
            db.confirm(&holder).await.unwrap();
            holder
        }
    };
    // A new daemon of the node that does not go on with it.
    let restarted = db.session(node).await;
    db.heartbeat(restarted, &[]).await.unwrap();
    holder
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_second_worker_was_lost_too_is_held_and_others_go_on() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("many", 1)).await;

    let poison = lose(&db, "node1", None).await;
    assert_eq!(detail(&db, &poison).await.summary.state, StateKind::Ready);
    lose(&db, "node1", Some(&poison)).await;
    assert_eq!(detail(&db, &poison).await.summary.state, StateKind::Ready, "the same worker twice");
    lose(&db, "node2", Some(&poison)).await;

    let held = detail(&db, &poison).await.summary;
    let reason = "its workers were lost while they ran it: node1/cpu0 and node2/cpu0";
    assert_eq!(held.hold, Some(HoldReason::Poison { reason: reason.to_owned() }));
    assert_eq!(held.reason(), reason);
    let session_id = db.session("node2").await;
    let other = db.run_best(session_id, "node2").await;
    assert_ne!(other.claim.job_id, poison.claim.job_id);
    db.succeed(&other).await;

    let job = db.find_job(&held.name).await.unwrap();
    assert_eq!(db.retry_job(&job, &ACT).await.unwrap().reopened, 1);
    lose(&db, "node3", Some(&poison)).await;
    assert_eq!(detail(&db, &poison).await.summary.state, StateKind::Ready, "counted anew");
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_are_lost_together_are_no_jobs_doing() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("many", 4)).await;

    let one = lose(&db, "node1", None).await;
    lose(&db, "node3", None).await;
    lose(&db, "node2", Some(&one)).await;

    assert_eq!(detail(&db, &one).await.summary.state, StateKind::Ready);
    assert_eq!(db.lose_workers(Duration::ZERO).await.unwrap(), 0);
    db.finish().await;
}
