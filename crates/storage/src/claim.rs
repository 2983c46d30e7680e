//! Who speaks: the claim and session that every message of a worker about a job carries.

use std::collections::HashSet;

use selffer_core::{ids::SessionId, job::Job};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    StoreError,
    jobs::{self, Loaded},
    rollback,
};

pub use selffer_core::ids::Claim;

/// The error for a token that is not current.
pub(crate) fn stale(claim: Claim) -> StoreError {
    StoreError::StaleClaim { job_id: claim.job_id, claim_id: claim.claim_id }
}

/// Whether the job is leased under this very token.
pub(crate) fn is_current(claim: Claim, job: &Job) -> bool {
    job.state.lease().is_some_and(|lease| lease.claim_id == claim.claim_id)
}

/// A claim, and the session that says it holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Holder {
    /// The session.
    pub session_id: SessionId,
    /// What it holds.
    pub claim: Claim,
}

/// Locks the holder's job for this transaction, if it really holds it.
///
/// A silent session still holds its jobs: a late result is accepted while nobody else has
/// the job. A superseded one does not.
pub(crate) async fn lock_held(connection: &mut PgConnection, holder: &Holder) -> Result<Loaded, StoreError> {
    let claim = holder.claim;
    let loaded = jobs::lock(connection, claim.job_id).await?.ok_or_else(|| stale(claim))?;
    let lease = loaded.job.state.lease().filter(|lease| lease.claim_id == claim.claim_id);
    let Some(lease) = lease else { return Err(over_or_unknown(connection, claim).await?) };
    if lease.session_id != holder.session_id || !is_open(connection, holder.session_id).await? {
        return Err(StoreError::SessionEnded { session_id: holder.session_id });
    }
    Ok(loaded)
}

/// Why a token is not current: its claim has ended, or the database has never seen it.
pub(crate) async fn over_or_unknown(
    connection: &mut PgConnection,
    claim: Claim,
) -> Result<StoreError, StoreError> {
    let Claim { job_id, claim_id } = claim;
    let is_unknown = rollback::is_unknown(connection, claim).await?;
    Ok(if is_unknown { StoreError::ClaimUnknown { job_id, claim_id } } else { stale(claim) })
}

async fn is_open(connection: &mut PgConnection, session_id: SessionId) -> Result<bool, StoreError> {
    Ok(open_sessions(connection, &[session_id]).await?.contains(&session_id))
}

/// Which of these sessions are open.
pub(crate) async fn open_sessions(
    connection: &mut PgConnection,
    session_ids: &[SessionId],
) -> Result<HashSet<SessionId>, StoreError> {
    let session_ids: Vec<Uuid> = session_ids.iter().map(|session_id| session_id.0).collect();
    let open = sqlx::query_scalar!(
        r#"SELECT session_id
           FROM sessions
           WHERE session_id = ANY($1)
             AND ended_at IS NULL"#,
        &session_ids,
    );
    Ok(open.fetch_all(connection).await?.into_iter().map(SessionId).collect())
}
