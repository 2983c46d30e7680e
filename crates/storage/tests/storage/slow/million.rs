//! A million jobs, statistics of an empty table, and a transaction that keeps dead rows alive:
//! faults 41 and 42 of the reliability page.

use std::time::{Duration, Instant};

use selffer_core::job::GiveBackReason;
use selffer_storage::Holder;
use sqlx::{AssertSqlSafe, Connection, Row};

use crate::{
    claims::item,
    harness::{Db, bases},
};

const ROWS: u32 = 1_000_000;
/// The longest that handing out a job, or a whole heartbeat, may take for all but one in a hundred.
const IN_TIME: Duration = Duration::from_millis(100);

/// A million jobs like the one that was submitted, of which most are ready; nobody counted them.
async fn million() -> Db {
    let db = Db::fresh().await;
    let mut raw = db.raw().await;
    // What the planner knows stays what it was: nothing.
    for table in ["jobs", "attempts", "study_jobs", "progress"] {
        let off = format!("ALTER TABLE {table} SET (autovacuum_enabled = off)");
        sqlx::query(AssertSqlSafe(off)).execute(&mut raw).await.unwrap();
    }
    db.submit_yaml(&bases("one", 1)).await;
    let columns = "SELECT string_agg(column_name, ', '),
            string_agg(CASE column_name
                WHEN 'job_id' THEN 'gen_random_uuid()'
                WHEN 'key' THEN 'sha256(number::text::bytea)'
                WHEN 'flops' THEN 'like_it.flops + number % 1000'
                ELSE 'like_it.' || column_name END, ', ')
        FROM information_schema.columns
        WHERE table_name = 'jobs' AND is_generated = 'NEVER'";
    let columns = sqlx::query(columns).fetch_one(&mut raw).await.unwrap();
    let (names, values): (String, String) = (columns.get(0), columns.get(1));
    let insert = format!(
        "INSERT INTO jobs ({names})
         SELECT {values} FROM (SELECT * FROM jobs LIMIT 1) AS like_it, generate_series(1, {ROWS}) AS number"
    );
    sqlx::query(AssertSqlSafe(insert)).execute(&mut raw).await.unwrap();
    let wanted = "INSERT INTO study_jobs (study_id, position, job_id, name, treatment, added_as_source)
        SELECT s.study_id, 10 + row_number() OVER (), j.job_id, 'job-' || row_number() OVER (), 'base', false
        FROM studies s, jobs j
        WHERE NOT EXISTS (SELECT 1 FROM study_jobs k WHERE k.job_id = j.job_id)";
    sqlx::query(wanted).execute(&mut raw).await.unwrap();
    db
}

fn p99(mut waits: Vec<Duration>) -> Duration {
    waits.sort_unstable();
    waits[waits.len() * 99 / 100]
}

async fn plan(db: &Db, sql: &str) -> String {
    let mut raw = db.raw().await;
    let explain = format!("EXPLAIN {sql}");
    let lines = sqlx::query(AssertSqlSafe(explain)).fetch_all(&mut raw).await.unwrap();
    lines.iter().map(|line| line.get::<String, _>(0) + "\n").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_and_heartbeats_stay_on_their_indexes_whatever_the_statistics_say() {
    let db = million().await;
    for (what, sql) in [
        (
            "candidates",
            include_str!("../../../src/views/candidates.sql")
                .replace("$1", "256")
                .replace("$2", "NULL::bigint")
                .replace("$3", "'{}'::bytea[]"),
        ),
        (
            "unconfirmed leases",
            "SELECT job_id FROM jobs WHERE state = 'leased'
            AND state_since <= clock_timestamp() - make_interval(secs => 30) ORDER BY job_id LIMIT 1000"
                .into(),
        ),
        (
            "unwanted jobs",
            "SELECT job_id FROM jobs WHERE interest IN ('stopped', 'cancelled')
            AND state IN ('waiting', 'ready', 'held') LIMIT 1000"
                .into(),
        ),
        (
            "lost workers' jobs",
            "SELECT j.job_id FROM jobs j JOIN heartbeats h USING (session_id)
            WHERE j.state = 'suspect' AND h.last_at <= clock_timestamp() - make_interval(secs => 180)
            ORDER BY j.job_id LIMIT 1000"
                .into(),
        ),
    ] {
        let plan = plan(&db, &sql).await;
        assert!(!plan.contains("Seq Scan on jobs"), "{what}:\n{plan}");
    }

    let session_id = db.session("node1").await;
    let holder = db.run_best(session_id, "node1").await;
    let mut waits = Vec::new();
    for _ in 0..100 {
        let began_at = Instant::now();
        db.heartbeat(session_id, &[item(holder.claim)]).await.unwrap();
        waits.push(began_at.elapsed());
    }
    let p99 = p99(waits);
    assert!(p99 < IN_TIME, "p99 of heartbeats is {p99:?}");
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_stay_fast_while_an_old_transaction_keeps_thirty_thousand_dead_entries() {
    let db = million().await;
    let mut old = db.raw().await;
    let mut pinned = old.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ").await.unwrap();
    sqlx::query("SELECT COUNT(*) FROM heartbeats").execute(&mut *pinned).await.unwrap();
    let mut raw = db.raw().await;
    // The best candidates, as they would be handed out and come back.
    for _ in 0..3 {
        let best = "UPDATE jobs SET state_since = clock_timestamp(), priority = priority
            WHERE job_id IN (SELECT job_id FROM jobs WHERE state = 'ready' AND NOT is_source
                ORDER BY priority DESC, flops DESC, key LIMIT 10000)";
        sqlx::query(best).execute(&mut raw).await.unwrap();
        let back =
            best.replace("SET state_since", "SET not_before = now() - interval '1 second', state_since");
        sqlx::query(AssertSqlSafe(back)).execute(&mut raw).await.unwrap();
    }

    let session_id = db.session("node1").await;
    let mut waits = Vec::new();
    for _ in 0..200 {
        let began_at = Instant::now();
        let claim = db.claim_best(session_id, "node1").await.claim;
        waits.push(began_at.elapsed());
        db.give_back(&Holder { session_id, claim }, GiveBackReason::NotStarted).await.unwrap();
    }

    let p99 = p99(waits);
    assert!(p99 < IN_TIME, "p99 of claims is {p99:?}");
    pinned.rollback().await.unwrap();
    db.close().await;
}
