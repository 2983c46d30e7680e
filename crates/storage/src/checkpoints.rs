//! Checkpoints: announced, published by one row flip, found again.
//!
//! A checkpoint is seen by nobody but its own claim until it is published, and only the
//! job's current claim can publish. The bytes are `artifacts`' business; whoever publishes
//! has checked that every chunk is there.

use selffer_core::{
    artifact::Manifest,
    identity::canonical_json,
    ids::{CheckpointId, Digest, JobId},
    job::Event,
};
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use crate::{
    Claim, Holder, Store, StoreError, changes,
    claim::lock_held,
    convert::{claim_id, from_i32, to_i32, to_i64},
    dropped, jobs, quota, sources,
};

/// What a checkpoint is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CheckpointKind {
    /// To go on from; the newest is kept while the job runs, and of the others the furthest.
    Intermediate,
    /// The trained network; kept until a person deletes it.
    Final,
}

/// How far a checkpoint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CheckpointState {
    /// Announced; chunks may be missing.
    Begun,
    /// Complete, and there to be used.
    Published,
    /// Found damaged; not to be used.
    Quarantined,
    /// Deleted by a person; only its row is left, for the result that it was.
    Deleted,
}

impl CheckpointKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Intermediate => "intermediate",
            Self::Final => "final",
        }
    }
}

/// A checkpoint that a worker announces.
#[derive(Clone, Copy, Debug)]
pub struct NewCheckpoint<'a> {
    /// What it is for.
    pub kind: CheckpointKind,
    /// Updates done.
    pub iteration: u32,
    /// What it consists of; checked by the caller.
    pub manifest: &'a Manifest,
}

/// A checkpoint as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckpointRow {
    /// Its row.
    pub checkpoint_id: CheckpointId,
    /// Whose it is, and which attempt made it.
    pub claim: Claim,
    /// What it is for.
    pub kind: CheckpointKind,
    /// How far it is.
    pub state: CheckpointState,
    /// Updates done.
    pub iteration: u32,
    /// What it consists of.
    pub manifest: Manifest,
}

pub(crate) struct StoredCheckpoint {
    pub(crate) checkpoint_id: Uuid,
    pub(crate) job_id: Uuid,
    pub(crate) claim_id: Vec<u8>,
    pub(crate) kind: String,
    pub(crate) state: String,
    pub(crate) iteration: i32,
    pub(crate) manifest: Json<Manifest>,
}

impl StoredCheckpoint {
    fn read(self) -> Result<CheckpointRow, StoreError> {
        Ok(CheckpointRow {
            checkpoint_id: CheckpointId(self.checkpoint_id),
            claim: Claim { job_id: JobId(self.job_id), claim_id: claim_id(&self.claim_id)? },
            kind: match self.kind.as_str() {
                "final" => CheckpointKind::Final,
                _ => CheckpointKind::Intermediate,
            },
            state: match self.state.as_str() {
                "published" => CheckpointState::Published,
                "quarantined" => CheckpointState::Quarantined,
                "deleted" => CheckpointState::Deleted,
                _ => CheckpointState::Begun,
            },
            iteration: from_i32(self.iteration),
            manifest: self.manifest.0,
        })
    }
}

impl Store {
    /// Announces a checkpoint of the current claim; the same one again is the same row. Look
    /// afterwards which of its chunks are there: until then some may go.
    ///
    /// # Errors
    /// The claim is stale or its session has ended.
    pub async fn begin_checkpoint(
        &self,
        holder: &Holder,
        new: &NewCheckpoint<'_>,
    ) -> Result<CheckpointId, StoreError> {
        self.begin_checkpoint_within(holder, new, None).await
    }

    /// The same where all intermediate ones of the fleet together may take only so many bytes.
    ///
    /// # Errors
    /// As [`Self::begin_checkpoint`]; or intermediate ones take too much already.
    pub async fn begin_checkpoint_within(
        &self,
        holder: &Holder,
        new: &NewCheckpoint<'_>,
        intermediates_bytes_max: Option<u64>,
    ) -> Result<CheckpointId, StoreError> {
        let digest = Digest::of(canonical_json(new.manifest).as_bytes());
        let bytes = new.manifest.bytes();
        let mut tx = self.main.begin().await?;
        lock_held(&mut tx, holder).await?;
        if let (CheckpointKind::Intermediate, Some(max)) = (new.kind, intermediates_bytes_max) {
            quota::make_room(&mut tx, holder.claim, (bytes, max)).await?;
        }
        // DO UPDATE, because DO NOTHING would return no row.
        let id = sqlx::query_scalar!(
            r#"INSERT INTO checkpoints (job_id, claim_id, kind, iteration, manifest, manifest_digest, bytes)
               VALUES ($1, $2, $3, $4, $5, $6, $7)
               ON CONFLICT (claim_id, kind, iteration, manifest_digest)
                   DO UPDATE SET begun_at = checkpoints.begun_at
               RETURNING checkpoint_id"#,
            holder.claim.job_id.0,
            &holder.claim.claim_id.0[..],
            new.kind.as_str(),
            to_i32("iteration", new.iteration)?,
            Json(new.manifest) as _,
            &digest.0[..],
            to_i64("bytes of a checkpoint", bytes)?,
        )
        .fetch_one(&mut *tx)
        .await?;
        dropped::want_again(&mut tx, new.manifest).await?;
        tx.commit().await?;
        Ok(CheckpointId(id))
    }

