//! Sessions: one running daemon each, with its workers.
//!
//! A node has one session at a time. A second one supersedes the first, whose jobs become
//! suspect; the first heartbeat of the new one says which of them it has taken over.

use selffer_core::{
    ids::{Name, SessionId},
    job::{Event, GiveBackReason, StateKind},
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    Store, StoreError,
    acts::release_replaced,
    changes,
    convert::{to_i32, to_i64},
    jobs,
};

/// A daemon that has started.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Minted by the daemon.
    pub session_id: SessionId,
    /// The machine's name.
    pub node: Name,
    /// Its devices; the caller has checked their names and count.
    pub devices: Vec<Device>,
    /// What it speaks.
    pub protocol_version: u32,
    /// For people.
    pub program_version: String,
}

/// A device of a session.
#[derive(Clone, Debug)]
pub struct Device {
    /// `NODE/cpu0`, `NODE/gpu0`.
    pub worker: String,
    /// Instruction-set level, or the GPU's model.
    pub kind: String,
    /// CPU threads; 0 on a GPU.
    pub threads: u32,
    /// Its memory.
    pub memory_bytes: u64,
}

impl Store {
    /// Opens a session and supersedes the node's earlier one. Repeating it changes nothing.
    ///
    /// # Errors
    /// [`StoreError::SessionEnded`] if this very session was closed or superseded meanwhile.
    pub async fn open_session(&self, new: &NewSession) -> Result<(), StoreError> {
        let mut tx = self.main.begin().await?;
        if exists(&mut tx, new.session_id).await? {
            return Ok(());
        }
        let inherits = self.supersede(&mut tx, &new.node).await?;
        insert(&mut tx, new).await?;
        insert_workers(&mut tx, new).await?;
        // Apart from the session, so that a heartbeat rewrites only this.
        sqlx::query!(
            r#"INSERT INTO heartbeats (session_id, last_at, inherits)
               VALUES ($1, clock_timestamp(), $2)"#,
            new.session_id.0,
            inherits,
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Ends a session in good order. Jobs that it still holds are given back. Returns how many
    /// jobs became ready; a repeat changes nothing.
    ///
    /// # Errors
    /// The database.
    pub async fn close_session(&self, session_id: SessionId) -> Result<u32, StoreError> {
        let mut tx = self.main.begin().await?;
        let ended = sqlx::query!(
            r#"UPDATE sessions
               SET ended_at = clock_timestamp(), end_reason = 'closed'
               WHERE session_id = $1
                 AND ended_at IS NULL"#,
            session_id.0,
        );
        if ended.execute(&mut *tx).await?.rows_affected() == 0 {
            return Ok(0);
        }
        let mut made_ready = 0;
        for job_id in jobs::held_by(&mut tx, session_id).await? {
            let Some(loaded) = jobs::lock(&mut tx, job_id).await? else { continue };
            let Some(lease) = loaded.job.state.lease().filter(|lease| lease.session_id == session_id) else {
                continue;
            };
            let (claim_id, reason) = (lease.claim_id, GiveBackReason::WorkerStopping);
            let event = Event::GivenBack { claim_id, reason };
            made_ready += changes::change(&mut tx, &self.policy, loaded, &event).await?.made_ready;
        }
        tx.commit().await?;
        Ok(made_ready)
    }

    /// Ends the node's living session; its jobs become suspect. Whether it had any.
    async fn supersede(&self, connection: &mut PgConnection, node: &Name) -> Result<bool, StoreError> {
        // At most one, by index `sessions_one_per_node`.
        let before = sqlx::query_scalar!(
            r#"UPDATE sessions
               SET ended_at = clock_timestamp(), end_reason = 'superseded'
               WHERE node = $1
                 AND ended_at IS NULL
               RETURNING session_id"#,
            node.as_str(),
        );
        let Some(before) = before.fetch_optional(&mut *connection).await?.map(SessionId) else {
            return Ok(false);
        };
        self.suspect_jobs_of(connection, before).await?;
        Ok(!jobs::held_by(connection, before).await?.is_empty())
    }

    /// Every job that a session holds becomes suspect; returns how many did.
    pub(crate) async fn suspect_jobs_of(
        &self,
        connection: &mut PgConnection,
        session_id: SessionId,
    ) -> Result<u32, StoreError> {
        let mut suspected = 0;
        for job_id in jobs::held_by(connection, session_id).await? {
            let Some(loaded) = jobs::lock(connection, job_id).await? else { continue };
            let Some(lease) = loaded.job.state.lease().filter(|lease| lease.session_id == session_id) else {
                continue;
            };
            let claim_id = lease.claim_id;
            if loaded.job.state.kind() != StateKind::Suspect {
                changes::change(connection, &self.policy, loaded, &Event::SessionExpired { claim_id })
                    .await?;
                suspected += 1;
            }
        }
        Ok(suspected)
    }
}

async fn exists(connection: &mut PgConnection, session_id: SessionId) -> Result<bool, StoreError> {
    let ended = sqlx::query_scalar!(
        r#"SELECT ended_at IS NOT NULL AS "ended!"
           FROM sessions
           WHERE session_id = $1"#,
        session_id.0,
    );
    match ended.fetch_optional(connection).await? {
        Some(true) => Err(StoreError::SessionEnded { session_id }),
        Some(false) => Ok(true),
        None => Ok(false),
    }
}

async fn insert(connection: &mut PgConnection, new: &NewSession) -> Result<(), StoreError> {
    sqlx::query!(
        r#"INSERT INTO sessions (session_id, node, protocol_version, program_version)
           VALUES ($1, $2, $3, $4)"#,
        new.session_id.0,
        new.node.as_str(),
        to_i32("protocol version", new.protocol_version)?,
        new.program_version,
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert_workers(connection: &mut PgConnection, new: &NewSession) -> Result<(), StoreError> {
    let workers: Vec<String> = new.devices.iter().map(|device| device.worker.clone()).collect();
    let kinds: Vec<String> = new.devices.iter().map(|device| device.kind.clone()).collect();
    let threads = new.devices.iter().map(|device| to_i32("threads", device.threads));
    let bytes = new.devices.iter().map(|device| to_i64("memory", device.memory_bytes));
    let session: Uuid = new.session_id.0;
    release_replaced(connection, &workers, &kinds).await?;
    sqlx::query!(
        r#"INSERT INTO workers (session_id, worker, device_kind, threads, memory_bytes)
           SELECT $1, worker, device_kind, threads, memory_bytes
           FROM UNNEST($2::text[], $3::text[], $4::integer[], $5::bigint[])
               AS new (worker, device_kind, threads, memory_bytes)"#,
        session,
        &workers,
        &kinds,
        &threads.collect::<Result<Vec<_>, _>>()?,
        &bytes.collect::<Result<Vec<_>, _>>()?,
    )
    .execute(connection)
    .await?;
    Ok(())
}
