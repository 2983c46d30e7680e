//! Acts on studies.

use selffer_core::{
    interest::{Interest, InterestChange},
    job::{Event, HoldReason},
};
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use super::{Act, Acted, Counts, OtherStudy};
use crate::{
    Reopen, Store, StoreError,
    again::again,
    changes,
    convert::count,
    jobs,
    studies::{
        LockedStudy, ROWS_PER_STATEMENT, let_go_on, lock_jobs_of, lock_study, note, set_interest,
        set_priority, settle, unwanted, want_again,
    },
};

impl Store {
    /// Changes a study's interest, and cancels what nobody wants any more. Wake the dispatcher
    /// afterwards.
    ///
    /// # Errors
    /// There is no such study, or it was given up and can be neither paused nor resumed.
    pub async fn change_interest(
        &self,
        study: &str,
        change: InterestChange,
        act: &Act<'_>,
    ) -> Result<Acted, StoreError> {
        again(|| self.try_change_interest(study, change, act)).await
    }

    async fn try_change_interest(
        &self,
        study: &str,
        change: InterestChange,
        act: &Act<'_>,
    ) -> Result<Acted, StoreError> {
        let mut tx = self.main.begin().await?;
        let study = lock_study(&mut tx, study).await?;
        let acted = self.withdraw_interest(&mut tx, study, change, act).await?;
        tx.commit().await?;
        Ok(acted)
    }

    /// Changes the interest of a study that the caller has locked.
    pub(super) async fn withdraw_interest(
        &self,
        connection: &mut PgConnection,
        mut study: LockedStudy,
        change: InterestChange,
        act: &Act<'_>,
    ) -> Result<Acted, StoreError> {
        let interest = study.interest.after(change);
        let interest =
            interest.map_err(|source| StoreError::InterestGone { study: study.name.clone(), source })?;
        if interest == study.interest {
            return acted(connection, study, Counts::default()).await;
        }
        study.interest = interest;
        set_interest(connection, study.study_id, interest, act.reason).await?;
        note(connection, study.study_id, act.actor, (change.as_str(), act.reason)).await?;
        note_on_jobs(connection, &study, change.as_str(), act).await?;
        let all = lock_jobs_of(connection, study.study_id).await?;
        settle(connection, &all).await?;
        let cancelled = self.cancel_unwanted(connection, &all).await?;
        acted(connection, study, Counts { changed: true, cancelled, ..Counts::default() }).await
    }

    /// Holds a study's jobs that have not ended, for all studies that want them: at once, or when
    /// their workers have made a checkpoint. A retry lets them go on.
    ///
    /// # Errors
    /// There is no such study.
    pub async fn hold_study(&self, study: &str, act: &Act<'_>) -> Result<Acted, StoreError> {
        again(|| self.try_hold_study(study, act)).await
    }

    async fn try_hold_study(&self, study: &str, act: &Act<'_>) -> Result<Acted, StoreError> {
        let mut tx = self.main.begin().await?;
        let study = lock_study(&mut tx, study).await?;
        let all = lock_jobs_of(&mut tx, study.study_id).await?;
        note_on_jobs(&mut tx, &study, "hold", act).await?;
        let mut held = ask_to_hold(&mut tx, &all, act).await?;
        let reason = HoldReason::Operator { reason: act.reason.to_owned() };
        for ids in to_hold(&mut tx, &all).await?.chunks(ROWS_PER_STATEMENT) {
            let loaded = jobs::lock_all(&mut tx, ids).await?;
            held += loaded.len() as u32;
            let event = Event::Held { reason: reason.clone() };
            changes::change_all(&mut tx, &self.policy, loaded, &event).await?;
        }
        if held > 0 {
            let detail = format!("{held} networks {}", act.reason);
            note(&mut tx, study.study_id, act.actor, ("hold", detail.trim_end())).await?;
        }
        let acted = acted(&mut tx, study, Counts { changed: held > 0, held, ..Counts::default() }).await?;
        tx.commit().await?;
        Ok(acted)
    }

    /// Gives a study's jobs another priority; more is sooner. Wake the dispatcher afterwards.
    ///
    /// # Errors
    /// There is no such study.
    pub async fn prioritize(&self, study: &str, priority: i32, act: &Act<'_>) -> Result<Acted, StoreError> {
        again(|| self.try_prioritize(study, priority, act)).await
    }

    async fn try_prioritize(&self, study: &str, priority: i32, act: &Act<'_>) -> Result<Acted, StoreError> {
        let mut tx = self.main.begin().await?;
        let mut study = lock_study(&mut tx, study).await?;
        if study.priority == priority {
            return acted(&mut tx, study, Counts::default()).await;
        }
        let detail = format!("from {} to {priority} {}", study.priority, act.reason);
        study.priority = priority;
        set_priority(&mut tx, study.study_id, priority).await?;
        note(&mut tx, study.study_id, act.actor, ("prioritize", detail.trim_end())).await?;
        let all = lock_jobs_of(&mut tx, study.study_id).await?;
        settle(&mut tx, &all).await?;
        let acted = acted(&mut tx, study, Counts { changed: true, ..Counts::default() }).await?;
        tx.commit().await?;
        Ok(acted)
    }

    /// Lets a study's jobs that ended without success start anew. A study that was given up is
    /// wanted again; a paused one stays paused. Wake the dispatcher afterwards.
    ///
    /// # Errors
    /// There is no such study.
    pub async fn retry_study(&self, study: &str, which: Reopen, act: &Act<'_>) -> Result<Acted, StoreError> {
        again(|| self.try_retry_study(study, which, act)).await
    }

