//! Studies as lists and watchers show them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use selffer_core::{
    ids::{Digest, StudyId},
    interest::Interest,
    job::StateKind,
};
use sqlx::types::Json;
use uuid::Uuid;

use crate::{Store, StoreError, convert};

/// How many events are shown, the newest.
const EVENTS_MAX: i64 = 200;

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
    /// When it was submitted.
    pub created_at: DateTime<Utc>,
    /// How much it wants its networks.
    pub interest: Interest,
    /// Why, in a person's words; may be empty.
    pub interest_reason: String,
    /// Since when.
    pub interest_since: DateTime<Utc>,
    /// More is sooner.
    pub priority: i32,
    /// How many of its networks may be at work at once; none for any number.
    pub parallel_max: Option<u32>,
    /// When it is stopped, if it has not ended.
    pub deadline: Option<DateTime<Utc>>,
    /// Jobs by state; states without jobs are absent.
    pub counts: BTreeMap<StateKind, u32>,
    /// Floating-point operations of all its jobs.
    pub work_total: f64,
    /// Of those, done.
    pub work_done: f64,
    /// Jobs whose workers are asked to end them.
    pub ending: u32,
    /// From its submission to now, or to its last job's end.
    pub elapsed_s: f64,
}

/// One of the grids that a study was made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StudyGrid {
    /// As the person wrote it.
    pub grid_yaml: String,
    /// What it names beside itself, by path as written.
    pub files: BTreeMap<String, String>,
    /// When it was submitted.
    pub submitted_at: DateTime<Utc>,
}

/// Something that was done to a study.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StudyEvent {
    /// When.
    pub at: DateTime<Utc>,
    /// By whom.
    pub actor: String,
    /// What, in two words.
    pub what: String,
    /// Why, or what it came to.
    pub detail: String,
}

impl StudySummary {
    /// Its networks.
    #[must_use]
    pub fn jobs(&self) -> u32 {
        self.counts.values().sum()
    }

    /// Whether nothing more happens for it by itself: every job has ended or is held, or goes
    /// on only for other studies.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        let over = |kind: &StateKind| kind.is_terminal() || *kind == StateKind::Held;
        let on_worker =
            |kind: &StateKind| matches!(kind, StateKind::Leased | StateKind::Running | StateKind::Suspect);
        match self.interest {
            Interest::Active | Interest::Paused => self.counts.keys().all(over),
            Interest::Stopped => !self.counts.keys().any(on_worker),
            Interest::Cancelled => self.ending == 0,
        }
    }
}

struct StudyRow {
    study_id: Uuid,
    name: String,
    dataset: String,
    pack_digest: Vec<u8>,
    network: String,
    created_at: DateTime<Utc>,
    interest: String,
    interest_reason: String,
    interest_since: DateTime<Utc>,
    priority: i32,
    parallel_max: Option<i32>,
    deadline: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
}

struct Share {
    study_id: Uuid,
    state: String,
    jobs: i64,
    ending: i64,
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
            r#"SELECT study_id, name, dataset, pack_digest, network, created_at, interest,
                   interest_reason, interest_since, priority, parallel_max, deadline,
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
            r#"SELECT study_id, name, dataset, pack_digest, network, created_at, interest,
                   interest_reason, interest_since, priority, parallel_max, deadline,
                   clock_timestamp() AS "now!"
               FROM studies
               WHERE study_id = $1"#,
            study_id.0,
        );
        let row = row.fetch_one(&self.main).await?;
        let mut summaries = self.summarise(vec![row]).await?;
        summaries.pop().ok_or_else(|| StoreError::NotFound { what: "study", name: name.to_owned() })
    }

    /// The grids that a study was made of, the first one first.
    ///
    /// # Errors
    /// The database.
    pub async fn study_grids(&self, study_id: StudyId) -> Result<Vec<StudyGrid>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT grid_yaml, files AS "files: Json<BTreeMap<String, String>>", submitted_at
               FROM study_grids
               WHERE study_id = $1
               ORDER BY number"#,
            study_id.0,
        );
        let grids = rows.fetch_all(&self.main).await?.into_iter().map(|row| StudyGrid {
            grid_yaml: row.grid_yaml,
            files: row.files.0,
            submitted_at: row.submitted_at,
        });
        Ok(grids.collect())
    }

    /// What was done to a study, oldest first; the newest of it if that is much.
    ///
    /// # Errors
    /// The database.
    pub async fn study_events(&self, study_id: StudyId) -> Result<Vec<StudyEvent>, StoreError> {
        let rows = sqlx::query_as!(
            StudyEvent,
            r#"SELECT at, actor, what, detail
               FROM (
                   SELECT event_id, at, actor, what, detail
                   FROM study_events
                   WHERE study_id = $1
                   ORDER BY event_id DESC
                   LIMIT $2) AS newest
               ORDER BY event_id"#,
            study_id.0,
            EVENTS_MAX,
        );
        Ok(rows.fetch_all(&self.main).await?)
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
            r#"SELECT sj.study_id, j.state, COUNT(*) AS "jobs!", COUNT(j.withdrawn_at) AS "ending!",
                   SUM(j.flops) AS "work_total!",
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
        created_at: row.created_at,
        interest: convert::interest(&row.interest)?,
        interest_reason: row.interest_reason,
        interest_since: row.interest_since,
        priority: row.priority,
        parallel_max: row.parallel_max.map(convert::from_i32),
        deadline: row.deadline,
        ending: shares.iter().map(|share| convert::count(share.ending)).sum(),
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
