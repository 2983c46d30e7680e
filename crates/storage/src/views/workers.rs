//! The fleet as lists show it.

use selffer_core::job::Phase;

use crate::{
    SetAside, Store, StoreError,
    convert::{from_i32, phase},
};

/// One worker of a session that has not ended.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkerRow {
    /// `NODE/cpu0`, `NODE/gpu0`.
    pub worker: String,
    /// Instruction-set level, or the GPU's model.
    pub device_kind: String,
    /// CPU threads; 0 on a GPU.
    pub threads: u32,
    /// Whether its session is heard of.
    pub alive: bool,
    /// Seconds since it was.
    pub silent_s: f64,
    /// `STUDY:NAME` of what it runs, in the newest study that wants that.
    pub job: Option<String>,
    /// What it is doing.
    pub phase: Option<Phase>,
    /// Training images a second; 0 when not training.
    pub images_per_s: f32,
    /// Its program's version.
    pub version: String,
    /// That it is handed nothing, and why.
    pub set_aside: Option<SetAside>,
}

impl Store {
    /// All workers of sessions that have not ended, by name. One that has been silent for a
    /// day is left out.
    ///
    /// # Errors
    /// The database.
    pub async fn workers(&self) -> Result<Vec<WorkerRow>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT w.worker, w.device_kind, w.threads, s.program_version,
                   s.expired_at IS NULL AS "alive!",
                   EXTRACT(EPOCH FROM clock_timestamp() - h.last_at)::double precision AS "silent_s!",
                   (SELECT st.name || ':' || sj.name
                       FROM study_jobs sj JOIN studies st USING (study_id)
                       WHERE sj.job_id = job.job_id
                       ORDER BY st.created_at DESC
                       LIMIT 1) AS job,
                   aside.kind AS "aside_kind?", aside.reason AS "aside_reason?", aside.actor AS "aside_actor?",
                   aside.since AS "aside_since?", aside.at_once AS "at_once?",
                   p.phase AS "phase?", COALESCE(p.images_per_s, 0) AS "images_per_s!"
               FROM sessions s
               JOIN heartbeats h USING (session_id)
               JOIN workers w USING (session_id)
               LEFT JOIN LATERAL (
                   SELECT j.job_id, j.claim_id
                   FROM jobs j
                   WHERE j.session_id = w.session_id AND j.worker = w.worker
                   LIMIT 1) AS job ON true
               LEFT JOIN progress p ON p.job_id = job.job_id AND p.claim_id = job.claim_id
               LEFT JOIN LATERAL (
                   SELECT a.kind, a.reason, a.actor, a.since, a.at_once
                   FROM set_aside a
                   WHERE a.ended_at IS NULL AND a.name IN (w.worker, s.node)
                   ORDER BY a.kind DESC, a.at_once DESC
                   LIMIT 1) AS aside ON true
               WHERE s.ended_at IS NULL
                 AND h.last_at > clock_timestamp() - interval '1 day'
               ORDER BY w.worker"#,
        );
        let rows = rows.fetch_all(&self.main).await?;
        let workers = rows.into_iter().map(|row| {
            let set_aside = row.aside_kind.zip(row.aside_since).map(|(kind, since)| SetAside {
                kind,
                reason: row.aside_reason.unwrap_or_default(),
                actor: row.aside_actor.unwrap_or_default(),
                since,
                at_once: row.at_once.unwrap_or_default(),
            });
            Ok(WorkerRow {
                worker: row.worker,
                device_kind: row.device_kind,
                threads: from_i32(row.threads),
                alive: row.alive,
                silent_s: row.silent_s,
                job: row.job,
                phase: row.phase.as_deref().map(phase).transpose()?,
                images_per_s: row.images_per_s,
                version: row.program_version,
                set_aside,
            })
        });
        workers.collect()
    }
}
