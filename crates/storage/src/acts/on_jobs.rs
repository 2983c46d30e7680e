//! Acts on single jobs, whatever their studies want.

use selffer_core::{
    ids::JobId,
    interest::Interest,
    job::{Event, StateKind},
};
use sqlx::PgConnection;

use super::{Act, Acted, Counts, OtherStudy};
use crate::{
    JobRef, Reopen, Store, StoreError,
    again::again,
    changes,
    convert::interest,
    jobs::{self, Loaded},
    studies::want_again,
};

impl Store {
    /// Cancels a job for all studies that want it: at once, or when its worker has made a
    /// checkpoint. A new submission or a retry opens it again.
    ///
    /// # Errors
    /// It is gone.
    pub async fn cancel_job(&self, job: &JobRef, act: &Act<'_>) -> Result<Acted, StoreError> {
        again(|| self.try_cancel_job(job, act)).await
    }

    async fn try_cancel_job(&self, job: &JobRef, act: &Act<'_>) -> Result<Acted, StoreError> {
        let mut tx = self.main.begin().await?;
        let loaded = lock(&mut tx, job).await?;
        let mut counts = Counts::default();
        match loaded.job.state.kind() {
            kind if kind.is_terminal() => {}
            StateKind::Running | StateKind::Suspect => {
                counts.changed = !loaded.withdrawn;
                if counts.changed {
                    withdraw(&mut tx, job.job_id).await?;
                }
            }
            _ => {
                counts = Counts { changed: true, cancelled: 1, reopened: 0 };
                changes::change(&mut tx, &self.policy, loaded, &Event::Cancelled).await?;
            }
        }
        if counts.changed {
            note(&mut tx, job.job_id, "cancel", act).await?;
        }
        let acted = acted(&mut tx, job, counts).await?;
        tx.commit().await?;
        Ok(acted)
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
        let reopened = self.reopen(&mut tx, &[job.job_id.0], Reopen::Everything).await?;
        let changed = loaded.withdrawn || reopened > 0;
        if changed {
            note(&mut tx, job.job_id, "retry", act).await?;
        }
        let acted = acted(&mut tx, job, Counts { changed, cancelled: 0, reopened }).await?;
        tx.commit().await?;
        Ok(acted)
    }
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
        ending: u32::from(row.ending),
        running: u32::from(row.on_worker && !row.ending),
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
