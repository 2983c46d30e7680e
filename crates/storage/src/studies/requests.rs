//! Requests: the answer to a submission is kept, so that its repeat answers the same.

use selffer_core::ids::{Digest, StudyId};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Submission, Submitted};
use crate::{
    StoreError,
    convert::{digest, from_i32, to_i32},
};

/// Equal for equal requests; `content` is of the study.
pub(super) fn body_digest(submission: &Submission<'_>, content: Digest) -> Digest {
    let Submission { study, onto, priority, .. } = submission;
    Digest::of(format!("{}\n{}\n{onto:?}\n{priority:?}", study.name, content).as_bytes())
}

/// Whether the request is new. One that is under way elsewhere is waited for.
pub(super) async fn take(
    connection: &mut PgConnection,
    request_id: Uuid,
    body: Digest,
) -> Result<bool, StoreError> {
    let taken = sqlx::query!(
        r#"INSERT INTO requests (request_id, body_digest)
           VALUES ($1, $2)
           ON CONFLICT (request_id) DO NOTHING"#,
        request_id,
        &body.0[..],
    );
    Ok(taken.execute(connection).await?.rows_affected() == 1)
}

/// What a request was answered.
///
/// # Errors
/// It was another one.
pub(super) async fn answer_again(
    connection: &mut PgConnection,
    request_id: Uuid,
    body: Digest,
) -> Result<Submitted, StoreError> {
    let answer = sqlx::query!(
        r#"SELECT r.body_digest, s.name, r.existed, r.jobs, r.shared, r.succeeded, r.added, r.reopened
           FROM requests r JOIN studies s USING (study_id)
           WHERE r.request_id = $1"#,
        request_id,
    );
    let answer = answer.fetch_one(connection).await?;
    if digest(&answer.body_digest)? != body {
        return Err(StoreError::RequestReused { request_id });
    }
    Ok(Submitted {
        study: answer.name,
        existed: answer.existed,
        jobs: from_i32(answer.jobs),
        shared: from_i32(answer.shared),
        succeeded: from_i32(answer.succeeded),
        added: from_i32(answer.added),
        reopened: from_i32(answer.reopened),
    })
}

/// Keeps the answer with its request.
pub(super) async fn keep_answer(
    connection: &mut PgConnection,
    request_id: Uuid,
    study_id: StudyId,
    submitted: &Submitted,
) -> Result<(), StoreError> {
    sqlx::query!(
        r#"UPDATE requests
           SET study_id = $2, existed = $3, jobs = $4, shared = $5, succeeded = $6, added = $7, reopened = $8
           WHERE request_id = $1"#,
        request_id,
        study_id.0,
        submitted.existed,
        to_i32("jobs", submitted.jobs)?,
        to_i32("jobs", submitted.shared)?,
        to_i32("jobs", submitted.succeeded)?,
        to_i32("jobs", submitted.added)?,
        to_i32("jobs", submitted.reopened)?,
    )
    .execute(connection)
    .await?;
    Ok(())
}
