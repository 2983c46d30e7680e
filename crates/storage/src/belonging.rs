//! Which chunk store belongs to this database.
//!
//! Database and store are one fleet's memory; a coordinator with the one and without the other
//! would publish what nobody can read, and collect what others need. Each has the same id. The
//! database writes it down first and learns last that the store has it, so that a crash in
//! between is told from a store that is another one.

use crate::{Store, StoreError};

/// What the database knows of its store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Belonging {
    /// The store's id; none if there was no coordinator yet.
    pub store_id: Option<String>,
    /// Whether the store has it too.
    pub store_has_id: bool,
}

impl Store {
    /// The store that belongs to this database.
    ///
    /// # Errors
    /// The database.
    pub async fn belonging(&self) -> Result<Belonging, StoreError> {
        let row = sqlx::query!("SELECT store_id, store_has_id FROM fleet").fetch_one(&self.main).await?;
        Ok(Belonging { store_id: row.store_id, store_has_id: row.store_has_id })
    }

    /// Writes down the id that the store is to have, unless there is one; returns the one.
    ///
    /// # Errors
    /// The database.
    pub async fn begin_belonging(&self, store_id: &str) -> Result<String, StoreError> {
        let known = sqlx::query_scalar!(
            r#"UPDATE fleet SET store_id = COALESCE(store_id, $1) RETURNING store_id AS "store_id!""#,
            store_id,
        );
        Ok(known.fetch_one(&self.main).await?)
    }

    /// The store has the id.
    ///
    /// # Errors
    /// The database.
    pub async fn end_belonging(&self) -> Result<(), StoreError> {
        sqlx::query!("UPDATE fleet SET store_has_id = true WHERE NOT store_has_id")
            .execute(&self.main)
            .await?;
        Ok(())
    }
}
