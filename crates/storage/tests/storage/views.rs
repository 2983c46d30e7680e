//! What people read: studies, their networks, one job, the fleet.

use selffer_core::{job::StateKind, spec::Half};
use selffer_storage::{CheckpointKind, StoreError};

use crate::{
    claims::item,
    harness::{Db, TRANSFER, bases, result, study},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_studys_progress_is_derived_from_its_jobs() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("two", 1)).await;
    let before = db.study("last").await.unwrap();
    assert_eq!((before.jobs(), before.work_done, before.has_ended()), (2, 0.0, false));

    let session_id = db.session("node1").await;
    let first = db.run_best(session_id, "node1").await;
    let mut half_way = item(first.claim);
    half_way.iteration = 400;
    db.heartbeat(session_id, &[half_way]).await.unwrap();
    let during = db.study("two").await.unwrap();
    assert!((during.work_done / during.work_total - 0.25).abs() < 1e-9, "{during:?}");

    db.succeed(&first).await;
    let second = db.run_best(session_id, "node1").await;
    db.succeed(&second).await;
    let after = db.study("two").await.unwrap();
    assert!(after.has_ended() && after.work_done == after.work_total);
    assert_eq!(after.elapsed_s, db.study("two").await.unwrap().elapsed_s, "its clock stands");
    assert!(matches!(db.study("three").await, Err(StoreError::NotFound { .. })));
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_listed_in_the_grids_order_by_pages() {
    let db = Db::fresh().await;
    db.submit_yaml(TRANSFER).await;
    let cells = study(TRANSFER).cells;

    let mut listed = db.study_jobs("transfer", None, 7).await.unwrap();
    listed.extend(db.study_jobs("transfer", listed.last().map(|job| job.position), 7).await.unwrap());

    let names = |jobs: &[&str]| jobs.iter().map(ToString::to_string).collect::<Vec<_>>();
    let expected: Vec<&str> = cells.iter().map(|cell| cell.name.as_str()).collect();
    assert_eq!(listed.iter().map(|job| job.name.clone()).collect::<Vec<_>>(), names(&expected));
    let transfer = listed.iter().find(|job| job.name == "random-0/A4B").unwrap();
    assert_eq!((transfer.treatment.as_str(), transfer.layers_copied), ("AnB", 4));
    assert_eq!((transfer.source_half, transfer.target_half), (Some(Half::A), Half::B));
    assert_eq!(transfer.reason(), "waits for random-0/baseA");
    assert_eq!((transfer.iterations, transfer.batch, transfer.seed), (800, 64, 0));
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_found_by_name_study_and_key() {
    let db = Db::fresh().await;
    db.submit_yaml(TRANSFER).await;
    db.submit_yaml(&bases("bases", 2)).await;

    let by_name = db.find_job("random-1/baseA").await.unwrap();
    assert_eq!(by_name.study, "bases");
    let elsewhere = db.find_job("transfer:random-0/A4B").await.unwrap();
    let by_key = db.find_job(&elsewhere.key.to_string()[..9]).await.unwrap();
    assert_eq!(by_key, elsewhere);
    for unknown in ["random-0/A4B", "nowhere:random-0/baseA", "0123456789"] {
        let answer = db.find_job(unknown).await;
        assert!(matches!(answer, Err(StoreError::NotFound { .. })), "{unknown}: {answer:?}");
    }
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jobs_detail_tells_its_whole_story() {
    let db = Db::fresh().await;
    db.submit_yaml(TRANSFER).await;
    let session_id = db.session("node1").await;
    let holder = db.run_best(session_id, "node1").await;
    db.succeed(&holder).await;
    let jobs = db.study_jobs("last", None, 100).await.unwrap();
    let done = jobs.iter().find(|job| job.state == StateKind::Succeeded).unwrap();

    let detail = db.job(&db.find_job(&done.name).await.unwrap()).await.unwrap();

    assert_eq!(detail.result, Some(result()));
    assert_eq!(detail.summary.top1, Some(0.9));
    assert_eq!((detail.attempts.len(), detail.attempts[0].outcome.as_deref()), (1, Some("succeeded")));
    let story: Vec<&str> = detail.events.iter().map(|event| event.what.as_str()).collect();
    assert_eq!(story, ["submitted", "claimed", "confirmed", "completed"]);
    assert_eq!(selffer_core::identity::job_key(&detail.spec), done.key);
    assert!(detail.final_checkpoint.is_some());
    let known = db.look_up(&[done.key, selffer_core::ids::JobKey([9; 32])]).await.unwrap();
    assert_eq!(known, [(done.key, StateKind::Succeeded)]);
    let ids: Vec<_> = jobs.iter().map(|job| job.job_id).collect();
    let results = db.results(&ids).await.unwrap();
    assert_eq!((results.len(), results[&done.job_id].correct_bits.len()), (1, 0));
    let others: Vec<_> = ids.into_iter().filter(|id| *id != done.job_id).collect();
    assert!(db.results(&others).await.unwrap().is_empty());
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jobs_detail_tells_the_checkpoints_that_can_be_had() {
    let db = Db::fresh().await;
    db.submit_yaml(TRANSFER).await;
    let session_id = db.session("node1").await;
    let holder = db.run_best(session_id, "node1").await;
    let [older, newer] = [
        db.publish(&holder, CheckpointKind::Intermediate, 100).await,
        db.publish(&holder, CheckpointKind::Intermediate, 200).await,
    ];
    let jobs = db.study_jobs("last", None, 100).await.unwrap();
    let base = jobs.iter().find(|job| job.job_id == holder.claim.job_id).unwrap();
    let copies = |job: &selffer_storage::JobSummary| {
        job.source.as_ref().is_some_and(|source| source.name == base.name)
    };
    let dependant = jobs.iter().find(|job| copies(job)).unwrap();
    let detail = async |name: &str| db.job(&db.find_job(name).await.unwrap()).await.unwrap();

    let running = detail(&base.name).await;
    assert_eq!((running.intermediates, running.source_checkpoint), (vec![(newer, 200), (older, 100)], None));
    assert_eq!(detail(&dependant.name).await.source_checkpoint, None, "it is not trained yet");

    let last = db.publish(&holder, CheckpointKind::Final, 800).await;
    db.complete(&holder, &result(), last).await.unwrap();
    assert!(detail(&base.name).await.intermediates.is_empty());
    assert_eq!(detail(&dependant.name).await.source_checkpoint, Some(last));

    db.quarantine_checkpoint(last).await.unwrap();
    assert_eq!(detail(&dependant.name).await.source_checkpoint, None, "nobody gets it any more");
    db.finish().await;
}
