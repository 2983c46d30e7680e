//! Submissions: stored once, shared by key, refused when they contradict.

use std::collections::BTreeMap;

use selffer_core::interest::InterestChange;
use selffer_storage::{Act, Onto, StoreError, Submission, Submitted};

use crate::harness::{Db, TRANSFER, bases, study, submission, submit, uuid};

fn submitted(study: &str, existed: bool, [jobs, shared, succeeded]: [u32; 3]) -> Submitted {
    Submitted { study: study.to_owned(), existed, jobs, shared, succeeded, added: 0, reopened: 0 }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_answers_the_same() {
    let db = Db::fresh().await;
    let request_id = uuid();
    let first = db.try_submit(TRANSFER, request_id).await.unwrap();
    let session_id = db.session("node1").await;
    let holder = db.run_best(session_id, "node1").await;
    db.succeed(&holder).await;

    assert_eq!(first, submitted("transfer", false, [10, 0, 0]));
    assert_eq!(db.try_submit(TRANSFER, request_id).await.unwrap(), first);
    let other = db.try_submit(&bases("other", 1), request_id).await;
    assert!(matches!(other, Err(StoreError::RequestReused { .. })), "{other:?}");
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_study_again_is_the_same_study() {
    let db = Db::fresh().await;
    db.submit_yaml(TRANSFER).await;
    let session_id = db.session("node1").await;
    let holder = db.run_best(session_id, "node1").await;
    db.succeed(&holder).await;

    let again = db.submit_yaml(&format!("# a comment\n{TRANSFER}")).await;

    assert_eq!(again, submitted("transfer", true, [10, 10, 1]));
    assert_eq!(db.studies().await.unwrap().len(), 1);
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_submissions_at_once_make_one_study() {
    let db = Db::fresh().await;
    let request_id = uuid();
    let calls = (0..8).map(|index| {
        let store = db.store();
        // Half of them are repeats of one request.
        let request_id = if index % 2 == 0 { request_id } else { uuid() };
        tokio::spawn(async move { submit(&store, &study(TRANSFER), request_id).await })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap().unwrap().jobs, 10);
    }
    assert_eq!(db.studies().await.unwrap().len(), 1);
    assert_eq!(db.states().await, "waiting 8, ready 2");
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn overlapping_studies_submitted_at_once_do_not_deadlock() {
    let db = Db::fresh().await;
    let calls = (0..6).map(|index| {
        let store = db.store();
        let yaml = TRANSFER
            .replace("study: transfer", &format!("study: transfer-{index}"))
            .replace("split: random-0", &format!("split: [random-0, random-{}]", 1 + index % 3));
        tokio::spawn(async move { submit(&store, &study(&yaml), uuid()).await })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    assert_eq!(db.candidates(99).await.unwrap().len(), 8, "four splits of two halves");
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn studies_submitted_extended_and_cancelled_at_once_do_not_deadlock_or_double() {
    let db = Db::fresh().await;
    db.submit_yaml(TRANSFER).await;
    let calls = (0..6_u32).map(|index| {
        let store = db.store();
        tokio::spawn(async move {
            let split = format!("split: [random-0, random-{}]", 1 + index % 3);
            let yaml = TRANSFER.replace("split: random-0", &split);
            let own = study(&yaml.replace("study: transfer", &format!("study: transfer-{index}")));
            submit(&store, &own, uuid()).await.unwrap();
            let more = study(&yaml);
            let files = BTreeMap::new();
            let extension = Submission { onto: Onto::Extended, ..submission(&more, uuid(), &files) };
            store.submit(&extension).await.unwrap();
            let act = Act { actor: "tester", reason: "" };
            store.change_interest(&own.name.to_string(), InterestChange::Cancel, &act).await.unwrap();
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
    assert_eq!(db.study("transfer").await.unwrap().jobs(), 40, "four splits of ten networks");
    assert_eq!(db.candidates(99).await.unwrap().len(), 8, "its own eight base networks");
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_study_of_that_name_is_a_conflict_that_says_what_differs() {
    let db = Db::fresh().await;
    db.submit_yaml(TRANSFER).await;

    let answer = db.try_submit(&TRANSFER.replace("n: [1, 4]", "n: [1, 4, 7]"), uuid()).await;

    let Err(StoreError::StudyConflict { study, difference }) = answer else { panic!("{answer:?}") };
    assert_eq!(study, "transfer");
    assert_eq!(difference, "4 networks are new (random-0/A7A, random-0/A7B, random-0/B7A, …)");
    assert_eq!(db.study("transfer").await.unwrap().jobs(), 10);
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn studies_share_the_networks_that_both_want() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("bases", 1)).await;
    let session_id = db.session("node1").await;
    let holder = db.run_best(session_id, "node1").await;
    db.succeed(&holder).await;

    let second = db.submit_yaml(TRANSFER).await;

    assert_eq!(second, submitted("transfer", false, [10, 2, 1]));
    assert_eq!(db.states().await, "waiting 4, ready 5, succeeded 1");
    let job = db.job(&db.find_job("random-0/baseA").await.unwrap()).await.unwrap();
    assert_eq!(job.studies, ["transfer:random-0/baseA", "bases:random-0/baseA"]);
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_study_is_stored_whole() {
    let db = Db::fresh().await;
    let splits: Vec<String> = (0..300).map(|split| format!("random-{split}")).collect();
    let yaml = TRANSFER
        .replace("split: random-0", &format!("split: [{}]", splits.join(", ")))
        .replace("n: [1, 4]", "n: 1..7");

    let large = db.submit_yaml(&yaml).await;

    assert_eq!(large.jobs, 300 * 30);
    assert_eq!(db.states().await, "waiting 8400, ready 600");
    assert_eq!(db.candidates(256).await.unwrap().len(), 256);
    assert_eq!(db.study_jobs("transfer", Some(8_989), 100).await.unwrap().len(), 10);
    db.finish().await;
}
