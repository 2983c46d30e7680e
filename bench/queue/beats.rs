//! Heartbeats of many sessions, each of which holds a running job and brings a point of its curve.

use std::time::{Duration, Instant};

use selffer_core::limits::HEARTBEAT_INTERVAL_S;
use selffer_proto::v1;
use serde_json::json;
use tokio::task::JoinSet;

use crate::{
    Found, Trouble,
    drill::{self, Drill, Held},
    quantile, usage,
};

const SESSIONS: usize = 10_000;
/// How many are opened, and claim, at a time.
const AT_A_TIME: usize = 16;
/// Heartbeats of each that are measured.
const BEATS: u32 = 4;

pub(crate) async fn measure() -> Result<Found, Trouble> {
    let fleet = drill::fleet()?;
    let connection = drill::connection(&fleet)?;
    let grid = fleet.write("beats.yaml", &drill::bases("beats", 0, SESSIONS / 2));
    let _ = fleet.jobctl_ok(&["submit", &grid, "--yes"]);
    let mut opening = JoinSet::new();
    let mut sessions = Vec::with_capacity(SESSIONS);
    for index in 0..SESSIONS {
        if opening.len() == AT_A_TIME {
            sessions.push(opening.join_next().await.ok_or("none is opened")???);
        }
        let connection = connection.clone();
        opening.spawn(async move {
            let drill = Drill::open(&connection, format!("drill-{index}")).await?;
            let held = drill.claim().await?;
            drill.confirm(&held).await?;
            Ok::<_, Trouble>((drill, held))
        });
    }
    while let Some(opened) = opening.join_next().await {
        sessions.push(opened??);
    }

    let (begun, before) = (Instant::now(), usage::processor_s(&fleet)?);
    let mut answered_ms = beat_all(sessions).await?;
    let (wall_s, after) = (begun.elapsed().as_secs_f64(), usage::processor_s(&fleet)?);
    answered_ms.sort_by(f64::total_cmp);
    let (coordinator, postgresql) = ((after.0 - before.0) / wall_s, (after.1 - before.1) / wall_s);
    Ok(Found {
        value: json!({
            "sessions": SESSIONS,
            "interval_s": HEARTBEAT_INTERVAL_S,
            "heartbeats_per_s": f64::from(BEATS) * SESSIONS as f64 / wall_s,
            "share_of_one_core": {"coordinator": coordinator, "postgresql": postgresql},
            "answered_ms": {"p50": quantile(&answered_ms, 0.5), "p99": quantile(&answered_ms, 0.99)},
        }),
        reached: true,
    })
}

/// Each session in its turn, spread evenly over the interval.
async fn beat_all(sessions: Vec<(Drill, Held)>) -> Result<Vec<f64>, Trouble> {
    let interval = Duration::from_secs(HEARTBEAT_INTERVAL_S);
    let begun = tokio::time::Instant::now();
    let mut beating = JoinSet::new();
    for (index, (drill, held)) in sessions.into_iter().enumerate() {
        let first = begun + interval.mul_f64(index as f64 / SESSIONS as f64);
        beating.spawn(async move {
            let mut answered_ms = Vec::new();
            for beat in 0..BEATS {
                tokio::time::sleep_until(first + interval * beat).await;
                let sent = Instant::now();
                heartbeat(&drill, &held, beat).await?;
                answered_ms.push(sent.elapsed().as_secs_f64() * 1_000.0);
            }
            Ok::<_, Trouble>(answered_ms)
        });
    }
    let mut all = Vec::new();
    while let Some(ended) = beating.join_next().await {
        all.extend(ended??);
    }
    Ok(all)
}

async fn heartbeat(drill: &Drill, held: &Held, beat: u32) -> Result<(), Trouble> {
    let point = v1::MetricPoint {
        sequence: beat,
        iteration: beat,
        value: Some(v1::metric_point::Value::TrainingLoss(1.0)),
    };
    let inventory = v1::Inventory {
        claim: Some(held.claim.clone()),
        phase: v1::Phase::Training.into(),
        iteration: beat,
        images_per_s: 100.0,
        metrics: vec![point],
        ..Default::default()
    };
    let request = v1::HeartbeatRequest { session_id: drill.session_id.clone(), inventory: vec![inventory] };
    let answer = drill.connection.workers().heartbeat(request).await?.into_inner();
    match answer.verdicts.as_slice() {
        [one] if one.verdict() == v1::Verdict::Ok && one.metrics_stored == beat + 1 => Ok(()),
        other => Err(format!("a heartbeat was answered with {other:?}").into()),
    }
}
