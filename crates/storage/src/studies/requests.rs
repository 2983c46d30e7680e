//! Requests: the answer to a submission is kept, so that its repeat answers the same.

use std::collections::BTreeMap;

use selffer_core::ids::{Digest, JobKey, StudyId};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Submission, Submitted, content};
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
    submission: &Submission<'_>,
    body: Digest,
) -> Result<Submitted, StoreError> {
    let request_id = submission.request_id;
    let answer = sqlx::query!(
        r#"SELECT r.body_digest, s.study_id, s.name, r.existed, r.jobs, r.shared, r.succeeded, r.added, r.reopened
           FROM requests r JOIN studies s USING (study_id)
           WHERE r.request_id = $1"#,
        request_id,
    );
    let answer = answer.fetch_one(&mut *connection).await?;
    if digest(&answer.body_digest)? != body {
        let networks = content::networks_of(connection, StudyId(answer.study_id)).await?;
        let difference = difference(submission, &answer.name, &networks);
        return Err(StoreError::RequestReused { request_id, difference });
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

/// In what a submission differs from the one that had its request id, as far as can be told from
/// the study that came of that.
fn difference(submission: &Submission<'_>, study: &str, networks: &BTreeMap<String, JobKey>) -> String {
    if submission.study.name.as_str() != study {
        return format!("it was for study {study}, now for {}", submission.study.name);
    }
    match content::difference(networks, &submission.study.cells) {
        same if same.is_empty() => "the priority, or whether it extends the study".to_owned(),
        difference => difference,
    }
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
