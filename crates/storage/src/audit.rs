//! What must be true of the database at any time, looked for: the promises as far as rows
//! can show them.
//!
//! The schema's own constraints already keep a job in one state, a lease in the three states
//! that have one, one living session a node and one point a sequence; what they cannot say is
//! here, one query each that must find nothing. All of them see one snapshot, so they may run
//! beside a busy fleet. [`Store::leftovers`] is for when the dust has settled. Nothing is
//! written; that chunks are there and whole is `coordinatord check`'s business.

use std::fmt;

use selffer_core::ids::JobId;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::{Store, StoreError};

mod interest;
mod jobs;
mod work;

/// Places that one query names; the rest would say the same.
const PLACES_MAX: i64 = 20;

/// A broken promise, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// `I1` to `I10`, as the README numbers them.
    pub promise: &'static str,
    /// The job, if it is one's.
    pub job_id: Option<JobId>,
    /// What is wrong, in a sentence.
    pub problem: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.job_id {
            Some(job_id) => write!(f, "{}: job {job_id}: {}", self.promise, self.problem),
            None => write!(f, "{}: {}", self.promise, self.problem),
        }
    }
}

/// What a query finds.
struct Place {
    job_id: Option<Uuid>,
    /// Ends the sentence, or is empty.
    detail: String,
}

impl Place {
    fn told(self, promise: &'static str, problem: &str) -> Violation {
        let gap = if self.detail.is_empty() { "" } else { " " };
        let problem = format!("{problem}{gap}{}", self.detail);
        Violation { promise, job_id: self.job_id.map(JobId), problem }
    }
}

/// Appends what a query finds. The query's columns are `"job_id?"` and `"detail!"`; its one
/// parameter bounds the rows.
macro_rules! look_for {
    ($found:ident, $connection:ident, $promise:literal, $problem:literal, $sql:tt) => {
        let places = sqlx::query_as!($crate::audit::Place, $sql, $crate::audit::PLACES_MAX);
        let places = places.fetch_all(&mut *$connection).await?;
        $found.extend(places.into_iter().map(|place| place.told($promise, $problem)));
    };
}
pub(crate) use look_for;

impl Store {
    /// Promises that the rows break, in one snapshot; none when all is well. Each kind of
    /// trouble is told of 20 jobs at most. Reads every table once or twice: seconds for a
    /// million jobs.
    ///
    /// # Errors
    /// The database.
    pub async fn violations(&self) -> Result<Vec<Violation>, StoreError> {
        let mut connection = self.main.acquire().await?;
        let mut snapshot = connection.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        take_your_time(&mut snapshot).await?;
        let mut found = Vec::new();
        jobs::waits(&mut snapshot, &mut found).await?;
        jobs::submissions(&mut snapshot, &mut found).await?;
        interest::interest(&mut snapshot, &mut found).await?;
        work::attempts(&mut snapshot, &mut found).await?;
        work::results(&mut snapshot, &mut found).await?;
        work::checkpoints(&mut snapshot, &mut found).await?;
        work::curves(&mut snapshot, &mut found).await?;
        snapshot.commit().await?;
        Ok(found)
    }

    /// What must be gone once no worker lives and everything has timed out (I10): leases, open
    /// attempts, transactions that somebody began and forgot.
    ///
    /// # Errors
    /// The database.
    pub async fn leftovers(&self) -> Result<Vec<Violation>, StoreError> {
        let mut connection = self.main.acquire().await?;
        let mut found = Vec::new();
        work::leftovers(&mut connection, &mut found).await?;
        drop(connection);
        let open = self.transactions_left_open().await?;
        if open > 0 {
            let problem = format!("{open} transactions are open and idle");
            found.push(Violation { promise: "I10", job_id: None, problem });
        }
        Ok(found)
    }
}

// A look at everything is no call that somebody waits for.
async fn take_your_time(connection: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query!("SET LOCAL statement_timeout = '10min'").execute(connection).await?;
    Ok(())
}
