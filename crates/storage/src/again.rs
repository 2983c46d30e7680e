//! Transactions that lock many jobs, run again when the database ends one to break a deadlock.
//!
//! Jobs are locked in one order everywhere, but a submission also waits for rows that another
//! one is just inserting. That is rare, and the loser has changed nothing.

use std::future::Future;

use crate::StoreError;

/// How often a transaction is tried in all.
const TRIES_MAX: u32 = 4;

/// Runs a whole transaction, and again if it lost a deadlock.
pub(crate) async fn again<T, F>(mut transaction: impl FnMut() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    for _ in 1..TRIES_MAX {
        match transaction().await {
            Err(error) if error.is_deadlock() => {}
            settled => return settled,
        }
    }
    transaction().await
}
