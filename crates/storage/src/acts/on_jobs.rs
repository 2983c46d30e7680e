//! Acts on single jobs, whatever their studies want.

use selffer_core::{
    ids::JobId,
    interest::Interest,
    job::{Event, HoldReason, StateKind},
};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Act, Acted, Counts, OtherStudy, on_studies::ask_to_hold};
use crate::{
    JobRef, Reopen, Store, StoreError,
    again::again,
    changes,
    convert::interest,
    jobs::{self, Dependants, Loaded},
    studies::{let_go_on, want_again},
};

/// Networks that an answer names.
const DEPENDANTS_NAMED_MAX: usize = 5;

impl Store {
    /// Cancels a job for all studies that want it: at once, or when its worker has made a
    /// checkpoint. A new submission or a retry opens it again.
    ///
    /// # Errors
    /// It is gone.
    pub async fn cancel_job(&self, job: &JobRef, act: &Act<'_>) -> Result<Acted, StoreError> {
        self.cancel_job_and(job, Some(Fate::Hold), act).await
    }

    /// The same; says what becomes of the networks that copy from it and have not ended.
    ///
    /// # Errors
    /// It is gone; or there are such networks, and they keep it or nothing was said of them
    /// ([`StoreError::HasDependants`]): then nothing was changed.
    pub async fn cancel_job_and(
        &self,
        job: &JobRef,
        fate: Option<Fate>,
        act: &Act<'_>,
    ) -> Result<Acted, StoreError> {
        again(|| self.try_cancel_job(job, fate, act)).await
    }

    async fn try_cancel_job(
        &self,
        job: &JobRef,
        fate: Option<Fate>,
        act: &Act<'_>,
    ) -> Result<Acted, StoreError> {
        let mut tx = self.main.begin().await?;
        let loaded = lock(&mut tx, job).await?;
        let mut counts = Counts::default();
        if loaded.is_source && !loaded.job.state.kind().is_terminal() && fate != Some(Fate::Hold) {
            let dependants = jobs::lock_dependants(&mut tx, job.job_id, Dependants::Open).await?;
            if fate != Some(Fate::Cancel) && !dependants.is_empty() {
                return Err(has_dependants(&mut tx, job, &dependants).await?);
            }
            // Before their source, so that each is cancelled for its own sake.
            for dependant in dependants {
                let one = self.cancel_locked(&mut tx, dependant, act).await?;
                counts.cancelled += one.cancelled;
            }
        }
        let one = self.cancel_locked(&mut tx, loaded, act).await?;
        let cancelled = counts.cancelled + one.cancelled;
        let counts = Counts { changed: one.changed || cancelled > 0, cancelled, ..Counts::default() };
        let acted = acted(&mut tx, job, counts).await?;
        tx.commit().await?;
        Ok(acted)
    }

    /// Cancels one locked job, at once or when its worker has made a checkpoint.
    async fn cancel_locked(
        &self,
        connection: &mut PgConnection,
        loaded: Loaded,
        act: &Act<'_>,
    ) -> Result<Counts, StoreError> {
        let job_id = loaded.job_id;
        let mut counts = Counts::default();
        match loaded.job.state.kind() {
            kind if kind.is_terminal() => {}
            StateKind::Running | StateKind::Suspect => {
                counts.changed = !loaded.withdrawn;
                if counts.changed {
                    withdraw(connection, job_id).await?;
                }
            }
            _ => {
                counts = Counts { changed: true, cancelled: 1, ..Counts::default() };
                changes::change(connection, &self.policy, loaded, &Event::Cancelled).await?;
            }
        }
        if counts.changed {
            note(connection, job_id, "cancel", act).await?;
        }
        Ok(counts)
    }

    /// Holds a job for all studies that want it, until it is tried again: at once, or when its
    /// worker has made a checkpoint. Networks that wait for it are held too. One that has ended
    /// or is held already stays as it is.
    ///
    /// # Errors
    /// It is gone.
    pub async fn hold_job(&self, job: &JobRef, act: &Act<'_>) -> Result<Acted, StoreError> {
        again(|| self.try_hold_job(job, act)).await
    }

