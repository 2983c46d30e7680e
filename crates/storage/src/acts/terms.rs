//! Acts on a study's terms: how many of its networks may be at work at once, and until when it
//! is worked for.
//!
//! Neither is part of a network's identity: the same networks under other terms are the same.

use std::time::Duration;

use chrono::{DateTime, Utc};
use selffer_core::interest::InterestChange;
use sqlx::PgConnection;

use super::{Act, Acted, Counts, on_studies::acted};
use crate::{
    Store, StoreError,
    again::again,
    convert::{seconds, to_i32},
    studies::{lock_jobs_of, lock_study, note, settle},
};

/// Studies that one sweep stops; the next one takes the rest.
const STUDIES_PER_SWEEP: i64 = 100;

/// When a study is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    /// Never by itself.
    None,
    /// At this time of the database's clock.
    At(DateTime<Utc>),
    /// So long from now.
    In(Duration),
}

impl Store {
    /// Limits how many of a study's networks are at work at once; `None` lifts the limit. Wake
    /// the dispatcher afterwards.
    ///
    /// # Errors
    /// There is no such study.
    pub async fn limit(
        &self,
        study: &str,
        parallel_max: Option<u32>,
        act: &Act<'_>,
    ) -> Result<Acted, StoreError> {
        again(|| self.try_limit(study, parallel_max, act)).await
    }

    async fn try_limit(
        &self,
        study: &str,
        parallel_max: Option<u32>,
        act: &Act<'_>,
    ) -> Result<Acted, StoreError> {
        let mut tx = self.main.begin().await?;
        let study = lock_study(&mut tx, study).await?;
        let limit = parallel_max.map(|most| to_i32("limit", most)).transpose()?;
        let limited = sqlx::query!(
            r#"UPDATE studies
               SET parallel_max = $2
               WHERE study_id = $1
                 AND parallel_max IS DISTINCT FROM $2"#,
            study.study_id.0,
            limit,
        );
        let changed = limited.execute(&mut *tx).await?.rows_affected() > 0;
        if changed {
            let most = parallel_max.map_or_else(|| "none".to_owned(), |most| most.to_string());
            let detail = format!("{most} at once {}", act.reason);
            note(&mut tx, study.study_id, act.actor, ("limit", detail.trim_end())).await?;
            let all = lock_jobs_of(&mut tx, study.study_id).await?;
            settle(&mut tx, &all).await?;
        }
        let acted = acted(&mut tx, study, Counts { changed, ..Counts::default() }).await?;
        tx.commit().await?;
        Ok(acted)
    }

    /// Says when a study is stopped. One that has passed already stops it with the next sweep.
    ///
    /// # Errors
    /// There is no such study, or it was given up.
    pub async fn set_deadline(
        &self,
        study: &str,
        deadline: Deadline,
        act: &Act<'_>,
    ) -> Result<Acted, StoreError> {
        again(|| self.try_set_deadline(study, deadline, act)).await
    }

    async fn try_set_deadline(
        &self,
        study: &str,
        deadline: Deadline,
        act: &Act<'_>,
    ) -> Result<Acted, StoreError> {
        let mut tx = self.main.begin().await?;
        let study = lock_study(&mut tx, study).await?;
        let (at, in_s) = match deadline {
            Deadline::None => (None, None),
            Deadline::At(at) => (Some(at), None),
            Deadline::In(after) => (None, Some(seconds(after))),
        };
        let before = deadline_of(&mut tx, study.study_id.0).await?;
        let now = sqlx::query_scalar!(
            r#"UPDATE studies
               SET deadline = COALESCE($2, clock_timestamp() + make_interval(secs => $3))
               WHERE study_id = $1
               RETURNING deadline"#,
            study.study_id.0,
            at,
            in_s,
        );
        let now = now.fetch_one(&mut *tx).await?;
        let changed = now != before;
        if changed {
            let told = now.map_or_else(|| "none".to_owned(), told);
            let detail = format!("{told} {}", act.reason);
            note(&mut tx, study.study_id, act.actor, ("deadline", detail.trim_end())).await?;
        }
        let acted = acted(&mut tx, study, Counts { changed, ..Counts::default() }).await?;
        tx.commit().await?;
        Ok(acted)
    }

    /// Studies whose deadline has passed are stopped. Returns how many.
    ///
    /// # Errors
    /// The database.
    pub async fn stop_overdue(&self) -> Result<u32, StoreError> {
        // By index `studies_due`.
        let due = sqlx::query_scalar!(
            r#"SELECT name
               FROM studies
               WHERE deadline <= clock_timestamp()
                 AND interest IN ('active', 'paused')
               ORDER BY deadline
               LIMIT $1"#,
            STUDIES_PER_SWEEP,
        );
        let mut stopped = 0;
        for name in due.fetch_all(&self.main).await? {
            stopped += again(|| self.stop_if_overdue(&name)).await?;
        }
        Ok(stopped)
    }

    async fn stop_if_overdue(&self, name: &str) -> Result<u32, StoreError> {
        let mut tx = self.main.begin().await?;
        let study = lock_study(&mut tx, name).await?;
        // A person may have moved it since it was found.
        let due = sqlx::query_scalar!(
            r#"SELECT deadline AS "deadline!"
               FROM studies
               WHERE study_id = $1
                 AND deadline <= clock_timestamp()"#,
            study.study_id.0,
        );
        let Some(deadline) = due.fetch_optional(&mut *tx).await? else { return Ok(0) };
        let reason = format!("its deadline was {}", told(deadline));
        let act = Act { actor: "coordinator", reason: &reason };
        let acted = self.withdraw_interest(&mut tx, study, InterestChange::Stop, &act).await?;
        tx.commit().await?;
        Ok(u32::from(acted.changed))
    }
}

async fn deadline_of(
    connection: &mut PgConnection,
    study_id: uuid::Uuid,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    let deadline = sqlx::query_scalar!("SELECT deadline FROM studies WHERE study_id = $1", study_id);
    Ok(deadline.fetch_one(connection).await?)
}

fn told(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}
