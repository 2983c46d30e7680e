//! Leaders: one at a time, and what one that was paused still does.

use std::{collections::BTreeSet, time::Duration};

use selffer_core::{election::Duty, ids::CoordinatorId};
use selffer_storage::StoreError;
use sqlx::Row;
use uuid::Uuid;

use crate::harness::{Db, bases};

const LONG: Duration = Duration::from_secs(5);
const ONE: CoordinatorId = CoordinatorId(Uuid::from_u128(1));
const TWO: CoordinatorId = CoordinatorId(Uuid::from_u128(2));

/// As if the leader had been paused until its term was over.
async fn end_terms(db: &Db) {
    let mut raw = db.raw().await;
    sqlx::query("UPDATE leaders SET until = clock_timestamp()").execute(&mut raw).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_leads_until_its_term_ends_and_each_term_has_a_number_of_its_own() {
    let db = Db::fresh().await;

    let first = db.lead(Duty::Sweep, ONE, LONG).await.unwrap().unwrap();
    assert_eq!(db.lead(Duty::Sweep, TWO, LONG).await.unwrap(), None);
    assert_eq!(db.lead(Duty::Sweep, ONE, LONG).await.unwrap(), Some(first), "renewed");
    assert_eq!(db.lead(Duty::Collect, TWO, LONG).await.unwrap().unwrap().number, 1, "another duty");

    end_terms(&db).await;
    assert_eq!(db.lead(Duty::Sweep, TWO, LONG).await.unwrap().unwrap().number, 2);
    db.retire_coordinator(TWO).await.unwrap();
    assert_eq!(db.lead(Duty::Sweep, ONE, LONG).await.unwrap().unwrap().number, 3);
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_see_a_term_end_one_leads_the_next() {
    let db = Db::fresh().await;
    db.lead(Duty::Sweep, ONE, LONG).await.unwrap().unwrap();
    for round in 2..12 {
        end_terms(&db).await;
        let rivals = (100..108_u128).map(|rival| {
            let (store, rival) = (db.store(), CoordinatorId(Uuid::from_u128(rival)));
            tokio::spawn(async move { store.lead(Duty::Sweep, rival, LONG).await.unwrap() })
        });
        let mut leaders = Vec::new();
        for rival in rivals.collect::<Vec<_>>() {
            leaders.extend(rival.await.unwrap());
        }
        assert_eq!(leaders.len(), 1, "{leaders:?}");
        assert_eq!(leaders[0].number, round);
    }
    db.finish().await;
}

/// Fault 29 of the reliability page: paused in the middle of a sweep, until another one leads.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_was_paused_past_its_term_changes_nothing_more() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("one", 2)).await;
    for node in ["a", "b", "c"] {
        let session_id = db.session(node).await;
        db.run_best(session_id, node).await;
    }
    let session_id = db.session("d").await;
    db.claim_best(session_id, "d").await;
    let old = db.store().under(db.lead(Duty::Sweep, ONE, LONG).await.unwrap().unwrap());
    end_terms(&db).await;
    let new = db.store().under(db.lead(Duty::Sweep, TWO, LONG).await.unwrap().unwrap());

    // Every step of the sweep that it was in.
    let before = db.states().await;
    for swept in [
        old.expire_sessions(Duration::ZERO).await,
        old.time_out_confirmations(Duration::ZERO).await,
        old.lose_unlisted(Duration::ZERO).await,
    ] {
        assert!(matches!(swept, Err(StoreError::TermEnded { duty: Duty::Sweep })), "{swept:?}");
    }
    assert_eq!(db.states().await, before);

    assert_eq!(new.expire_sessions(Duration::ZERO).await.unwrap(), 4);
    let lost = old.lose_workers(Duration::ZERO).await;
    assert!(matches!(lost, Err(StoreError::TermEnded { .. })), "{lost:?}");
    assert_eq!(db.states().await, "suspect 4");
    assert_eq!(new.lose_workers(Duration::ZERO).await.unwrap(), 4);
    let collected = old.collect(Duration::ZERO).await;
    assert!(matches!(collected, Err(StoreError::TermEnded { .. })), "{collected:?}");
    db.finish().await;
}

/// Fault 28: two that sweep at once, forced, because neither asks whether it leads.
#[tokio::test(flavor = "multi_thread")]
async fn two_that_sweep_at_once_take_each_job_away_once() {
    let db = Db::fresh().await;
    db.submit_yaml(&bases("many", 12)).await;
    let mut jobs = BTreeSet::new();
    for node in 0..24 {
        let node = format!("node{node}");
        let session_id = db.session(&node).await;
        jobs.insert(db.run_best(session_id, &node).await.claim.job_id);
    }
    assert_eq!(jobs.len(), 24);

    let sweeps = (0..3).map(|_| {
        let store = db.store();
        tokio::spawn(async move {
            let suspect = store.expire_sessions(Duration::ZERO).await.unwrap();
            let mut lost = 0;
            for _ in 0..3 {
                lost += store.lose_workers(Duration::ZERO).await.unwrap();
            }
            (suspect, lost)
        })
    });
    let (mut suspect, mut lost) = (0, 0);
    for sweep in sweeps.collect::<Vec<_>>() {
        let swept = sweep.await.unwrap();
        (suspect, lost) = (suspect + swept.0, lost + swept.1);
    }

    assert_eq!((suspect, lost), (24, 24));
    let mut raw = db.raw().await;
    let wrong = "SELECT COUNT(*) FROM jobs WHERE (budgets->>'lost')::integer <> 1 OR attempt <> 1";
    let wrong: i64 = sqlx::query(wrong).fetch_one(&mut raw).await.unwrap().get(0);
    assert_eq!(wrong, 0, "a budget was used twice");
    assert_eq!(db.states().await, "ready 24");
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coordinator_knows_of_the_others_that_live() {
    let db = Db::fresh().await;
    db.report_coordinator(ONE).await.unwrap();
    db.report_coordinator(TWO).await.unwrap();

    assert_eq!(db.other_coordinators(Some(ONE), LONG).await.unwrap(), 1);
    assert_eq!(db.other_coordinators(None, LONG).await.unwrap(), 2);
    db.retire_coordinator(TWO).await.unwrap();
    assert_eq!(db.other_coordinators(Some(ONE), LONG).await.unwrap(), 0);
    assert_eq!(db.other_coordinators(None, Duration::ZERO).await.unwrap(), 0, "silent ones do not count");
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_is_heard_by_those_who_listen() {
    let db = Db::fresh().await;
    let mut notices = db.notices().await.unwrap();

    db.notify().await.unwrap();

    tokio::time::timeout(Duration::from_secs(60), notices.next()).await.unwrap().unwrap();
    drop(notices);
    db.finish().await;
}
