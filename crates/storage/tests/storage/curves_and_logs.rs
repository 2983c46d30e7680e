//! Learning curves and logs: nothing twice, nothing lost that was acknowledged.

use selffer_core::{
    ids::AttemptNumber,
    job::GiveBackReason,
    outcome::{MetricPoint, MetricValue, TestResult},
};
use selffer_storage::{Holder, InventoryItem};

use crate::{
    claims::item,
    harness::{Db, bases, is_stale},
};

fn points(sequences: std::ops::Range<u32>) -> Vec<MetricPoint> {
    let test = TestResult { images: 100, top1_correct: 80, top5_correct: 99, loss: 0.5 };
    let value = |sequence: u32| match sequence % 2 {
        0 => MetricValue::TrainingLoss(f64::from(sequence)),
        _ => MetricValue::Test(test),
    };
    sequences
        .map(|sequence| MetricPoint { sequence, iteration: sequence * 10, value: value(sequence) })
        .collect()
}

async fn beat(db: &Db, holder: &Holder, metrics: Vec<MetricPoint>) -> u32 {
    let inventory = [InventoryItem { metrics, ..item(holder.claim) }];
    let answer = db.heartbeat(holder.session_id, &inventory).await.unwrap();
    answer.verdicts[0].metrics_stored
}

#[tokio::test(flavor = "multi_thread")]
async fn a_point_is_stored_once_and_a_gap_is_asked_for_again() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("one", 1)).await;
    let session_id = db.session("node1").await;
    let holder = db.run_best(session_id, "node1").await;

    assert_eq!(beat(&db, &holder, vec![]).await, 0);
    assert_eq!(beat(&db, &holder, points(0..4)).await, 4);
    assert_eq!(beat(&db, &holder, points(2..6)).await, 6);
    assert_eq!(beat(&db, &holder, points(8..9)).await, 6, "6 and 7 are missing");
    let inventory = [InventoryItem { metrics: points(6..10), ..item(holder.claim) }];
    let twice = tokio::join!(db.heartbeat(session_id, &inventory), db.heartbeat(session_id, &inventory));
    assert_eq!(twice.0.unwrap().verdicts[0].metrics_stored, 10);
    assert_eq!(twice.1.unwrap().verdicts[0].metrics_stored, 10);

    let job = db.find_job(&key_of(&db, &holder).await).await.unwrap();
    let detail = db.job(&job).await.unwrap();
    assert_eq!(detail.metrics, points(0..10));
    assert_eq!((detail.summary.top1, detail.summary.iteration), (Some(0.8), 10));
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resumed_attempt_goes_on_with_the_curve_where_it_took_it_up() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("one", 1)).await;
    let session_id = db.session("node1").await;
    let holder = db.run_best(session_id, "node1").await;
    beat(&db, &holder, points(0..8)).await;
    db.give_back(&holder, GiveBackReason::WorkerStopping).await.unwrap();
    let again = db.run_best(session_id, "node1").await;
    assert_eq!(again.claim.job_id, holder.claim.job_id);

    // Its checkpoint was taken after point 4.
    assert_eq!(beat(&db, &again, points(5..6)).await, 6);

    let job = db.find_job(&key_of(&db, &again).await).await.unwrap();
    let sequences: Vec<u32> =
        db.job(&job).await.unwrap().metrics.iter().map(|point| point.sequence).collect();
    assert_eq!(sequences, [0, 1, 2, 3, 4, 5]);
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_appended_without_doubles_or_gaps() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("one", 1)).await;
    let session_id = db.session("node1").await;
    let holder = db.run_best(session_id, "node1").await;
    let job_id = holder.claim.job_id;

    assert_eq!(db.append_log(&holder, 0, "first\n").await.unwrap(), 6);
    assert_eq!(db.append_log(&holder, 0, "first\n").await.unwrap(), 6, "a repeat");
    assert_eq!(db.append_log(&holder, 3, "st\nsecond\n").await.unwrap(), 13, "half of it is new");
    assert_eq!(db.append_log(&holder, 99, "beyond").await.unwrap(), 13, "a gap");

    let log = db.log(job_id, None, 0).await.unwrap();
    assert_eq!((log.text.as_str(), log.next_offset, log.ended), ("first\nsecond\n", 13, false));
    assert_eq!(db.log(job_id, None, 6).await.unwrap().text, "second\n");
    assert_eq!(db.log(job_id, None, 99).await.unwrap().text, "");
    db.give_back(&holder, GiveBackReason::WorkerStopping).await.unwrap();
    assert_eq!(db.append_log(&holder, 13, "last words\n").await.unwrap(), 24);
    assert!(db.log(job_id, None, 0).await.unwrap().ended);
    db.claim_best(session_id, "node1").await;
    assert!(is_stale(&db.append_log(&holder, 24, "more").await));
    assert_eq!(db.log(job_id, None, 0).await.unwrap().text, "", "a new attempt has a new log");
    let first = db.log(job_id, Some(AttemptNumber(1)), 13).await.unwrap();
    assert_eq!((first.text.as_str(), first.attempt), ("last words\n", AttemptNumber(1)));
    let missing = db.log(job_id, Some(AttemptNumber(7)), 0).await.unwrap_err().to_string();
    assert!(missing.contains("attempt") && missing.contains('7'), "{missing}");
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_long_log_the_end_is_kept() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("one", 1)).await;
    let session_id = db.session("node1").await;
    let holder = db.run_best(session_id, "node1").await;
    let part = "x".repeat(300_000);
    let mut end = 0;
    for _ in 0..6 {
        end = db.append_log(&holder, end, &part).await.unwrap();
    }

    let log = db.log(holder.claim.job_id, None, 0).await.unwrap();

    let (mark, kept) = log.text.split_once('\n').unwrap();
    assert_eq!(mark, "[600000 bytes before this are not kept]");
    assert_eq!((end, log.next_offset, kept.len()), (1_800_000, 1_800_000, 1_200_000));
    let follows = db.log(holder.claim.job_id, None, 1_799_000).await.unwrap();
    assert_eq!(follows.text.len(), 1_000, "nothing was cut where it goes on");
    db.finish().await;
}

async fn key_of(db: &Db, holder: &Holder) -> String {
    let jobs = db.study_jobs("last", None, 100).await.unwrap();
    jobs.iter().find(|job| job.job_id == holder.claim.job_id).unwrap().key.to_string()
}
