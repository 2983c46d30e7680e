//! 100,000 networks that copy from one (fault 59): each is held, woken and released exactly once,
//! each time within one transaction, which a statement's time limit bounds.

use selffer_core::job::{Failure, FailureClass};
use selffer_storage::Reopen;

use crate::{
    harness::{Db, TRANSFER},
    sharing::ACT,
};

const DEPENDANTS: u32 = 100_000;

/// One source, with copies of one of its dependants.
async fn one_source() -> Db {
    let db = Db::fresh().await;
    db.submit_yaml(&TRANSFER.replace("[AtoB, BtoA]", "AtoB").replace("[base, BnB, AnB]", "AnB")).await;
    let mut raw = db.raw().await;
    let copied = format!(
        "WITH model AS (SELECT * FROM jobs WHERE source_job_id IS NOT NULL LIMIT 1),
             copies AS (
                 INSERT INTO jobs (key, spec, source_job_id, flops, split, layers_copied, source_half,
                     target_half, seed, iterations, batch, state, budgets, interest)
                 SELECT sha256(number::text::bytea), spec, source_job_id, flops, split, layers_copied,
                     source_half, target_half, seed, iterations, batch, state, budgets, interest
                 FROM model, generate_series(1, {DEPENDANTS} - 2) AS number
                 RETURNING job_id)
         INSERT INTO study_jobs (study_id, position, job_id, name, treatment, added_as_source)
         SELECT (SELECT study_id FROM studies), 2 + row_number() OVER (), job_id, 'copy/' || job_id, 'AnB', false
         FROM copies"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(copied)).execute(&mut raw).await.unwrap();
    sqlx::raw_sql("ANALYZE").execute(&mut raw).await.unwrap();
    db
}

async fn count(db: &Db, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(&mut db.raw().await).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_with_100_000_dependants_holds_wakes_and_releases_each_exactly_once() {
    let db = one_source().await;
    let session_id = db.session("node1").await;
    assert_eq!(db.states().await, format!("waiting {DEPENDANTS}, ready 1"));

    let running = db.run_best(session_id, "node1").await;
    let failure = Failure { class: FailureClass::Diverged, message: "the loss is not finite".to_owned() };
    db.fail(&running, &failure, 7).await.unwrap();
    assert_eq!(db.states().await, format!("held {DEPENDANTS}, failed 1"));

    let acted = db.retry_study("last", Reopen::Failed, &ACT).await.unwrap();
    assert_eq!(acted.reopened, DEPENDANTS + 1);
    let again = db.run_best(session_id, "node1").await;
    assert_eq!(db.succeed(&again).await, DEPENDANTS);

    assert_eq!(db.states().await, format!("ready {DEPENDANTS}, succeeded 1"));
    let doubled = "SELECT COUNT(*) FROM (
        SELECT job_id FROM events WHERE what = 'source succeeded' GROUP BY job_id HAVING COUNT(*) <> 1) AS doubled";
    assert_eq!(count(&db, doubled).await, 0);
    let released = "SELECT COUNT(*) FROM events WHERE what = 'source succeeded'";
    assert_eq!(count(&db, released).await, i64::from(DEPENDANTS));
    db.finish().await;
}
