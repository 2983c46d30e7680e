//! Whether database and chunk store are one fleet's.
//!
//! A coordinator with a database and a store that do not belong together would publish what
//! the others cannot read, and remove what they need. So it does not start.

use anyhow::{Result, bail};
use selffer_artifacts::ChunkStore;
use selffer_storage::{Belonging, Store};

use crate::ambient;

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// They belong together.
    Nothing,
    /// The store gets this id.
    Identify(String),
    /// Both are new; they get an id.
    Mint,
    /// The store has the id, and the database does not know that it has.
    Note,
}

/// Makes sure that they belong together; makes them if both are new.
///
/// # Errors
/// They do not, or one of them does not answer.
pub(crate) async fn settle(store: &Store, chunks: &ChunkStore) -> Result<()> {
    let step = decide(&store.belonging().await?, chunks.identity().await?.as_deref())?;
    match step {
        Step::Nothing => return Ok(()),
        Step::Note => {}
        // Another coordinator may mint at the same time; the database keeps the first.
        Step::Mint => chunks.identify(&store.begin_belonging(&ambient::store_id()).await?).await?,
        Step::Identify(id) => chunks.identify(&id).await?,
    }
    store.end_belonging().await?;
    Ok(())
}

fn decide(belonging: &Belonging, found: Option<&str>) -> Result<Step> {
    match (&belonging.store_id, found) {
        (Some(known), Some(found)) if known != found => bail!(
            "the chunk store is another fleet's: its store-id is {found}, but the database has {known}; \
             coordinators that share a database share its store (--store)"
        ),
        (Some(_), Some(_)) if belonging.store_has_id => Ok(Step::Nothing),
        (Some(_), Some(_)) => Ok(Step::Note),
        (Some(known), None) if belonging.store_has_id => bail!(
            "the chunk store is not the one of this database, or is not mounted: it has no store-id, and \
             should have {known}; name the right one with --store"
        ),
        (Some(known), None) => Ok(Step::Identify(known.clone())),
        (None, Some(found)) => bail!(
            "the chunk store belongs to another database: its store-id is {found}, and this database knows \
             none; name that database with --database-url, or remove store-id to begin anew with the store's chunks"
        ),
        (None, None) => Ok(Step::Mint),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(known: Option<&str>, store_has_id: bool, found: Option<&str>) -> String {
        let belonging = Belonging { store_id: known.map(str::to_owned), store_has_id };
        decide(&belonging, found).map_or_else(|error| error.to_string(), |step| format!("{step:?}"))
    }

    #[test]
    fn a_crash_while_they_become_one_fleets_is_repaired() {
        assert_eq!(decided(None, false, None), "Mint");
        assert_eq!(decided(Some("a"), false, None), "Identify(\"a\")");
        assert_eq!(decided(Some("a"), false, Some("a")), "Note");
        assert_eq!(decided(Some("a"), true, Some("a")), "Nothing");
    }

    #[test]
    fn a_store_of_ones_own_and_a_store_of_another_fleet_are_refused() {
        assert!(decided(Some("a"), true, None).contains("is not the one of this database"));
        assert!(decided(Some("a"), true, Some("b")).contains("another fleet's"));
        assert!(decided(None, false, Some("b")).contains("belongs to another database"));
    }
}
