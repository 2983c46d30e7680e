//! Jobs per second through gRPC, in turn with graphile-worker on the same PostgreSQL.

use std::{path::Path, time::Instant};

use selffer_tests::fleet::Fleet;
use serde_json::json;
use tokio::task::JoinSet;

use crate::{
    Found, Trouble,
    drill::{self, Drill, Held},
    graphile, median,
};

const WORKERS: usize = 16;
const ROUNDS: usize = 5;
/// Of one measurement; as many for each worker.
const JOBS: usize = 125 * WORKERS;
/// More for graphile-worker, whose first ones would weigh otherwise.
const JOBS_OF_GRAPHILE: usize = 4 * JOBS;
/// What is wanted of claims and completions, as a ratio to graphile-worker.
const WANTED: f64 = 0.5;

pub(crate) async fn measure(graphile_folder: &Path) -> Result<Found, Trouble> {
    let fleet = drill::fleet()?;
    let connection = drill::connection(&fleet)?;
    let mut drills = Vec::new();
    for index in 0..WORKERS {
        drills.push(Drill::open(&connection, format!("drill-{index}")).await?);
    }
    let (mut whole, mut alone, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        submit(&fleet, 2 * round as u32);
        whole.push(per_s(whole_cycles(&drills)).await?);
        submit(&fleet, 2 * round as u32 + 1);
        alone.push(claims_and_completions(&drills).await?);
        theirs.push(graphile::jobs_per_s(&fleet, graphile_folder, JOBS_OF_GRAPHILE, WORKERS)?);
    }
    let ratios: Vec<f64> = alone.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs).collect();
    let ratio = median(&ratios);
    Ok(Found {
        value: json!({
            "workers": WORKERS,
            "rounds": ROUNDS,
            "claim_and_complete_per_s": median(&alone),
            "whole_cycles_per_s": median(&whole),
            "graphile_per_s": median(&theirs),
            "graphile_version": graphile::version(graphile_folder)?,
            "ratio": {"median": ratio, "of_each_round": ratios},
            "wanted": WANTED,
        }),
        reached: ratio >= WANTED,
    })
}

fn submit(fleet: &Fleet, split: u32) {
    let study = format!("cycles-{split}");
    let grid = fleet.write(&format!("{study}.yaml"), &drill::bases(&study, split, JOBS / 2));
    let _ = fleet.jobctl_ok(&["submit", &grid, "--yes"]);
}

async fn per_s(cycles: impl Future<Output = Result<(), Trouble>>) -> Result<f64, Trouble> {
    let begun = Instant::now();
    cycles.await?;
    Ok(JOBS as f64 / begun.elapsed().as_secs_f64())
}

/// Every worker does everything for its jobs, one after the other.
async fn whole_cycles(drills: &[Drill]) -> Result<(), Trouble> {
    let mut workers = JoinSet::new();
    for drill in drills {
        let drill = drill.clone();
        workers.spawn(async move {
            for _ in 0..JOBS / WORKERS {
                let held = drill.claim().await?;
                drill.confirm(&held).await?;
                let checkpoint = drill.publish(&held).await?;
                drill.complete(&held, checkpoint).await?;
            }
            Ok::<_, Trouble>(())
        });
    }
    while let Some(ended) = workers.join_next().await {
        ended??;
    }
    Ok(())
}

/// What a queue does, apart from what lies between: all claims, then all completions.
async fn claims_and_completions(drills: &[Drill]) -> Result<f64, Trouble> {
    let begun = Instant::now();
    let held = each(drills.iter().cloned().map(|drill| (drill, Vec::new())), |drill, mut held| async move {
        for _ in 0..JOBS / WORKERS {
            held.push((drill.claim().await?, String::new()));
        }
        Ok(held)
    })
    .await?;
    let claiming = begun.elapsed();
    let ready = each(held.into_iter(), |drill, held| async move {
        let mut ready = Vec::new();
        for (held, _) in held {
            drill.confirm(&held).await?;
            let checkpoint = drill.publish(&held).await?;
            ready.push((held, checkpoint));
        }
        Ok(ready)
    })
    .await?;
    let begun = Instant::now();
    each(ready.into_iter(), |drill, ready| async move {
        for (held, checkpoint) in ready {
            drill.complete(&held, checkpoint).await?;
        }
        Ok(Vec::new())
    })
    .await?;
    Ok(JOBS as f64 / (claiming + begun.elapsed()).as_secs_f64())
}

type OfOne = (Drill, Vec<(Held, String)>);

/// All workers at once, each with its own jobs.
async fn each<Work>(
    workers: impl Iterator<Item = OfOne>,
    work: impl Fn(Drill, Vec<(Held, String)>) -> Work,
) -> Result<Vec<OfOne>, Trouble>
where
    Work: Future<Output = Result<Vec<(Held, String)>, Trouble>> + Send + 'static,
{
    let mut running = JoinSet::new();
    for (drill, jobs) in workers {
        let work = work(drill.clone(), jobs);
        running.spawn(async move { Ok::<_, Trouble>((drill, work.await?)) });
    }
    let mut ended = Vec::new();
    while let Some(one) = running.join_next().await {
        ended.push(one??);
    }
    Ok(ended)
}
