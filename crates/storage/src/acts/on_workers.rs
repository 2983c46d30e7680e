//! Acts on workers: set aside, so that they are handed nothing new, and taken up again.
//!
//! By name: a worker or a whole node stays set aside whatever its daemon or a coordinator does,
//! until a person releases it. Each act leaves a row that says who did it, when and why.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::Act;
use crate::{Store, StoreError, again::again, convert::count};

/// What becomes of the jobs that a drained worker has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drain {
    /// They finish.
    WhenDone,
    /// They are stopped after a checkpoint, and go on elsewhere.
    Now,
}

/// What an act on workers came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkersActed {
    /// The worker, or the node.
    pub name: String,
    /// Whether anything is different now.
    pub changed: bool,
    /// Workers of that name whose daemon has not ended.
    pub workers: Vec<String>,
    /// Jobs on them that go on.
    pub running: u32,
    /// Jobs on them that are stopped after a checkpoint.
    pub ending: u32,
    /// Why they are still handed nothing after a release: their node is set aside.
    pub still: Option<String>,
}

/// That a worker is handed nothing, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// `drained` or `quarantined`.
    pub kind: String,
    /// A person's words, or what was seen.
    pub reason: String,
    /// Who did it.
    pub actor: String,
    /// Since when.
    pub since: DateTime<Utc>,
    /// What it runs is stopped too.
    pub at_once: bool,
}

impl Store {
    /// Hands a worker, or all of a node, nothing new.
    ///
    /// # Errors
    /// No worker or node of that name was ever heard of.
    pub async fn drain(&self, name: &str, drain: Drain, act: &Act<'_>) -> Result<WorkersActed, StoreError> {
        again(|| self.try_drain(name, drain, act)).await
    }

    async fn try_drain(&self, name: &str, drain: Drain, act: &Act<'_>) -> Result<WorkersActed, StoreError> {
        let mut tx = self.main.begin().await?;
        check_known(&mut tx, name).await?;
        let at_once = drain == Drain::Now;
        // Asked for with more haste, it begins anew.
        let hurried = sqlx::query!(
            r#"UPDATE set_aside
               SET ended_at = clock_timestamp(), ended_by = $2, end_reason = 'now at once'
               WHERE name = $1
                 AND kind = 'drained'
                 AND ended_at IS NULL
                 AND $3
                 AND NOT at_once"#,
            name,
            act.actor,
            at_once,
        );
        hurried.execute(&mut *tx).await?;
        let drained = sqlx::query!(
            r#"INSERT INTO set_aside (name, kind, at_once, reason, actor)
               VALUES ($1, 'drained', $2, $3, $4)
               ON CONFLICT (name, kind) WHERE ended_at IS NULL DO NOTHING"#,
            name,
            at_once,
            act.reason,
            act.actor,
        );
        let changed = drained.execute(&mut *tx).await?.rows_affected() > 0;
        let acted = acted(&mut tx, name, changed).await?;
        tx.commit().await?;
        Ok(acted)
    }

    /// Hands a worker, or all of a node, jobs again, and forgets what ended badly there. Wake
    /// the dispatcher afterwards.
    ///
    /// # Errors
    /// No worker or node of that name was ever heard of.
    pub async fn release(&self, name: &str, act: &Act<'_>) -> Result<WorkersActed, StoreError> {
        again(|| self.try_release(name, act)).await
    }

    async fn try_release(&self, name: &str, act: &Act<'_>) -> Result<WorkersActed, StoreError> {
        let mut tx = self.main.begin().await?;
        check_known(&mut tx, name).await?;
        let released = sqlx::query!(
            r#"UPDATE set_aside
               SET ended_at = clock_timestamp(), ended_by = $2, end_reason = $3
               WHERE ended_at IS NULL
                 AND (name = $1 OR split_part(name, '/', 1) = $1)"#,
            name,
            act.actor,
            act.reason,
        );
        let changed = released.execute(&mut *tx).await?.rows_affected() > 0;
        sqlx::query!(
            r#"DELETE FROM bad_endings
               WHERE class <> 'worker_lost'
                 AND (worker = $1 OR split_part(worker, '/', 1) = $1)"#,
            name,
        )
        .execute(&mut *tx)
        .await?;
        let acted = acted(&mut tx, name, changed).await?;
        tx.commit().await?;
        Ok(acted)
    }

