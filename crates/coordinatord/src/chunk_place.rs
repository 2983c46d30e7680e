//! The chunk store of a coordinator, opened where it was said to be.

use std::env;

use anyhow::{Context, Result};
use selffer_artifacts::{ChunkStore, Place};

use crate::config::Config;

/// Opens the store where it was said to be, or else in the data folder.
///
/// # Errors
/// It cannot be used.
pub(crate) fn open(config: &Config) -> Result<ChunkStore> {
    let place = config.chunks.store.clone();
    let place = place.unwrap_or_else(|| Place::Folder(config.data_dir.join("store")));
    // Only what a bucket's server needs is used of it, and nothing is logged.
    let variables =
        env::vars_os().filter_map(|(name, value)| name.into_string().ok().zip(value.into_string().ok()));
    ChunkStore::open(place, variables).context("cannot use the chunk store")
}