    /// A checkpoint that the current claim has announced: where its chunks may be put.
    ///
    /// # Errors
    /// The claim is stale, its session has ended, or it has announced no such checkpoint.
    pub async fn open_checkpoint(
        &self,
        holder: &Holder,
        checkpoint_id: CheckpointId,
    ) -> Result<CheckpointRow, StoreError> {
        let mut tx = self.main.begin().await?;
        lock_held(&mut tx, holder).await?;
        let row = find(&mut tx, checkpoint_id).await?.filter(|row| row.claim == holder.claim);
        tx.commit().await?;
        row.ok_or_else(|| missing(checkpoint_id))
    }

    /// Makes a checkpoint visible; one of a larger iteration than any before is progress, which
    /// gives the job its retries back. Returns the job's intermediate ones beyond the two that
    /// are kept, whose rows are gone: the caller has verified the bytes of this one, so a newer
    /// one that is whole has taken their place.
    ///
    /// # Errors
    /// The claim is stale, its session has ended, or it has announced no such checkpoint.
    pub async fn publish_checkpoint(
        &self,
        holder: &Holder,
        checkpoint_id: CheckpointId,
    ) -> Result<Vec<CheckpointRow>, StoreError> {
        let mut tx = self.main.begin().await?;
        let loaded = lock_held(&mut tx, holder).await?;
        if is_further(&mut tx, holder.claim.job_id, checkpoint_id).await? {
            let event = Event::Progressed { claim_id: holder.claim.claim_id };
            changes::change(&mut tx, &self.policy, loaded, &event).await?;
        }
        let published = sqlx::query!(
            r#"UPDATE checkpoints
               SET state = 'published', published_at = COALESCE(published_at, clock_timestamp())
               WHERE checkpoint_id = $1
                 AND claim_id = $2
                 AND state IN ('begun', 'published')"#,
            checkpoint_id.0,
            &holder.claim.claim_id.0[..],
        );
        if published.execute(&mut *tx).await?.rows_affected() != 1 {
            return Err(missing(checkpoint_id));
        }
        let dropped = drop_older(&mut tx, holder.claim.job_id).await?;
        tx.commit().await?;
        Ok(dropped)
    }

    /// A checkpoint by its id, in any state.
    ///
    /// # Errors
    /// There is none.
    pub async fn checkpoint(&self, checkpoint_id: CheckpointId) -> Result<CheckpointRow, StoreError> {
        let mut connection = self.main.acquire().await?;
        find(&mut connection, checkpoint_id).await?.ok_or_else(|| missing(checkpoint_id))
    }

    /// Every published checkpoint, those of a job together, newest first: for a check of
    /// their chunks.
    ///
    /// # Errors
    /// The database.
    pub async fn published_checkpoints(&self) -> Result<Vec<CheckpointRow>, StoreError> {
        let rows = sqlx::query_as!(
            StoredCheckpoint,
            r#"SELECT checkpoint_id, job_id, claim_id, kind, state, iteration,
                   manifest AS "manifest: Json<Manifest>"
               FROM checkpoints
               WHERE state = 'published'
               ORDER BY job_id, published_at DESC"#,
        );
        rows.fetch_all(&self.main).await?.into_iter().map(StoredCheckpoint::read).collect()
    }

    /// Marks a published checkpoint as damaged: nobody starts from it any more, but from the
    /// one before. If it is the trained network that others have yet to copy from, it is
    /// trained again, and those that were ready wait. Whether it is trained again.
    ///
    /// # Errors
    /// There is no such published checkpoint.
    pub async fn quarantine_checkpoint(&self, checkpoint_id: CheckpointId) -> Result<bool, StoreError> {
        let mut tx = self.main.begin().await?;
        let row = find(&mut tx, checkpoint_id).await?.ok_or_else(|| missing(checkpoint_id))?;
        // Before the checkpoint's row, as everywhere.
        let owner = jobs::lock(&mut tx, row.claim.job_id).await?;
        let marked = sqlx::query!(
            r#"UPDATE checkpoints
               SET state = 'quarantined'
               WHERE checkpoint_id = $1
                 AND state IN ('published', 'quarantined')"#,
            checkpoint_id.0,
        );
        if marked.execute(&mut *tx).await?.rows_affected() != 1 {
            return Err(missing(checkpoint_id));
        }
        let is_needed = sources::is_needed(&mut tx, checkpoint_id).await?;
        // Of a study that was stopped, those at work may finish, but nothing starts for them.
        let owner = owner.filter(|owner| is_needed && owner.interest.keeps_jobs());
        let is_trained_again = owner.is_some();
        if let Some(owner) = owner {
            for (jobs, event) in sources::reopen(&mut tx, owner).await? {
                changes::change_all(&mut tx, &self.policy, jobs, &event).await?;
            }
        }
        tx.commit().await?;
        Ok(is_trained_again)
    }
}

