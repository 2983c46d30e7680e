//! What a job hears of the network it copies from: that it is trained, was lost or has ended.
//!
//! A source can be lost after its dependants were released: its final checkpoint is found
//! damaged, and it is trained again. Those at work meanwhile hear of it when they come back.
//! Whoever takes a source back locks all its dependants, so that none becomes ready unseen
//! between being looked at and being told.

use std::collections::{BTreeMap, HashMap};

use selffer_core::{
    ids::{CheckpointId, JobId},
    job::{Event, StateKind, heard_of_source},
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    Store, StoreError, changes,
    jobs::{self, Loaded},
};

/// What must be applied to which jobs next.
pub(crate) type Next = (Vec<Loaded>, Event);

/// What these jobs, just written, must hear of their sources, or their sources because of them.
pub(crate) async fn news(
    connection: &mut PgConnection,
    written: Vec<Loaded>,
) -> Result<Vec<Next>, StoreError> {
    let concerned = |one: &Loaded| matches!(one.job.state.kind(), StateKind::Waiting | StateKind::Ready);
    let written: Vec<Loaded> = written.into_iter().filter(concerned).collect();
    if written.is_empty() {
        return Ok(Vec::new());
    }
    let unfit = unfit(connection, &written).await?;
    // In one order, because sources are locked.
    let mut by_source: BTreeMap<Uuid, Vec<Loaded>> = BTreeMap::new();
    for job in written {
        if let Some(source) = unfit.get(&job.job_id.0) {
            by_source.entry(*source).or_default().push(job);
        }
    }
    let mut news = Vec::new();
    for (source, dependants) in by_source {
        news.extend(of_source(connection, JobId(source), dependants).await?);
    }
    Ok(news)
}

/// Which of these jobs do not fit their sources' states, and those sources.
async fn unfit(connection: &mut PgConnection, written: &[Loaded]) -> Result<HashMap<Uuid, Uuid>, StoreError> {
    let job_ids: Vec<Uuid> = written.iter().map(|job| job.job_id.0).collect();
    let rows = sqlx::query!(
        r#"SELECT j.job_id, source.job_id AS source_job_id
           FROM jobs j
           JOIN jobs source ON source.job_id = j.source_job_id
           LEFT JOIN results r ON r.job_id = source.job_id AND r.attempt = source.succeeded_attempt
           LEFT JOIN checkpoints c USING (checkpoint_id)
           WHERE j.job_id = ANY($1)
             AND CASE j.state
                 WHEN 'ready' THEN source.state <> 'succeeded' OR c.state <> 'published'
                 WHEN 'waiting' THEN source.state IN ('failed', 'cancelled', 'held')
                     OR source.state = 'succeeded' AND c.state = 'published'
                 END"#,
        &job_ids,
    );
    let rows = rows.fetch_all(connection).await?;
    Ok(rows.into_iter().map(|row| (row.job_id, row.source_job_id)).collect())
}

async fn of_source(
    connection: &mut PgConnection,
    source: JobId,
    dependants: Vec<Loaded>,
) -> Result<Vec<Next>, StoreError> {
    let Some(source) = jobs::read(connection, source).await? else { return Ok(Vec::new()) };
    let are_ready = dependants.first().is_some_and(|one| one.job.state.kind() == StateKind::Ready);
    if are_ready && source.job.state.kind() == StateKind::Succeeded {
        let locked = jobs::lock(connection, source.job_id).await?;
        return match locked {
            Some(locked) => reopen(connection, locked).await,
            None => Ok(Vec::new()),
        };
    }
    let mut news: Vec<Next> = Vec::new();
    // All come from one event, so nearly always all hear the same.
    for job in dependants {
        let Some(event) = heard_of_source(&job.job.state, &source.job.state) else { continue };
        match news.last_mut() {
            Some((jobs, last)) if *last == event => jobs.push(job),
            _ => news.push((vec![job], event)),
        }
    }
    Ok(news)
}

/// What trains a succeeded source again whose final checkpoint is damaged; it is locked. Its
/// dependants may be locked already, against the order of locks: the database ends a deadlock,
/// and the caller tries again.
pub(crate) async fn reopen(connection: &mut PgConnection, source: Loaded) -> Result<Vec<Next>, StoreError> {
    if source.job.state.kind() != StateKind::Succeeded {
        return Ok(Vec::new());
    }
    note(connection, source.job_id, "its final checkpoint is gone and others copy from it").await?;
    Ok(vec![(vec![source], Event::Reopened { source_ready: true })])
}

/// A row for people, before what follows from it.
async fn note(connection: &mut PgConnection, job_id: JobId, detail: &str) -> Result<(), StoreError> {
    sqlx::query!(
        r#"INSERT INTO events (job_id, at, what, detail)
           VALUES ($1, clock_timestamp(), 'network lost', $2)"#,
        job_id.0,
        detail,
    )
    .execute(connection)
    .await?;
    Ok(())
}

impl Store {
    /// Trains those sources of these jobs again whose final checkpoint was found damaged since;
    /// the jobs wait. Returns how many.
    pub(crate) async fn reopen_lost_sources(
        &self,
        connection: &mut PgConnection,
        job_ids: &[Uuid],
    ) -> Result<u32, StoreError> {
        let lost = sqlx::query_scalar!(
            r#"SELECT DISTINCT source.job_id
               FROM jobs j
               JOIN jobs source ON source.job_id = j.source_job_id
               JOIN results r ON r.job_id = source.job_id AND r.attempt = source.succeeded_attempt
               JOIN checkpoints c USING (checkpoint_id)
               WHERE j.job_id = ANY($1)
                 AND j.state = 'ready'
                 AND c.state <> 'published'"#,
            job_ids,
        );
        let lost = lost.fetch_all(&mut *connection).await?;
        for source in jobs::lock_all(connection, &lost).await? {
            for (jobs, event) in reopen(connection, source).await? {
                changes::change_all(connection, &self.policy, jobs, &event).await?;
            }
        }
        Ok(lost.len() as u32)
    }
}

/// Whether this checkpoint is what a succeeded job's dependants copy from, and some of them
/// have not ended.
pub(crate) async fn is_needed(
    connection: &mut PgConnection,
    checkpoint_id: CheckpointId,
) -> Result<bool, StoreError> {
    let needed = sqlx::query_scalar!(
        r#"SELECT 1 AS "needed!"
           FROM results r
           JOIN jobs source ON source.job_id = r.job_id AND source.succeeded_attempt = r.attempt
           WHERE r.checkpoint_id = $1
             AND EXISTS (
                 SELECT 1
                 FROM jobs j
                 WHERE j.source_job_id = source.job_id
                   AND j.state IN ('waiting', 'ready', 'leased', 'running', 'suspect'))"#,
        checkpoint_id.0,
    );
    Ok(needed.fetch_optional(connection).await?.is_some())
}
