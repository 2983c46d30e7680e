//! Heartbeats: a session renews, says what it holds, and hears what is still its own.
//!
//! They have a pool of connections to themselves and touch only narrow rows, so that a busy
//! database never looks like a dead fleet. The renewal commits by itself, before anything
//! about single jobs can go wrong. Renewals and progress do not wait for the disk: a database
//! that crashes forgets those of the last moment (0.6 s, by PostgreSQL's defaults), and the next
//! heartbeat says it all again.

use selffer_core::{
    ids::{JobId, SessionId},
    job::{Event, Phase, StateKind},
    outcome::MetricPoint,
};
use sqlx::PgConnection;

use crate::{
    Claim, Store, StoreError,
    changes::{self, Changed},
    convert::{phase_name, to_i32, to_i64},
    jobs, metrics,
};

pub use selffer_core::lease::Verdict;

/// What a daemon says about one job that it holds.
#[derive(Clone, Debug)]
pub struct InventoryItem {
    /// The job and its token.
    pub claim: Claim,
    /// What it is doing.
    pub phase: Option<Phase>,
    /// Updates done.
    pub iteration: u32,
    /// Training images a second; 0 when not training.
    pub images_per_s: f32,
    /// Seconds since it last got further.
    pub progress_age_s: f32,
    /// Chunks or test batches done in this phase.
    pub phase_done: u64,
    /// Points that are not acknowledged yet, oldest first.
    pub metrics: Vec<MetricPoint>,
}

/// The answer about one job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobVerdict {
    /// The job and its token.
    pub claim: Claim,
    /// Whether to go on.
    pub verdict: Verdict,
    /// Every point with a smaller sequence is stored.
    pub metrics_stored: u32,
}

/// The answer to a heartbeat.
#[derive(Clone, Debug, Default)]
pub struct HeartbeatAnswer {
    /// One for each item of the inventory, in its order.
    pub verdicts: Vec<JobVerdict>,
    /// Jobs that became ready: an earlier daemon of the node had them and this one has not.
    pub made_ready: u32,
    /// Every worker of the session is set aside: it is to claim nothing.
    pub drain: bool,
}

impl Store {
    /// Renews a session and all it holds, and stores its progress and metrics. A silent
    /// session comes back to life, and takes back what nobody else has taken. The first
    /// heartbeat of a node's new session must list what it goes on with from the one before.
    ///
    /// # Errors
    /// The session has ended or was never opened.
    pub async fn heartbeat(
        &self,
        session_id: SessionId,
        inventory: &[InventoryItem],
    ) -> Result<HeartbeatAnswer, StoreError> {
        let (inherits, drain) = self.renew(session_id).await?;
        let mut answer = HeartbeatAnswer { drain, ..HeartbeatAnswer::default() };
        for item in inventory {
            answer.verdicts.push(self.judge(session_id, item).await?);
        }
        // In a freeze nothing is lost for certain; a later heartbeat asks again.
        if inherits && self.freeze().await?.is_none() {
            answer.made_ready = self.lose_left_behind(session_id).await?;
        }
        Ok(answer)
    }