    async fn try_retry_study(&self, study: &str, which: Reopen, act: &Act<'_>) -> Result<Acted, StoreError> {
        let mut tx = self.main.begin().await?;
        let mut study = lock_study(&mut tx, study).await?;
        let given_up = !study.interest.keeps_jobs();
        if given_up {
            study.interest = Interest::Active;
            set_interest(&mut tx, study.study_id, Interest::Active, act.reason).await?;
        }
        let all = lock_jobs_of(&mut tx, study.study_id).await?;
        settle(&mut tx, &all).await?;
        want_again(&mut tx, &all).await?;
        if which == Reopen::Everything {
            let_go_on(&mut tx, &all).await?;
        }
        let reopened = self.reopen(&mut tx, &all, which).await?;
        let detail = format!("{reopened} start anew {}", act.reason);
        note(&mut tx, study.study_id, act.actor, ("retry", detail.trim_end())).await?;
        let counts = Counts { changed: given_up || reopened > 0, reopened, ..Counts::default() };
        let acted = acted(&mut tx, study, counts).await?;
        tx.commit().await?;
        Ok(acted)
    }

    /// Cancels those of these locked jobs that no study keeps and no worker has begun.
    async fn cancel_unwanted(
        &self,
        connection: &mut PgConnection,
        job_ids: &[Uuid],
    ) -> Result<u32, StoreError> {
        let unwanted = unwanted(connection, job_ids).await?;
        for ids in unwanted.chunks(ROWS_PER_STATEMENT) {
            let loaded = jobs::lock_all(connection, ids).await?;
            changes::change_all(connection, &self.policy, loaded, &Event::Cancelled).await?;
        }
        Ok(unwanted.len() as u32)
    }
}

/// Those of these locked jobs that can be held at once, dependants before their sources, so that
/// each is held for its own sake.
async fn to_hold(connection: &mut PgConnection, job_ids: &[Uuid]) -> Result<Vec<Uuid>, StoreError> {
    let ids = sqlx::query_scalar!(
        r#"SELECT job_id
           FROM jobs
           WHERE job_id = ANY($1)
             AND state IN ('waiting', 'ready')
           ORDER BY source_job_id IS NULL, key"#,
        job_ids,
    );
    Ok(ids.fetch_all(connection).await?)
}

/// Asks the workers of those of these locked jobs that have one to end them after a checkpoint,
/// so that they are held then. Returns how many were not asked before.
pub(super) async fn ask_to_hold(
    connection: &mut PgConnection,
    job_ids: &[Uuid],
    act: &Act<'_>,
) -> Result<u32, StoreError> {
    let reason = HoldReason::Operator { reason: act.reason.to_owned() };
    let asked = sqlx::query!(
        r#"UPDATE jobs
           SET hold_asked = $2
           WHERE job_id = ANY($1)
             AND state IN ('leased', 'running', 'suspect')
             AND hold_asked IS NULL"#,
        job_ids,
        Json(reason) as _,
    );
    Ok(asked.execute(connection).await?.rows_affected() as u32)
}

/// Notes an act in the history of each of the study's jobs that have not ended.
async fn note_on_jobs(
    connection: &mut PgConnection,
    study: &LockedStudy,
    what: &str,
    act: &Act<'_>,
) -> Result<(), StoreError> {
    sqlx::query!(
        r#"INSERT INTO events (job_id, at, what, detail)
           SELECT j.job_id, clock_timestamp(), $2, $3
           FROM study_jobs sj JOIN jobs j USING (job_id)
           WHERE sj.study_id = $1
             AND j.state NOT IN ('succeeded', 'failed', 'cancelled')"#,
        study.study_id.0,
        what,
        act.words(Some(&study.name)),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// What became of a study's jobs.
pub(super) async fn acted(
    connection: &mut PgConnection,
    study: LockedStudy,
    counts: Counts,
) -> Result<Acted, StoreError> {
    let on_workers = sqlx::query!(
        r#"SELECT COUNT(*) FILTER (WHERE j.withdrawn_at IS NOT NULL OR j.hold_asked IS NOT NULL) AS "ending!",
               COUNT(*) FILTER (WHERE j.withdrawn_at IS NULL AND j.hold_asked IS NULL) AS "running!"
           FROM study_jobs sj JOIN jobs j USING (job_id)
           WHERE sj.study_id = $1
             AND j.state IN ('leased', 'running', 'suspect')"#,
        study.study_id.0,
    );
    let on_workers = on_workers.fetch_one(&mut *connection).await?;
    let others = if study.interest.keeps_jobs() { Vec::new() } else { keepers(connection, &study).await? };
    Ok(Acted {
        name: study.name,
        changed: counts.changed,
        interest: study.interest,
        priority: study.priority,
        cancelled: counts.cancelled,
        held: counts.held,
        ending: count(on_workers.ending),
        running: count(on_workers.running),
        reopened: counts.reopened,
        others,
    })
}

/// The other studies for which a study's jobs stay or may finish, most jobs first.
async fn keepers(connection: &mut PgConnection, study: &LockedStudy) -> Result<Vec<OtherStudy>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT s.name, COUNT(*) AS "jobs!"
           FROM study_jobs ours
           JOIN jobs j USING (job_id)
           JOIN study_jobs theirs USING (job_id)
           JOIN studies s ON s.study_id = theirs.study_id
           WHERE ours.study_id = $1
             AND theirs.study_id <> $1
             AND j.state NOT IN ('succeeded', 'failed', 'cancelled')
             AND (s.interest IN ('active', 'paused')
                 OR (s.interest = 'stopped' AND j.state IN ('leased', 'running', 'suspect')))
           GROUP BY s.name
           ORDER BY COUNT(*) DESC, s.name"#,
        study.study_id.0,
    );
    let rows = rows.fetch_all(connection).await?.into_iter();
    Ok(rows.map(|row| OtherStudy { study: row.name, jobs: count(row.jobs) }).collect())
}
