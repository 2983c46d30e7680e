//! The audit finds each kind of broken promise: rows are broken on purpose, one way at a
//! time. A query that was never seen to find anything fails the test.

use std::{collections::BTreeSet, time::Duration};

use selffer_core::outcome::{MetricPoint, MetricValue};
use selffer_storage::{CheckpointKind, InventoryItem};

use crate::{
    claims::item,
    harness::{Db, TRANSFER},
};

/// What is done to a sound database, and what the audit says then.
const BROKEN: [(&str, &str); 28] = [
    (
        "UPDATE jobs SET state = 'waiting', not_before = NULL WHERE state = 'ready' AND source_job_id IS NOT NULL",
        "I4: job _: waits for its source, which has succeeded",
    ),
    (
        "UPDATE jobs SET state = 'cancelled', not_before = NULL WHERE NOT is_source AND state = 'ready';
         UPDATE jobs SET state = 'waiting', not_before = NULL, source_job_id = (
             SELECT job_id FROM jobs WHERE state = 'cancelled' LIMIT 1)
         WHERE state = 'waiting'",
        "I5: job _: waits for its source, which has ended: cancelled",
    ),
    (
        "UPDATE jobs SET state = 'held', not_before = NULL, hold = '{\"kind\": \"source_ended\", \"reason\": \"\"}'
         WHERE state = 'ready'",
        "I5: job _: is held because its source ended, but that one is succeeded",
    ),
    (
        "UPDATE jobs SET state = 'ready', not_before = now() WHERE state = 'waiting'",
        "I4: job _: can start, but its source is running",
    ),
    (
        "UPDATE checkpoints SET state = 'quarantined' WHERE kind = 'final'",
        "I6: job _: can start, but what it copies is damaged: checkpoint",
    ),
    ("UPDATE requests SET study_id = NULL", "I1: a request was answered, but its study is not there:"),
    ("DELETE FROM study_jobs WHERE position = 0", "I1: a study has lost networks: transfer"),
    (
        "DELETE FROM study_jobs WHERE job_id IN (SELECT job_id FROM jobs WHERE state = 'waiting')",
        "I5: job _: is not finished, and no study has it; it is waiting",
    ),
    (
        "UPDATE jobs SET interest = 'paused' WHERE state = 'ready'",
        "I5: job _: has another interest or priority than its studies: paused 0",
    ),
    (
        "UPDATE studies SET parallel_max = 3",
        "I5: job _: has other limits than its studies: none",
    ),
    (
        "UPDATE studies SET interest = 'stopped'; UPDATE jobs SET interest = 'stopped'",
        "I8: job _: is wanted by no study, but is",
    ),
    (
        "UPDATE attempts SET worker = 'node2/cpu0' WHERE ended_at IS NULL",
        "I3: job _: has a lease, but no open attempt of its claim, number and worker; it is running",
    ),
    (
        "UPDATE attempts SET ended_at = NULL, outcome = NULL WHERE outcome = 'succeeded'",
        "I3: job _: has an open attempt that is not its lease: number 1",
    ),
    (
        "UPDATE jobs SET attempt = 7 WHERE state = 'ready'",
        "I2: job _: has attempts that do not fit its count of them: 7 are counted, 0 stored, the last is number 0",
    ),
    (
        "UPDATE sessions SET ended_at = now(), end_reason = 'closed'",
        "I10: job _: is at work for a session that does not live; it is running",
    ),
    (
        "UPDATE attempts SET outcome = 'given_back' WHERE outcome = 'succeeded'",
        "I4: job _: has an attempt that succeeded without a result, or a result without that: number 1",
    ),
    (
        "INSERT INTO attempts (claim_id, job_id, attempt, session_id, worker, device_kind, ended_at, outcome)
         SELECT decode('00112233445566778899aabbccddeeff', 'hex'), job_id, 2, session_id, worker, device_kind,
             ended_at, outcome FROM attempts WHERE outcome = 'succeeded';
         CREATE TEMPORARY TABLE again AS SELECT * FROM results;
         UPDATE again SET attempt = 2;
         INSERT INTO results SELECT * FROM again",
        "I4: job _: has more results than it was started for: 2",
    ),
    (
        "UPDATE jobs SET attempt = 2 WHERE state = 'succeeded'",
        "I4: job _: counts the result of an attempt that is not its last: 1 of 2",
    ),
    (
        "UPDATE checkpoints SET kind = 'intermediate' WHERE kind = 'final'",
        "I6: job _: has a result whose checkpoint is not a published final of that attempt; it is intermediate",
    ),
    (
        "UPDATE checkpoints SET claim_id = (SELECT claim_id FROM attempts WHERE outcome = 'succeeded')
         WHERE kind = 'intermediate'",
        "I3: job _: has a checkpoint of another job's attempt:",
    ),
    (
        "UPDATE checkpoints SET published_at = now() + INTERVAL '1 hour' WHERE kind = 'final'",
        "I3: job _: has a checkpoint that an attempt published after its end:",
    ),
    (
        "INSERT INTO checkpoints (job_id, claim_id, kind, state, iteration, manifest, manifest_digest, bytes, published_at)
         SELECT job_id, claim_id, kind, state, number, manifest, manifest_digest, bytes, published_at
         FROM checkpoints, generate_series(1, 2) AS number WHERE kind = 'intermediate'",
        "I10: job _: keeps more than two intermediate checkpoints: 3",
    ),
    (
        "INSERT INTO checkpoints (job_id, claim_id, kind, iteration, manifest, manifest_digest, bytes)
         SELECT job_id, claim_id, 'intermediate', 1, manifest, manifest_digest, bytes
         FROM checkpoints WHERE kind = 'final'",
        "I10: job _: has succeeded, but keeps a checkpoint that is no result's:",
    ),
    ("DELETE FROM metrics WHERE sequence = 1", "I7: job _: has a gap in its learning curve: attempt 1"),
    (
        "UPDATE metrics SET iteration = 100",
        "I7: job _: has a point twice in its learning curve: iteration 100 of attempt 1",
    ),
    (
        "UPDATE sessions SET expired_at = now()",
        "I10: job _: is still leased, to a session that does not live; it is running",
    ),
    (
        "UPDATE heartbeats SET last_at = now() - INTERVAL '1 hour'",
        "I10: a session lives, but was silent for more than ten minutes: node node1",
    ),
    ("UPDATE fleet SET frozen_at = now()", "I5: the fleet is still frozen, since"),
];

