//! Query plans: what the dispatcher and the sweeper ask each second stays on its indexes.

use selffer_core::interest::InterestChange;
use sqlx::Row;

use crate::{
    harness::{Db, TRANSFER, bases},
    sharing::ACT,
};

/// The very statement that the dispatcher runs.
const CANDIDATES: &str = include_str!("../../src/views/candidates.sql");

// For workers that can hold so many bytes, and have none at hand.
fn candidates(bytes_max: &str) -> String {
    let sql = CANDIDATES.replace("$1", "256").replace("$2", &format!("{bytes_max}::bigint"));
    sql.replace("$3", "'{}'::bytea[]")
}

async fn plan(db: &Db, sql: &str) -> String {
    let mut raw = db.raw().await;
    let lines = sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN {sql}"))).fetch_all(&mut raw).await.unwrap();
    lines.iter().map(|line| line.get::<String, _>(0) + "\n").collect()
}

/// Thousands of jobs in all states that matter, most of them not claimable.
async fn large() -> Db {
    let db = Db::fresh().await;
    let splits: Vec<String> = (0..200).map(|split| format!("random-{split}")).collect();
    let yaml = TRANSFER
        .replace("split: random-0", &format!("split: [{}]", splits.join(", ")))
        .replace("n: [1, 4]", "n: 1..7");
    db.submit_yaml(&yaml).await;
    db.submit_yaml(&bases("others", 1).replace("random-0", "random-900")).await;
    let mut raw = db.raw().await;
    sqlx::raw_sql("ANALYZE").execute(&mut raw).await.unwrap();
    db
}

#[tokio::test(flavor = "multi_thread")]
async fn candidates_come_from_the_indexes_of_claimable_jobs() {
    let db = large().await;

    for bytes_max in ["NULL", "1000"] {
        let plan = plan(&db, &candidates(bytes_max)).await;

        for index in ["jobs_claimable_sources", "jobs_claimable_others", "jobs_by_source"] {
            assert!(plan.contains(index), "{index} is not used:\n{plan}");
        }
        assert!(!plan.contains("Seq Scan on jobs"), "{plan}");
    }
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_study_costs_the_dispatcher_nothing() {
    let db = large().await;
    db.change_interest("transfer", InterestChange::Pause, &ACT).await.unwrap();
    let mut raw = db.raw().await;
    sqlx::raw_sql("ANALYZE").execute(&mut raw).await.unwrap();

    let candidates = plan(&db, &candidates("NULL")).await;
    let sweep = "SELECT job_id FROM jobs WHERE interest IN ('stopped', 'cancelled')
        AND state IN ('waiting', 'ready', 'held') LIMIT 1000";
    let swept = plan(&db, sweep).await;

    assert_eq!(db.candidates(256).await.unwrap().len(), 2);
    assert!(!candidates.contains("Seq Scan on jobs"), "{candidates}");
    assert!(swept.contains("jobs_unwanted"), "{swept}");
    db.finish().await;
}