    /// Whether the session inherits, and whether all its workers are set aside; nearly always
    /// nobody is, which costs one look into an empty index.
    async fn renew(&self, session_id: SessionId) -> Result<(bool, bool), StoreError> {
        let renewed = sqlx::query!(
            r#"WITH living AS (
                   SELECT session_id
                   FROM sessions
                   WHERE session_id = $1
                     AND ended_at IS NULL),
               revived AS (
                   UPDATE sessions
                   SET expired_at = NULL
                   WHERE session_id = $1
                     AND ended_at IS NULL
                     AND expired_at IS NOT NULL)
               UPDATE heartbeats
               SET last_at = clock_timestamp()
               FROM living
               WHERE heartbeats.session_id = living.session_id
               RETURNING inherits,
                   EXISTS (SELECT 1 FROM set_aside WHERE ended_at IS NULL)
                   AND NOT EXISTS (
                       SELECT 1
                       FROM workers w
                       WHERE w.session_id = $1
                         AND NOT EXISTS (
                             SELECT 1
                             FROM set_aside a
                             WHERE a.ended_at IS NULL
                               AND a.name IN (w.worker, split_part(w.worker, '/', 1)))) AS "drain!",
                   -- For this transaction, which is this statement.
                   set_config('synchronous_commit', 'off', true) AS "unwaited!""#,
            session_id.0,
        );
        let renewed = renewed.fetch_optional(&self.heartbeats).await?;
        let renewed = renewed.ok_or(StoreError::SessionEnded { session_id })?;
        Ok((renewed.inherits, renewed.drain))
    }

    async fn judge(&self, session_id: SessionId, item: &InventoryItem) -> Result<JobVerdict, StoreError> {
        let claim = item.claim;
        let mut noted = self.note_progress(session_id, item).await?;
        if noted.is_none() && self.take_back(session_id, claim).await? {
            noted = self.note_progress(session_id, item).await?;
        }
        // A database that is older than the fleet: the job goes on, or its worker ends it.
        if noted.is_none() && self.meet_unknown(session_id, claim).await? == Some(true) {
            noted = self.note_progress(session_id, item).await?;
        }
        let Some(verdict) = noted else {
            return Ok(JobVerdict { claim, verdict: Verdict::Revoked, metrics_stored: 0 });
        };
        let metrics_stored = metrics::store(&self.heartbeats, claim, &item.metrics).await?;
        Ok(JobVerdict { claim, verdict, metrics_stored })
    }

    /// Stores where a job is, and says whether it may go on; nothing if it is not this
    /// session's, or is suspect.
    async fn note_progress(
        &self,
        session_id: SessionId,
        item: &InventoryItem,
    ) -> Result<Option<Verdict>, StoreError> {
        let noted = sqlx::query!(
            r#"INSERT INTO progress AS known (job_id, claim_id, phase, iteration, images_per_s,
                   progress_age_s, phase_done, reported_at)
               SELECT job_id, claim_id, $4, $5, $6, $7, $8, clock_timestamp()
               FROM jobs
               WHERE job_id = $1
                 AND claim_id = $2
                 AND session_id = $3
                 AND state IN ('leased', 'running')
               ON CONFLICT (job_id) DO UPDATE
               SET claim_id = EXCLUDED.claim_id, phase = EXCLUDED.phase, iteration = EXCLUDED.iteration,
                   images_per_s = EXCLUDED.images_per_s, progress_age_s = EXCLUDED.progress_age_s,
                   phase_done = EXCLUDED.phase_done, reported_at = EXCLUDED.reported_at
               RETURNING COALESCE(
                   (SELECT j.withdrawn_at IS NOT NULL OR j.hold_asked IS NOT NULL OR EXISTS (
                           SELECT 1
                           FROM set_aside a
                           WHERE a.ended_at IS NULL
                             AND a.at_once
                             AND a.name IN (j.worker, split_part(j.worker, '/', 1)))
                       FROM jobs j
                       WHERE j.job_id = known.job_id), false)
                   AS "withdrawn!",
                   -- For this transaction, which is this statement.
                   set_config('synchronous_commit', 'off', true) AS "unwaited!""#,
            item.claim.job_id.0,
            &item.claim.claim_id.0[..],
            session_id.0,
            item.phase.map(phase_name),
            to_i32("iteration", item.iteration)?,
            item.images_per_s,
            item.progress_age_s,
            to_i64("phase_done", item.phase_done)?,
        );
        let noted = noted.fetch_optional(&self.heartbeats).await?;
        Ok(noted.map(|noted| if noted.withdrawn { Verdict::Cancel } else { Verdict::Ok }))
    }

    /// The worker still has a job that was suspect, or has it from the node's earlier session.
    async fn take_back(&self, session_id: SessionId, claim: Claim) -> Result<bool, StoreError> {
        let mut tx = self.main.begin().await?;
        let Some(loaded) = jobs::lock(&mut tx, claim.job_id).await? else { return Ok(false) };
        let Some(lease) = loaded.job.state.lease().filter(|_| crate::claim::is_current(claim, &loaded.job))
        else {
            return Ok(false);
        };
        let may = lease.session_id == session_id || {
            let succeeds = sqlx::query_scalar!(
                r#"SELECT 1 AS "succeeds!"
                   FROM sessions before JOIN sessions now USING (node)
                   WHERE before.session_id = $1
                     AND before.ended_at IS NOT NULL
                     AND now.session_id = $2
                     AND now.ended_at IS NULL"#,
                lease.session_id.0,
                session_id.0,
            );
            succeeds.fetch_optional(&mut *tx).await?.is_some()
        };
        if may {
            let event = Event::WorkerReturned { claim_id: claim.claim_id, session_id };
            changes::change(&mut tx, &self.policy, loaded, &event).await?;
            hand_over(&mut tx, session_id, claim).await?;
            tx.commit().await?;
        }
        Ok(may)
    }

    /// What the node's earlier sessions held and this one did not take over is lost for certain.
    async fn lose_left_behind(&self, session_id: SessionId) -> Result<u32, StoreError> {
        let left = sqlx::query_scalar!(
            r#"SELECT j.job_id
               FROM jobs j
               JOIN sessions before ON before.session_id = j.session_id
               JOIN sessions now ON now.node = before.node
               WHERE now.session_id = $1
                 AND before.ended_at IS NOT NULL
               ORDER BY j.job_id"#,
            session_id.0,
        );
        let mut made_ready = 0;
        for job_id in left.fetch_all(&self.main).await? {
            made_ready += self.lose_if_suspect(JobId(job_id)).await?.made_ready;
        }
        sqlx::query!("UPDATE heartbeats SET inherits = false WHERE session_id = $1", session_id.0)
            .execute(&self.heartbeats)
            .await?;
        Ok(made_ready)
    }

    /// Takes a suspect job from its worker for good.
    pub(crate) async fn lose_if_suspect(&self, job_id: JobId) -> Result<Changed, StoreError> {
        let mut tx = self.begin_leading().await?;
        let Some(loaded) = jobs::lock(&mut tx, job_id).await? else { return Ok(Changed::default()) };
        let suspect = loaded.job.state.kind() == StateKind::Suspect;
        let Some(lease) = loaded.job.state.lease().filter(|_| suspect) else { return Ok(Changed::default()) };
        let event = Event::WorkerLost { claim_id: lease.claim_id };
        let changed = changes::change(&mut tx, &self.policy, loaded, &event).await?;
        let changed = self.hold_if_poison(&mut tx, job_id, changed).await?;
        tx.commit().await?;
        Ok(changed)
    }
}

/// The attempt is this session's from now on, on the device that its worker has there.
async fn hand_over(
    connection: &mut PgConnection,
    session_id: SessionId,
    claim: Claim,
) -> Result<(), StoreError> {
    sqlx::query!(
        r#"UPDATE attempts a
           SET session_id = $2,
               device_kind = COALESCE((
                   SELECT w.device_kind
                   FROM workers w
                   WHERE w.session_id = $2 AND w.worker = a.worker), a.device_kind)
           WHERE a.claim_id = $1
             AND a.session_id <> $2"#,
        &claim.claim_id.0[..],
        session_id.0,
    )
    .execute(connection)
    .await?;
    Ok(())
}