/// Both halves: one source has succeeded, the other is running with a checkpoint and a curve;
/// four networks are ready to copy, four wait.
async fn scene() -> Db {
    let db = Db::fresh().await;
    db.submit_yaml(TRANSFER).await;
    let session_id = db.session("node1").await;
    let first = db.run_best(session_id, "node1").await;
    db.succeed(&first).await;
    let second = db.run_best(session_id, "node1").await;
    db.publish(&second, CheckpointKind::Intermediate, 400).await;
    let loss = |sequence| MetricPoint {
        sequence,
        iteration: sequence * 100,
        value: MetricValue::TrainingLoss(f64::from(sequence)),
    };
    let inventory = [InventoryItem { metrics: (0..3).map(loss).collect(), ..item(second.claim) }];
    db.heartbeat(session_id, &inventory).await.unwrap();
    assert_eq!(db.states().await, "waiting 4, ready 4, running 1, succeeded 1");
    db
}

/// The sentences, with `_` for ids of jobs.
async fn told(db: &Db) -> Vec<String> {
    let violations = db.violations().await.unwrap().into_iter().chain(db.leftovers().await.unwrap());
    let told = violations.map(|violation| {
        let text = violation.to_string();
        violation.job_id.map_or(text.clone(), |job_id| text.replace(&job_id.to_string(), "_"))
    });
    told.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_promise_that_is_broken_on_purpose_is_found() {
    let scene = scene().await;
    assert_eq!(told(&scene).await, [""; 0]);
    scene.store().close().await;

    let mut found = BTreeSet::new();
    for (statements, sentence) in BROKEN {
        let db = scene.copy().await;
        sqlx::raw_sql(statements).execute(&mut db.raw().await).await.unwrap();
        let told = told(&db).await;
        assert!(told.iter().any(|one| one.starts_with(sentence)), "{statements}\ngives\n{told:#?}");
        found.insert(sentence.split_once(": ").unwrap().1.trim_start_matches("job _: "));
        db.store().close().await;
    }

    // Every query is among them.
    let files = [
        include_str!("../../src/audit/interest.rs"),
        include_str!("../../src/audit/jobs.rs"),
        include_str!("../../src/audit/work.rs"),
    ];
    for file in files {
        for query in file.split("look_for!(").skip(1) {
            let problem = query.split('"').nth(3).unwrap();
            assert!(
                found.iter().any(|sentence| sentence.starts_with(problem)),
                "{problem:?} was never found"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_was_left_open_is_a_leftover() {
    let db = Db::fresh().await;
    let mut raw = db.raw().await;
    sqlx::raw_sql("BEGIN").execute(&mut raw).await.unwrap();

    let seen = async {
        while db.leftovers().await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };

    tokio::time::timeout(Duration::from_secs(8), seen).await.unwrap();
    sqlx::raw_sql("ROLLBACK").execute(&mut raw).await.unwrap();
    db.finish().await;
}