    async fn try_hold_job(&self, job: &JobRef, act: &Act<'_>) -> Result<Acted, StoreError> {
        let mut tx = self.main.begin().await?;
        let loaded = lock(&mut tx, job).await?;
        let held = match loaded.job.state.kind() {
            kind if kind.is_terminal() || kind == StateKind::Held => 0,
            _ if loaded.job.state.lease().is_some() => ask_to_hold(&mut tx, &[job.job_id.0], act).await?,
            _ => {
                let reason = HoldReason::Operator { reason: act.reason.to_owned() };
                changes::change(&mut tx, &self.policy, loaded, &Event::Held { reason }).await?;
                1
            }
        };
        if held > 0 {
            note(&mut tx, job.job_id, "hold", act).await?;
        }
        let acted = acted(&mut tx, job, Counts { changed: held > 0, held, ..Counts::default() }).await?;
        tx.commit().await?;
        Ok(acted)
    }

    /// Names of networks, as `STUDY:NAME`, that copy from this one and have not ended: the first
    /// few, and how many there are.
    ///
    /// # Errors
    /// The database.
    pub async fn dependants_of(&self, job_id: JobId) -> Result<(Vec<String>, u32), StoreError> {
        let mut connection = self.main.acquire().await?;
        let dependants = sqlx::query_scalar!(
            r#"SELECT job_id
               FROM jobs
               WHERE source_job_id = $1
                 AND state NOT IN ('succeeded', 'failed', 'cancelled')
               ORDER BY key"#,
            job_id.0,
        );
        let dependants = dependants.fetch_all(&mut *connection).await?;
        let named = names_of(&mut connection, &dependants).await?;
        Ok((named, dependants.len() as u32))
    }

    /// Lets a job that ended without success start anew, with its source if that must too. One
    /// that is being cancelled goes on. Wake the dispatcher afterwards.
    ///
    /// # Errors
    /// It is gone, or no study wants it.
    pub async fn retry_job(&self, job: &JobRef, act: &Act<'_>) -> Result<Acted, StoreError> {
        again(|| self.try_retry_job(job, act)).await
    }

    async fn try_retry_job(&self, job: &JobRef, act: &Act<'_>) -> Result<Acted, StoreError> {
        let mut tx = self.main.begin().await?;
        lock_source_of(&mut tx, job.job_id).await?;
        let loaded = lock(&mut tx, job).await?;
        if !loaded.interest.keeps_jobs() {
            let unwanted =
                StoreError::Unwanted { job: format!("{}:{}", job.study, job.name), study: job.study.clone() };
            return Err(unwanted);
        }
        want_again(&mut tx, &[job.job_id.0]).await?;
        let_go_on(&mut tx, &[job.job_id.0]).await?;
        let reopened = self.reopen(&mut tx, &[job.job_id.0], Reopen::Everything).await?;
        let changed = loaded.withdrawn || loaded.hold_asked.is_some() || reopened > 0;
        if changed {
            note(&mut tx, job.job_id, "retry", act).await?;
        }
        let acted = acted(&mut tx, job, Counts { changed, reopened, ..Counts::default() }).await?;
        tx.commit().await?;
        Ok(acted)
    }
}

/// What becomes of the networks that copy from one that is cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// They are cancelled too; those at work after a checkpoint.
    Cancel,
    /// Those that wait for it are held until it is tried again; those at work have what they need.
    Hold,
    /// They keep it: it is not cancelled while they need it.
    Keep,
}

async fn has_dependants(
    connection: &mut PgConnection,
    job: &JobRef,
    dependants: &[Loaded],
) -> Result<StoreError, StoreError> {
    let ids: Vec<Uuid> = dependants.iter().map(|one| one.job_id.0).collect();
    let names = names_of(connection, &ids).await?;
    let job = format!("{}:{}", job.study, job.name);
    Ok(StoreError::HasDependants { job, count: dependants.len(), names })
}