    /// Whether this worker of a session is handed nothing.
    ///
    /// # Errors
    /// The database.
    pub async fn is_set_aside(&self, worker: &str) -> Result<bool, StoreError> {
        let aside = sqlx::query_scalar!(
            r#"SELECT EXISTS (
                   SELECT 1
                   FROM set_aside
                   WHERE ended_at IS NULL
                     AND name IN ($1, split_part($1, '/', 1))) AS "aside!""#,
            worker,
        );
        Ok(aside.fetch_one(&self.main).await?)
    }
}

/// Ends quarantines of workers that have another device now; `kinds` is of each of `workers`.
pub(crate) async fn release_replaced(
    connection: &mut PgConnection,
    workers: &[String],
    kinds: &[String],
) -> Result<(), StoreError> {
    sqlx::query!(
        r#"UPDATE set_aside a
           SET ended_at = clock_timestamp(), ended_by = 'coordinator',
               end_reason = 'its device is another one now: ' || now.kind
           FROM UNNEST($1::text[], $2::text[]) AS now (worker, kind)
           WHERE a.name = now.worker
             AND a.kind = 'quarantined'
             AND a.device_kind <> now.kind
             AND a.ended_at IS NULL"#,
        workers,
        kinds,
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn check_known(connection: &mut PgConnection, name: &str) -> Result<(), StoreError> {
    let known = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM sessions WHERE node = $1)
               OR EXISTS (
                   SELECT 1
                   FROM sessions s JOIN workers w USING (session_id)
                   WHERE s.node = split_part($1, '/', 1) AND w.worker = $1)
               OR EXISTS (SELECT 1 FROM set_aside WHERE name = $1 AND ended_at IS NULL) AS "known!""#,
        name,
    );
    if known.fetch_one(connection).await? {
        return Ok(());
    }
    Err(StoreError::NotFound { what: "worker or node", name: name.to_owned() })
}

async fn acted(connection: &mut PgConnection, name: &str, changed: bool) -> Result<WorkersActed, StoreError> {
    let workers = sqlx::query_scalar!(
        r#"SELECT w.worker
           FROM sessions s JOIN workers w USING (session_id)
           WHERE s.ended_at IS NULL
             AND (w.worker = $1 OR s.node = $1)
           ORDER BY w.worker"#,
        name,
    );
    let workers = workers.fetch_all(&mut *connection).await?;
    let jobs = sqlx::query!(
        r#"SELECT COUNT(*) FILTER (WHERE NOT stops) AS "running!", COUNT(*) FILTER (WHERE stops) AS "ending!"
           FROM (
               SELECT EXISTS (
                   SELECT 1
                   FROM set_aside a
                   WHERE a.ended_at IS NULL
                     AND a.at_once
                     AND a.name IN (j.worker, split_part(j.worker, '/', 1))) AS stops
               FROM jobs j
               WHERE j.state IN ('leased', 'running', 'suspect')
                 AND (j.worker = $1 OR split_part(j.worker, '/', 1) = $1)) AS on_them"#,
        name,
    );
    let jobs = jobs.fetch_one(&mut *connection).await?;
    let still = sqlx::query_scalar!(
        r#"SELECT name || ' is ' || kind AS "still!"
           FROM set_aside
           WHERE ended_at IS NULL
             AND name IN ($1, split_part($1, '/', 1))
           LIMIT 1"#,
        name,
    );
    let still = still.fetch_optional(connection).await?;
    let (running, ending) = (count(jobs.running), count(jobs.ending));
    Ok(WorkersActed { name: name.to_owned(), changed, workers, running, ending, still })
}
