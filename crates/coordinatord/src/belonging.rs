//! Whether database and chunk store are one fleet's.
//!
//! A coordinator with a database and a store that do not belong together would publish what
//! the others cannot read, and remove what they need; a disk that is not mounted would look like
//! a store that has lost every chunk. So both carry one id, the store in an object, the database
//! in a row, and a coordinator with two that differ does not start.

use anyhow::{Context, Result, bail};
use selffer_artifacts::{ChunkStore, Place};
use selffer_storage::{Belonging, Store};

use crate::ambient;

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// They have this id, or the store gets the one that the database wrote down for it.
    Keep(String),
    /// Both are new; they get an id.
    Mint,
}

/// Makes sure that they belong together; makes them if both are new.
///
/// # Errors
/// They do not, or one of them does not answer.
pub(crate) async fn settle(store: &Store, chunks: &ChunkStore) -> Result<()> {
    let found = chunks.identity().await.context("cannot use the chunk store")?;
    let step = decide(&store.belonging().await?, found.as_deref(), chunks.place())?;
    let id = match step {
        Step::Keep(id) => id,
        // Another coordinator may mint at the same time; the database keeps the first.
        Step::Mint => store.begin_belonging(&ambient::store_id()).await?,
    };
    if found.is_none() {
        chunks.identify(&id).await.context("cannot write to the chunk store")?;
    }
    store.end_belonging().await?;
    chunks.expect(&id);
    Ok(())
}

/// Looks whether they belong together, and changes nothing.
///
/// # Errors
/// They do not, or one of them does not answer.
pub(crate) async fn look(store: &Store, chunks: &ChunkStore) -> Result<()> {
    if let Some(known) = store.belonging().await?.store_id {
        chunks.expect(&known);
        chunks.check_there().await.context("this is not the chunk store of the database")?;
    }
    Ok(())
}

fn decide(belonging: &Belonging, found: Option<&str>, place: &Place) -> Result<Step> {
    match (&belonging.store_id, found) {
        (Some(known), Some(found)) if known != found => bail!(
            "the chunk store {place} is another fleet's: its store-id is {found}, but the database has {known}; \
             coordinators that share a database share its store (--store)"
        ),
        (Some(known), None) if belonging.store_has_id => bail!(
            "the chunk store {place} is not the one of this database, or is not mounted: it has no store-id, \
             and should have {known}; name the right one with --store"
        ),
        (Some(known), _) => Ok(Step::Keep(known.clone())),
        (None, Some(found)) => bail!(
            "the chunk store {place} belongs to another database: its store-id is {found}, and this database \
             knows none; two databases cannot share a store, each would free the other's chunks. Name its \
             database with --database-url, or remove store-id to begin anew with the store's chunks"
        ),
        (None, None) => Ok(Step::Mint),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(known: Option<&str>, store_has_id: bool, found: Option<&str>) -> String {
        let belonging = Belonging { store_id: known.map(str::to_owned), store_has_id };
        let place = Place::Folder("chunks".into());
        decide(&belonging, found, &place).map_or_else(|error| error.to_string(), |step| format!("{step:?}"))
    }

    #[test]
    fn a_crash_while_they_become_one_fleets_is_repaired() {
        assert_eq!(decided(None, false, None), "Mint");
        assert_eq!(decided(Some("a"), false, None), "Keep(\"a\")");
        assert_eq!(decided(Some("a"), false, Some("a")), "Keep(\"a\")");
        assert_eq!(decided(Some("a"), true, Some("a")), "Keep(\"a\")");
    }

    #[test]
    fn a_store_of_ones_own_and_a_store_of_another_fleet_are_refused() {
        assert!(decided(Some("a"), true, None).contains("is not the one of this database"));
        assert!(decided(Some("a"), true, Some("b")).contains("another fleet's"));
        assert!(decided(None, false, Some("b")).contains("belongs to another database"));
    }
}
