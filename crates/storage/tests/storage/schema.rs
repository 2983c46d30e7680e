//! The schema: contradictions are refused by the database itself, and a newer one by us.

use selffer_storage::{Store, StoreError, StoreOptions};

use crate::harness::{Db, TRANSFER};

#[tokio::test(flavor = "multi_thread")]
async fn the_database_refuses_contradictions() {
    let db = Db::fresh().await;
    db.submit_yaml(TRANSFER).await;
    let session_id = db.session("node1").await;
    db.run_best(session_id, "node1").await;
    let mut raw = db.raw().await;
    for contradiction in [
        "UPDATE jobs SET claim_id = NULL WHERE state = 'running'",
        "UPDATE jobs SET state = 'ready', not_before = now() WHERE state = 'running'",
        "UPDATE jobs SET state = 'succeeded' WHERE state = 'waiting'",
        "UPDATE jobs SET state = 'succeeded', not_before = NULL, succeeded_attempt = 1 WHERE state = 'ready'",
        "UPDATE jobs SET state = 'held' WHERE state = 'waiting'",
        "UPDATE jobs SET state = 'lost' WHERE state = 'waiting'",
        "UPDATE jobs SET state = 'waiting', not_before = NULL WHERE state = 'ready'",
        "UPDATE jobs SET source_job_id = job_id",
        "UPDATE attempts SET ended_at = now()",
        "UPDATE jobs SET withdrawn_at = now() WHERE state = 'waiting'",
        "UPDATE jobs SET interest = 'cancelled' WHERE state = 'running'",
        "UPDATE jobs SET interest = 'bored'",
        "UPDATE studies SET interest = 'bored'",
        "UPDATE attempts SET outcome = 'failed', ended_at = now()",
        "INSERT INTO sessions (session_id, node, protocol_version, program_version)
         VALUES (gen_random_uuid(), 'node1', 1, '')",
    ] {
        let answer = sqlx::query(contradiction).execute(&mut raw).await;
        let code = match &answer {
            Err(sqlx::Error::Database(error)) => error.code(),
            _ => None,
        };
        let refused = code.is_some_and(|code| code.starts_with("23"));
        assert!(refused, "{contradiction}: {answer:?}");
    }
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_a_newer_program_is_refused() {
    let db = Db::fresh().await;
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                 VALUES (9999, 'from the future', true, '', 0)";
    sqlx::query(newer).execute(&mut db.raw().await).await.unwrap();

    let answer = Store::connect(db.options(), &StoreOptions::default()).await;

    assert!(matches!(answer, Err(StoreError::SchemaNewer { version: 9999 })), "{answer:?}");
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_programs_may_bring_the_tables_up_to_date_at_once() {
    let db = Db::fresh().await;
    let mut raw = db.raw().await;
    sqlx::raw_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public").execute(&mut raw).await.unwrap();
    let few = StoreOptions { connections_max: 1, heartbeat_connections_max: 1 };

    let connect = || Store::connect(db.options(), &few);
    let stores = tokio::join!(connect(), connect(), connect(), connect());
    for store in [stores.0, stores.1, stores.2, stores.3] {
        store.unwrap().close().await;
    }

    assert!(db.studies().await.unwrap().is_empty());
    db.finish().await;
}

/// Fault 45: cut off in the middle, a migration leaves nothing behind.
#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_is_cut_off_leaves_nothing_half_done_and_the_next_start_does_it() {
    let db = Db::fresh().await;
    let mut raw = db.raw().await;
    sqlx::raw_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public").execute(&mut raw).await.unwrap();
    // Its last but one table is somebody else's for now, so the migration waits in the middle.
    let mut other = db.raw().await;
    sqlx::raw_sql("BEGIN; CREATE TABLE coordinators (nothing integer)").execute(&mut other).await.unwrap();
    let few = StoreOptions { connections_max: 1, heartbeat_connections_max: 1 };
    let cut_off = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let cutting = async {
        while sqlx::query_scalar::<_, i64>(cut_off).fetch_one(&mut raw).await.unwrap() == 0 {
            tokio::task::yield_now().await;
        }
    };
    let (answer, ()) = tokio::join!(Store::connect(db.options(), &few), cutting);

    assert!(answer.as_ref().is_err_and(StoreError::is_transient), "{answer:?}");
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    let half = "SELECT COUNT(*) FROM pg_tables WHERE tablename IN ('fleet', 'leaders', 'coordinators')";
    assert_eq!(sqlx::query_scalar::<_, i64>(half).fetch_one(&mut raw).await.unwrap(), 0);
    let store = Store::connect(db.options(), &few).await.unwrap();
    store.ping().await.unwrap();
    store.close().await;
    db.finish().await;
}
