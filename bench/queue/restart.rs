//! A coordinator that is killed and started again while 16 workers claim and complete: how long
//! until they go on at the rate that they had, and whether anything acknowledged is missing.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use selffer_proto::{client::Connection, v1};
use selffer_tests::{fleet::Fleet, invariants::with_store, schedule::Victim, wait};
use serde_json::json;
use tokio::task::JoinSet;

use crate::{
    Found, Trouble,
    drill::{self, Drill},
    median,
};

const WORKERS: usize = 16;
const JOBS: usize = 30_000;
/// Before and after the death.
const WATCHED: Duration = Duration::from_secs(15);
/// Completions are counted in pieces of time so long.
const PIECE: Duration = Duration::from_millis(500);
/// The part of the rate before that counts as full again.
const FULL: f64 = 0.9;
const FULL_WITHIN_S: f64 = 10.0;

/// When which completion was acknowledged.
type Times = Arc<Mutex<Vec<Instant>>>;

pub(crate) async fn measure() -> Result<Found, Trouble> {
    let mut fleet = drill::fleet()?;
    let connection = drill::connection(&fleet)?;
    let grid = fleet.write("restart.yaml", &drill::bases("restart", 0, JOBS / 2));
    let _ = fleet.jobctl_ok(&["submit", &grid, "--yes"]);
    let (times, enough) = (Times::default(), Arc::new(AtomicBool::new(false)));
    let mut workers = JoinSet::new();
    for index in 0..WORKERS {
        let drill = Drill::open(&connection, format!("drill-{index}")).await?;
        workers.spawn(work_on(drill, Arc::clone(&times), Arc::clone(&enough)));
    }

    let began = Instant::now();
    let died = tokio::task::block_in_place(|| {
        wait::moment(WATCHED);
        let died = Instant::now();
        let victims = fleet.kill(&[Victim::Coordinator]);
        fleet.start_coordinator();
        wait::moment(WATCHED.max(Duration::from_secs_f64(FULL_WITHIN_S + 2.0)));
        (!victims.is_empty()).then_some(died).ok_or("nothing was killed")
    })?;
    enough.store(true, Ordering::Relaxed);
    while let Some(ended) = workers.join_next().await {
        ended?;
    }

    let times = times.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let missing = times.len().saturating_sub(succeeded(&connection).await?);
    let broken = tokio::task::block_in_place(|| broken(&fleet));
    let before = rates(&times, began, died);
    let after = rates(&times, died, died + WATCHED);
    let full = median(&before);
    let recovered = after.iter().position(|rate| *rate >= FULL * full);
    let recovered_s = recovered.map(|pieces| pieces as f64 * PIECE.as_secs_f64());
    Ok(Found {
        value: json!({
            "workers": WORKERS,
            "jobs_per_s_before": full,
            "jobs_per_s_after": median(&after[recovered.unwrap_or(0)..]),
            "full_rate_after_s": recovered_s,
            "wanted_s": FULL_WITHIN_S,
            "acknowledged": times.len(),
            "acknowledged_and_missing": missing,
            "broken_promises": broken,
        }),
        reached: missing == 0 && broken == 0 && recovered_s.is_some_and(|s| s <= FULL_WITHIN_S),
    })
}

/// Whole jobs, one after the other; a call that was not answered is made again.
async fn work_on(drill: Drill, times: Times, enough: Arc<AtomicBool>) {
    while !enough.load(Ordering::Relaxed) {
        let Ok(held) = drill.claim().await else { continue };
        let mut checkpoint = None;
        while !enough.load(Ordering::Relaxed) {
            if checkpoint.is_none() && drill.confirm(&held).await.is_ok() {
                checkpoint = drill.publish(&held).await.ok();
            }
            let Some(checkpoint) = checkpoint.clone() else { continue };
            if drill.complete(&held, checkpoint).await.is_ok() {
                times.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
                break;
            }
        }
    }
}

async fn succeeded(connection: &Connection) -> Result<usize, Trouble> {
    let request = v1::GetStudyRequest { study: "restart".into() };
    let study = connection.studies().get_study(request).await?.into_inner().study.ok_or("no study")?;
    let counts = study.counts.iter().filter(|count| count.state() == v1::JobState::Succeeded);
    Ok(counts.map(|count| count.jobs as usize).sum())
}

/// Promises that are broken.
fn broken(fleet: &Fleet) -> usize {
    with_store(fleet, async |store, _| store.violations().await.map_or(1, |broken| broken.len()))
}

/// Completions a second, in pieces of time.
fn rates(times: &[Instant], from: Instant, to: Instant) -> Vec<f64> {
    let pieces = to.duration_since(from).as_secs_f64() / PIECE.as_secs_f64();
    let mut counts = vec![0_u32; pieces as usize];
    for time in times.iter().filter(|time| **time >= from) {
        let piece = (time.duration_since(from).as_secs_f64() / PIECE.as_secs_f64()) as usize;
        if let Some(count) = counts.get_mut(piece) {
            *count += 1;
        }
    }
    counts.into_iter().map(|count| f64::from(count) / PIECE.as_secs_f64()).collect()
}
