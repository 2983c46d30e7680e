//! Studies as lists and watchers show them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use selffer_core::{
    ids::{Digest, StudyId},
    job::StateKind,
};
use uuid::Uuid;

use crate::{Store, StoreError, convert};

/// A study and how far it is.
#[derive(Clone, Debug, PartialEq)]
pub struct StudySummary {
    /// Its row.
    pub study_id: StudyId,
    /// Its name.
    pub name: String,
    /// The pack as the grid names it.
    pub dataset: String,
    /// The pack.
    pub pack: Digest,
    /// The network's name.
    pub network: String,
    /// As the person wrote it.
    pub grid_yaml: String,
    /// When it was submitted.
    pub created_at: DateTime<Utc>,
    /// Jobs by state; states without jobs are absent.
    pub counts: BTreeMap<StateKind, u32>,
    /// Floating-point operations of all its jobs.
    pub work_total: f64,
    /// Of those, done.
    pub work_done: f64,
    /// From its submission to now, or to its last job's end.
    pub elapsed_s: f64,
}

impl StudySummary {
    /// Its networks.
    #[must_use]
    pub fn jobs(&self) -> u32 {
        self.counts.values().sum()
    }

    /// Whether nothing more happens by itself: every job has ended or is held.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.counts.keys().all(|kind| kind.is_terminal() || *kind == StateKind::Held)
    }
}

struct StudyRow {
    study_id: Uuid,
    name: String,
    dataset: String,
    pack_digest: Vec<u8>,
    network: String,
    grid_yaml: String,
    created_at: DateTime<Utc>,
    now: DateTime<Utc>,
}

struct Share {
    study_id: Uuid,
    state: String,
    jobs: i64,
    work_total: f64,
    work_done: f64,
    last_change: DateTime<Utc>,
}

impl Store {
    /// All studies, newest first.
    ///
    /// # Errors
    /// The database.
    pub async fn studies(&self) -> Result<Vec<StudySummary>, StoreError> {
        let rows = sqlx::query_as!(
            StudyRow,
            r#"SELECT study_id, name, dataset, pack_digest, network, grid_yaml, created_at,
                   clock_timestamp() AS "now!"
               FROM studies
               ORDER BY created_at DESC"#,
        );
        let rows = rows.fetch_all(&self.main).await?;
        self.summarise(rows).await
    }

    /// One study by name; `last` is the newest.
    ///
    /// # Errors
    /// There is none.
    pub async fn study(&self, name: &str) -> Result<StudySummary, StoreError> {
        let study_id = self.study_id(name).await?;
        let row = sqlx::query_as!(
            StudyRow,
            r#"SELECT study_id, name, dataset, pack_digest, network, grid_yaml, created_at,
                   clock_timestamp() AS "now!"
               FROM studies
               WHERE study_id = $1"#,
            study_id.0,
        );
        let row = row.fetch_one(&self.main).await?;
        let mut summaries = self.summarise(vec![row]).await?;
        summaries.pop().ok_or_else(|| StoreError::NotFound { what: "study", name: name.to_owned() })
    }

    async fn summarise(&self, rows: Vec<StudyRow>) -> Result<Vec<StudySummary>, StoreError> {
        let ids: Vec<Uuid> = rows.iter().map(|row| row.study_id).collect();
        let mut shares: BTreeMap<Uuid, Vec<Share>> = BTreeMap::new();
        for share in self.shares(&ids).await? {
            shares.entry(share.study_id).or_default().push(share);
        }
        rows.into_iter().map(|row| summary(&shares.remove(&row.study_id).unwrap_or_default(), row)).collect()
    }

    async fn shares(&self, study_ids: &[Uuid]) -> Result<Vec<Share>, StoreError> {
        let shares = sqlx::query_as!(
            Share,
            r#"SELECT sj.study_id, j.state, COUNT(*) AS "jobs!", SUM(j.flops) AS "work_total!",
                   SUM(CASE
                       WHEN j.state = 'succeeded' THEN j.flops
                       ELSE j.flops * LEAST(COALESCE(p.iteration, 0), j.iterations) / GREATEST(j.iterations, 1)
                   END) AS "work_done!",
                   MAX(j.state_since) AS "last_change!"
               FROM study_jobs sj
               JOIN jobs j USING (job_id)
               LEFT JOIN progress p ON p.job_id = j.job_id AND p.claim_id = j.claim_id
               WHERE sj.study_id = ANY($1)
               GROUP BY sj.study_id, j.state"#,
            study_ids,
        );
        Ok(shares.fetch_all(&self.main).await?)
    }
}

fn summary(shares: &[Share], row: StudyRow) -> Result<StudySummary, StoreError> {
    let counts =
        shares.iter().map(|share| Ok((convert::state_kind(&share.state)?, convert::count(share.jobs))));
    let mut summary = StudySummary {
        study_id: StudyId(row.study_id),
        name: row.name,
        dataset: row.dataset,
        pack: convert::digest(&row.pack_digest)?,
        network: row.network,
        grid_yaml: row.grid_yaml,
        created_at: row.created_at,
        counts: counts.collect::<Result<_, StoreError>>()?,
        work_total: shares.iter().map(|share| share.work_total).sum(),
        work_done: shares.iter().map(|share| share.work_done).sum(),
        elapsed_s: 0.0,
    };
    let last_change = shares.iter().map(|share| share.last_change).max();
    let until = if summary.has_ended() { last_change.unwrap_or(row.now) } else { row.now };
    // Jobs that other studies brought may have ended before this one was submitted.
    summary.elapsed_s = (until - row.created_at).as_seconds_f64().max(0.0);
    Ok(summary)
}
