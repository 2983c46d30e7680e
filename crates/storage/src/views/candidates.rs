//! The best ready jobs, for the dispatcher to match with waiting workers.

use selffer_core::{
    ids::{Digest, JobId, JobKey, StudyId},
    job::StateKind,
    placement::{Candidate, PackRoom, StudyRoom},
};

use crate::{Store, StoreError, convert};

impl Store {
    /// The best `limit` jobs whose time has come, for workers that may take every pack.
    ///
    /// # Errors
    /// The database.
    pub async fn candidates(&self, limit: usize) -> Result<Vec<Candidate>, StoreError> {
        self.candidates_for(&PackRoom::default(), limit).await
    }

    /// The best `limit` jobs whose time has come and whose packs there is room for, without
    /// locks: somebody may be faster. Ordered as `core::placement` orders them.
    ///
    /// # Errors
    /// The database.
    pub async fn candidates_for(&self, room: &PackRoom, limit: usize) -> Result<Vec<Candidate>, StoreError> {
        // More than the column holds is no bound.
        let bytes_max = room.bytes_max.and_then(|bytes| i64::try_from(bytes).ok());
        let at_hand: Vec<Vec<u8>> = room.at_hand.iter().map(|digest| digest.0.to_vec()).collect();
        // In a file of its own, so that a test can have the very same statement explained.
        let rows = sqlx::query_file!("src/views/candidates.sql", limit as i64, bytes_max, &at_hand);
        let rows = rows.fetch_all(&self.main).await?;
        let candidates = rows.into_iter().map(|row| {
            let source_weights: Option<Digest> =
                row.source_weights.as_deref().map(convert::digest).transpose()?;
            Ok(Candidate {
                job_id: JobId(row.job_id),
                key: convert::job_key(&row.key)?,
                priority: row.priority,
                flops: row.flops,
                unlocks_flops: row.unlocks_flops,
                not_before: row.not_before,
                source_weights,
                avoid_worker: row.avoid_worker,
                kept_from: row.kept_from.into_iter().collect(),
                limited_by: row.limited_by.into_iter().map(StudyId).collect(),
                pack: convert::needed_pack(&row.pack, row.pack_bytes)?,
            })
        });
        candidates.collect()
    }

    /// How many more jobs of each active study with a limit may start.
    ///
    /// # Errors
    /// The database.
    pub async fn study_room(&self) -> Result<StudyRoom, StoreError> {
        let rows =
            sqlx::query!(r#"SELECT study_id AS "study_id!", GREATEST(room, 0) AS "room!" FROM study_room"#);
        let rows = rows.fetch_all(&self.main).await?.into_iter();
        Ok(rows.map(|row| (StudyId(row.study_id), convert::count(row.room))).collect())
    }

    /// Which of these networks exist, and how far they are.
    ///
    /// # Errors
    /// The database.
    pub async fn look_up(&self, keys: &[JobKey]) -> Result<Vec<(JobKey, StateKind)>, StoreError> {
        let keys: Vec<Vec<u8>> = keys.iter().map(|key| key.0.to_vec()).collect();
        let rows = sqlx::query!("SELECT key, state FROM jobs WHERE key = ANY($1)", &keys);
        let rows = rows.fetch_all(&self.main).await?;
        rows.iter().map(|row| Ok((convert::job_key(&row.key)?, convert::state_kind(&row.state)?))).collect()
    }
}
