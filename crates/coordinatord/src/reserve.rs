//! The best ready jobs, as they were read: handed out without reading them again while they last,
//! nothing has changed and they are not old.

use std::{borrow::Cow, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use selffer_core::{
    limits::{CANDIDATES_MAX, DISPATCH_SCAN_MS},
    placement::{Candidate, PackRoom, below_limits},
};
use selffer_storage::{Store, StoreError};
use tokio::time::Instant;

/// How long what was read may be used.
const AGE_MAX: Duration = Duration::from_millis(DISPATCH_SCAN_MS);

/// See the module.
#[derive(Default)]
pub(crate) struct Reserve {
    pub(crate) candidates: Vec<Candidate>,
    /// For whom they are.
    room: Option<PackRoom>,
    /// When they were read, by the database's clock and by ours.
    read_at: Option<(DateTime<Utc>, Instant)>,
}

impl Reserve {
    /// Reads the candidates for those with this room, unless they are there; whether it did.
    pub(crate) async fn fill(&mut self, store: &Store, room: PackRoom) -> Result<bool, StoreError> {
        let is_young = self.read_at.is_some_and(|(_, at)| at.elapsed() < AGE_MAX);
        if is_young && !self.candidates.is_empty() && self.room.as_ref() == Some(&room) {
            return Ok(false);
        }
        let now = store.now().await?;
        let candidates = store.candidates_for(&room, CANDIDATES_MAX).await?;
        *self = Self { candidates, room: Some(room), read_at: Some((now, Instant::now())) };
        Ok(true)
    }

    /// Those whose studies have room for them.
    pub(crate) async fn below_limits(&self, store: &Store) -> Result<Cow<'_, [Candidate]>, StoreError> {
        let candidates = &self.candidates;
        if candidates.iter().all(|candidate| candidate.limited_by.is_empty()) {
            return Ok(candidates.into());
        }
        Ok(below_limits(candidates.clone(), store.study_room().await?).into())
    }

    /// The database's clock.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        let now = |(database, ours): (DateTime<Utc>, Instant)| {
            database + TimeDelta::from_std(ours.elapsed()).unwrap_or_default()
        };
        self.read_at.map(now).unwrap_or_default()
    }
}