/// What people call the first few of these jobs.
async fn names_of(connection: &mut PgConnection, job_ids: &[Uuid]) -> Result<Vec<String>, StoreError> {
    let few = &job_ids[..job_ids.len().min(DEPENDANTS_NAMED_MAX)];
    let names = sqlx::query_scalar!(
        r#"SELECT newest.name AS "name!"
           FROM UNNEST($1::uuid[]) AS few (job_id)
           CROSS JOIN LATERAL (
               SELECT s.name || ':' || sj.name AS name
               FROM study_jobs sj JOIN studies s USING (study_id)
               WHERE sj.job_id = few.job_id
               ORDER BY s.created_at DESC
               LIMIT 1) AS newest
           ORDER BY newest.name"#,
        few,
    );
    Ok(names.fetch_all(connection).await?)
}

async fn lock(connection: &mut PgConnection, job: &JobRef) -> Result<Loaded, StoreError> {
    let loaded = jobs::lock(connection, job.job_id).await?;
    loaded.ok_or_else(|| StoreError::NotFound { what: "job", name: job.name.clone() })
}

/// Sources are locked before the networks copied from them.
async fn lock_source_of(connection: &mut PgConnection, job_id: JobId) -> Result<(), StoreError> {
    let source = sqlx::query_scalar!("SELECT source_job_id FROM jobs WHERE job_id = $1", job_id.0);
    if let Some(source) = source.fetch_optional(&mut *connection).await?.flatten() {
        jobs::lock(connection, JobId(source)).await?;
    }
    Ok(())
}

async fn withdraw(connection: &mut PgConnection, job_id: JobId) -> Result<(), StoreError> {
    sqlx::query!("UPDATE jobs SET withdrawn_at = clock_timestamp() WHERE job_id = $1", job_id.0)
        .execute(connection)
        .await?;
    Ok(())
}

async fn note(
    connection: &mut PgConnection,
    job_id: JobId,
    what: &str,
    act: &Act<'_>,
) -> Result<(), StoreError> {
    sqlx::query!(
        r#"INSERT INTO events (job_id, at, what, detail)
           VALUES ($1, clock_timestamp(), $2, $3)"#,
        job_id.0,
        what,
        act.words(None),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// How the job stands now, and which studies want it.
async fn acted(connection: &mut PgConnection, job: &JobRef, counts: Counts) -> Result<Acted, StoreError> {
    let row = sqlx::query!(
        r#"SELECT interest, priority, withdrawn_at IS NOT NULL AS "ending!",
               hold_asked IS NOT NULL AS "to_be_held!",
               state IN ('leased', 'running', 'suspect') AS "on_worker!"
           FROM jobs
           WHERE job_id = $1"#,
        job.job_id.0,
    );
    let row = row.fetch_one(&mut *connection).await?;
    Ok(Acted {
        name: format!("{}:{}", job.study, job.name),
        changed: counts.changed,
        interest: interest(&row.interest)?,
        priority: row.priority,
        cancelled: counts.cancelled,
        held: counts.held,
        ending: u32::from(row.ending || row.to_be_held),
        running: u32::from(row.on_worker && !row.ending && !row.to_be_held),
        reopened: counts.reopened,
        others: wanting(connection, job).await?,
    })
}

async fn wanting(connection: &mut PgConnection, job: &JobRef) -> Result<Vec<OtherStudy>, StoreError> {
    let names = sqlx::query_scalar!(
        r#"SELECT s.name
           FROM study_jobs sj JOIN studies s USING (study_id)
           WHERE sj.job_id = $1
             AND s.interest <> $2
           ORDER BY s.name"#,
        job.job_id.0,
        Interest::Cancelled.as_str(),
    );
    let names = names.fetch_all(connection).await?.into_iter();
    Ok(names.map(|study| OtherStudy { study, jobs: 1 }).collect())
}
