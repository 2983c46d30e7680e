//! Notices between coordinators: something changed, look at once.
//!
//! A notice says nothing and is never sent inside the transactions of jobs, whose commits it
//! would put one behind the other. One that is lost costs a second: everybody scans anyway.

use sqlx::postgres::PgListener;

use crate::{Store, StoreError};

/// The channel of the database.
const CHANNEL: &str = "selffer_changed";

/// Hears other coordinators' notices, and its own.
#[derive(Debug)]
pub struct Notices(PgListener);

impl Store {
    /// Tells every coordinator of this database to look.
    ///
    /// # Errors
    /// The database.
    pub async fn notify(&self) -> Result<(), StoreError> {
        sqlx::query!("SELECT pg_notify('selffer_changed', '') IS NULL AS told")
            .fetch_one(&self.heartbeats)
            .await?;
        Ok(())
    }

    /// Begins to listen.
    ///
    /// # Errors
    /// The database.
    pub async fn notices(&self) -> Result<Notices, StoreError> {
        let mut listener = PgListener::connect_with(&self.listeners).await?;
        listener.listen(CHANNEL).await?;
        Ok(Notices(listener))
    }
}

impl Notices {
    /// Waits for the next notice. One that was sent while the connection was away is lost.
    ///
    /// # Errors
    /// The database.
    pub async fn next(&mut self) -> Result<(), StoreError> {
        self.0.recv().await?;
        Ok(())
    }
}
