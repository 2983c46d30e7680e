//! Leaders: which coordinator sweeps and which collects, and that nobody else does.
//!
//! Who leads is decided by `core::election::stand`; here is the row, and its guarded write. A
//! leader works through [`Store::under`] its term: each of its transactions locks the row for
//! as long as it lasts, so that the next leader's term begins after it, and one that was paused
//! past its term changes nothing more. A row, and not an advisory lock: that dies silently
//! with its connection.

use std::time::Duration;

use chrono::{DateTime, Utc};
use selffer_core::{
    election::{Duty, Leader, Standing, stand},
    ids::CoordinatorId,
};
use sqlx::{Postgres, Transaction};

use crate::{
    Store, StoreError,
    convert::{count, from_i64, seconds, to_i64},
};

/// One coordinator's time as leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    /// Of what.
    pub duty: Duty,
    /// Whose.
    pub coordinator_id: CoordinatorId,
    /// Which; never comes twice.
    pub number: u64,
}

impl Store {
    /// Takes the lead, keeps it, or finds that another coordinator has it (`None`). Call it
    /// again well before `ttl` has passed.
    ///
    /// # Errors
    /// The database.
    pub async fn lead(
        &self,
        duty: Duty,
        coordinator_id: CoordinatorId,
        ttl: Duration,
    ) -> Result<Option<Term>, StoreError> {
        let (leader, now) = self.leader(duty).await?;
        let standing = stand(leader, coordinator_id, ttl, now);
        let Standing::Lead { term: number, write } = standing else { return Ok(None) };
        let term = Term { duty, coordinator_id, number };
        if !write {
            return Ok(Some(term));
        }
        // Only over the very row that this was decided from: of two who saw a term end, one leads.
        let led = sqlx::query!(
            r#"INSERT INTO leaders AS known (duty, coordinator_id, term, until)
               VALUES ($1, $2, $3, clock_timestamp() + make_interval(secs => $4))
               ON CONFLICT (duty) DO UPDATE
               SET coordinator_id = EXCLUDED.coordinator_id, term = EXCLUDED.term, until = EXCLUDED.until
               WHERE known.coordinator_id IS NOT DISTINCT FROM $5
                 AND known.term IS NOT DISTINCT FROM $6
                 AND known.until IS NOT DISTINCT FROM $7"#,
            duty.as_str(),
            coordinator_id.0,
            to_i64("term", number)?,
            seconds(ttl),
            leader.map(|leader| leader.coordinator_id.0),
            leader.map(|leader| to_i64("term", leader.term)).transpose()?,
            leader.map(|leader| leader.until),
        );
        let led = led.execute(&self.main).await?.rows_affected() == 1;
        Ok(led.then_some(term))
    }

    async fn leader(&self, duty: Duty) -> Result<(Option<Leader>, DateTime<Utc>), StoreError> {
        let row = sqlx::query!(
            r#"SELECT l.coordinator_id AS "coordinator_id?", l.term AS "term?", l.until AS "until?",
                   clock_timestamp() AS "now!"
               FROM (VALUES (1)) AS one LEFT JOIN leaders l ON l.duty = $1"#,
            duty.as_str(),
        );
        let row = row.fetch_one(&self.main).await?;
        let leader = match (row.coordinator_id, row.term, row.until) {
            (Some(id), Some(term), Some(until)) => {
                Some(Leader { coordinator_id: CoordinatorId(id), term: from_i64(term), until })
            }
            _ => None,
        };
        Ok((leader, row.now))
    }

    /// The same store, whose sweeps and collections change something only while this term lasts.
    #[must_use]
    pub fn under(&self, term: Term) -> Self {
        Self { term: Some(term), ..self.clone() }
    }

    /// A transaction of a leader: fails if its term has ended, and keeps the next from beginning.
    pub(crate) async fn begin_leading(&self) -> Result<Transaction<'static, Postgres>, StoreError> {
        let mut tx = self.main.begin().await?;
        if let Some(term) = self.term {
            let lasts = sqlx::query_scalar!(
                r#"SELECT 1 AS "lasts!"
                   FROM leaders
                   WHERE duty = $1
                     AND coordinator_id = $2
                     AND term = $3
                     AND until > clock_timestamp()
                   FOR SHARE"#,
                term.duty.as_str(),
                term.coordinator_id.0,
                to_i64("term", term.number)?,
            );
            if lasts.fetch_optional(&mut *tx).await?.is_none() {
                return Err(StoreError::TermEnded { duty: term.duty });
            }
        }
        Ok(tx)
    }

    /// Says that this coordinator lives.
    ///
    /// # Errors
    /// The database.
    pub async fn report_coordinator(&self, coordinator_id: CoordinatorId) -> Result<(), StoreError> {
        // Those that were killed do not pile up.
        sqlx::query!(
            r#"WITH forgotten AS (
                   DELETE FROM coordinators
                   WHERE coordinator_id <> $1
                     AND seen_at < clock_timestamp() - INTERVAL '1 hour')
               INSERT INTO coordinators (coordinator_id, seen_at)
               VALUES ($1, clock_timestamp())
               ON CONFLICT (coordinator_id) DO UPDATE SET seen_at = EXCLUDED.seen_at"#,
            coordinator_id.0,
        )
        .execute(&self.heartbeats)
        .await?;
        Ok(())
    }

    /// How many coordinators besides this one live, heard of within `silent_for`.
    ///
    /// # Errors
    /// The database.
    pub async fn other_coordinators(
        &self,
        besides: Option<CoordinatorId>,
        silent_for: Duration,
    ) -> Result<u32, StoreError> {
        let others = sqlx::query_scalar!(
            r#"SELECT COUNT(*) AS "others!"
               FROM coordinators
               WHERE coordinator_id IS DISTINCT FROM $1
                 AND seen_at > clock_timestamp() - make_interval(secs => $2)"#,
            besides.map(|besides| besides.0),
            seconds(silent_for),
        );
        Ok(count(others.fetch_one(&self.heartbeats).await?))
    }

    /// A coordinator that ends in good order leads no longer and lives no longer.
    ///
    /// # Errors
    /// The database.
    pub async fn retire_coordinator(&self, coordinator_id: CoordinatorId) -> Result<(), StoreError> {
        sqlx::query!(
            r#"WITH retired AS (
                   DELETE FROM coordinators
                   WHERE coordinator_id = $1)
               UPDATE leaders
               SET until = clock_timestamp()
               WHERE coordinator_id = $1"#,
            coordinator_id.0,
        )
        .execute(&self.main)
        .await?;
        Ok(())
    }
}