/// Whether a checkpoint that is about to be published is of a larger iteration than every
/// earlier one of the job's runs since it last succeeded. The furthest of them is never dropped,
/// so a training that starts over for ever gets no further.
async fn is_further(
    connection: &mut PgConnection,
    job_id: JobId,
    checkpoint_id: CheckpointId,
) -> Result<bool, StoreError> {
    let further = sqlx::query_scalar!(
        r#"SELECT 1 AS "further!"
           FROM checkpoints new
           WHERE new.checkpoint_id = $2
             AND new.state = 'begun'
             AND new.iteration > COALESCE((
                 SELECT MAX(iteration)
                 FROM checkpoints
                 WHERE job_id = $1 AND kind = 'intermediate' AND state <> 'begun'), 0)"#,
        job_id.0,
        checkpoint_id.0,
    );
    Ok(further.fetch_optional(connection).await?.is_some())
}

fn missing(checkpoint_id: CheckpointId) -> StoreError {
    StoreError::NotFound { what: "checkpoint", name: checkpoint_id.to_string() }
}

async fn find(
    connection: &mut PgConnection,
    checkpoint_id: CheckpointId,
) -> Result<Option<CheckpointRow>, StoreError> {
    let row = sqlx::query_as!(
        StoredCheckpoint,
        r#"SELECT checkpoint_id, job_id, claim_id, kind, state, iteration,
               manifest AS "manifest: Json<Manifest>"
           FROM checkpoints
           WHERE checkpoint_id = $1"#,
        checkpoint_id.0,
    );
    row.fetch_optional(connection).await?.map(StoredCheckpoint::read).transpose()
}

/// Deletes published intermediate rows but the newest, and of the others the furthest. These are
/// the newest two, unless a training could not go on and started over: what it publishes stays,
/// and so does how far the job had been.
async fn drop_older(connection: &mut PgConnection, job_id: JobId) -> Result<Vec<CheckpointRow>, StoreError> {
    let rows = sqlx::query_as!(
        StoredCheckpoint,
        r#"DELETE FROM checkpoints
           WHERE job_id = $1
             AND kind = 'intermediate'
             AND state = 'published'
             AND checkpoint_id NOT IN (
                 SELECT checkpoint_id
                 FROM checkpoints
                 WHERE job_id = $1 AND kind = 'intermediate' AND state = 'published'
                 ORDER BY published_at = MAX(published_at) OVER () DESC, iteration DESC, published_at DESC
                 LIMIT 2)
           RETURNING checkpoint_id, job_id, claim_id, kind, state, iteration,
               manifest AS "manifest: Json<Manifest>""#,
        job_id.0,
    );
    let rows = rows.fetch_all(&mut *connection).await?;
    dropped(connection, rows).await
}

/// Deletes every row of a succeeded job that no result points to.
pub(crate) async fn drop_unneeded(
    connection: &mut PgConnection,
    job_ids: &[Uuid],
) -> Result<Vec<CheckpointRow>, StoreError> {
    let rows = sqlx::query_as!(
        StoredCheckpoint,
        r#"DELETE FROM checkpoints
           WHERE job_id = ANY($1)
             -- No EXISTS: it would read all results into a table of its own first.
             AND (
                 SELECT r.attempt
                 FROM results r
                 WHERE r.job_id = checkpoints.job_id AND r.checkpoint_id = checkpoints.checkpoint_id
                 LIMIT 1) IS NULL
           RETURNING checkpoint_id, job_id, claim_id, kind, state, iteration,
               manifest AS "manifest: Json<Manifest>""#,
        job_ids,
    );
    let rows = rows.fetch_all(&mut *connection).await?;
    dropped(connection, rows).await
}

/// Deletes rows that were announced by attempts that have ended.
pub(crate) async fn drop_abandoned(
    connection: &mut PgConnection,
    grace_s: f64,
    rows_max: i64,
) -> Result<Vec<CheckpointRow>, StoreError> {
    let rows = sqlx::query_as!(
        StoredCheckpoint,
        r#"DELETE FROM checkpoints
           WHERE checkpoint_id IN (
               SELECT c.checkpoint_id
               FROM checkpoints c JOIN attempts a USING (claim_id)
               WHERE c.state = 'begun'
                 AND c.begun_at <= clock_timestamp() - make_interval(secs => $1)
                 AND a.ended_at <= clock_timestamp() - make_interval(secs => $1)
               LIMIT $2)
           RETURNING checkpoint_id, job_id, claim_id, kind, state, iteration,
               manifest AS "manifest: Json<Manifest>""#,
        grace_s,
        rows_max,
    );
    let rows = rows.fetch_all(&mut *connection).await?;
    dropped(connection, rows).await
}

/// Rows that were deleted; their chunks may be nobody's now.
pub(crate) async fn dropped(
    connection: &mut PgConnection,
    rows: Vec<StoredCheckpoint>,
) -> Result<Vec<CheckpointRow>, StoreError> {
    let rows = rows.into_iter().map(StoredCheckpoint::read).collect::<Result<Vec<_>, _>>()?;
    dropped::note(connection, &rows).await?;
    Ok(rows)
}
