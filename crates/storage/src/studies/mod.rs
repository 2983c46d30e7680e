//! Studies: submitted in one transaction, once, however often the request is repeated.
//!
//! A study is the same as another if its networks have the same names and keys; comments and
//! the order of keys in the file do not count. Its jobs are shared with every study that
//! wants the same networks. What had failed, been cancelled or held is opened again: a
//! submission is an explicit act.

mod jobs_of;

use std::collections::BTreeMap;

use selffer_core::{
    grid::{Cell, Study},
    identity::canonical_json,
    ids::{Digest, JobKey, StudyId},
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    Store, StoreError,
    convert::{digest, from_i32, job_key, to_i32},
};
use jobs_of::Placed;

/// How many differing networks a conflict names.
const DIFFERENCES_NAMED_MAX: usize = 3;
/// Rows that one statement writes.
const ROWS_PER_STATEMENT: usize = 5_000;

/// A study that somebody submits.
#[derive(Clone, Copy, Debug)]
pub struct Submission<'a> {
    /// Minted by the client; a repeat carries the same.
    pub request_id: Uuid,
    /// Expanded on the pack's real facts.
    pub study: &'a Study,
    /// The pack's digest.
    pub pack: Digest,
    /// As the person wrote it.
    pub grid_yaml: &'a str,
}

/// What a submission came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// The study's name.
    pub study: String,
    /// The same study was there.
    pub existed: bool,
    /// Its networks.
    pub jobs: u32,
    /// Of those, jobs that were there before.
    pub shared: u32,
    /// Of those, trained already.
    pub succeeded: u32,
}

impl Store {
    /// Stores a study and its jobs, or finds it there. Wake the dispatcher afterwards.
    ///
    /// # Errors
    /// The name belongs to a study with other networks, or the request id to another request.
    pub async fn submit(&self, submission: &Submission<'_>) -> Result<Submitted, StoreError> {
        let study = submission.study;
        let content = content_digest(study);
        let body = Digest::of(format!("{}\n{content}", study.name).as_bytes());
        let mut tx = self.main.begin().await?;
        if !take_request(&mut tx, submission.request_id, body).await? {
            return answer_again(&mut tx, submission.request_id, body).await;
        }
        let (study_id, existed) = match insert(&mut tx, submission, content).await? {
            Some(study_id) => (study_id, false),
            None => (check_same(&mut tx, study, content).await?, true),
        };
        let placed = self.place_jobs(&mut tx, &study.cells).await?;
        if !existed {
            insert_cells(&mut tx, study_id, study, &placed).await?;
        }
        let submitted = Submitted {
            study: study.name.to_string(),
            existed,
            jobs: study.cells.len() as u32,
            shared: placed.iter().filter(|placed| placed.was_there).count() as u32,
            succeeded: placed.iter().filter(|placed| placed.succeeded).count() as u32,
        };
        keep_answer(&mut tx, submission.request_id, study_id, &submitted).await?;
        tx.commit().await?;
        Ok(submitted)
    }

    /// A study's row, by name or as `last`.
    pub(crate) async fn study_id(&self, study: &str) -> Result<StudyId, StoreError> {
        let id = sqlx::query_scalar!(
            r#"SELECT study_id
               FROM studies
               WHERE name = $1
                  OR $1 = 'last'
               ORDER BY (name = $1) DESC, created_at DESC
               LIMIT 1"#,
            study,
        );
        let id = id.fetch_optional(&self.main).await?;
        id.map(StudyId).ok_or_else(|| StoreError::NotFound { what: "study", name: study.to_owned() })
    }
}

fn content_digest(study: &Study) -> Digest {
    let by_name: BTreeMap<&str, JobKey> = study.cells.iter().map(|c| (c.name.as_str(), c.key)).collect();
    Digest::of(canonical_json(&by_name).as_bytes())
}

/// Whether the request is new. One that is under way elsewhere is waited for.
async fn take_request(
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

async fn answer_again(
    connection: &mut PgConnection,
    request_id: Uuid,
    body: Digest,
) -> Result<Submitted, StoreError> {
    let answer = sqlx::query!(
        r#"SELECT r.body_digest, s.name, r.existed, r.shared, r.succeeded,
               (SELECT COUNT(*)::integer FROM study_jobs sj WHERE sj.study_id = s.study_id) AS "jobs!"
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
    })
}

async fn keep_answer(
    connection: &mut PgConnection,
    request_id: Uuid,
    study_id: StudyId,
    submitted: &Submitted,
) -> Result<(), StoreError> {
    sqlx::query!(
        r#"UPDATE requests
           SET study_id = $2, existed = $3, shared = $4, succeeded = $5
           WHERE request_id = $1"#,
        request_id,
        study_id.0,
        submitted.existed,
        to_i32("jobs", submitted.shared)?,
        to_i32("jobs", submitted.succeeded)?,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The new study's row; `None` if its name is taken.
async fn insert(
    connection: &mut PgConnection,
    submission: &Submission<'_>,
    content: Digest,
) -> Result<Option<StudyId>, StoreError> {
    let study = submission.study;
    let id = sqlx::query_scalar!(
        r#"INSERT INTO studies (name, dataset, pack_digest, network, grid_yaml, content_digest, created_at)
           VALUES ($1, $2, $3, $4, $5, $6, clock_timestamp())
           ON CONFLICT (name) DO NOTHING
           RETURNING study_id"#,
        study.name.as_str(),
        study.dataset,
        &submission.pack.0[..],
        study.network,
        submission.grid_yaml,
        &content.0[..],
    );
    Ok(id.fetch_optional(connection).await?.map(StudyId))
}

async fn check_same(
    connection: &mut PgConnection,
    study: &Study,
    content: Digest,
) -> Result<StudyId, StoreError> {
    let row =
        sqlx::query!("SELECT study_id, content_digest FROM studies WHERE name = $1", study.name.as_str(),);
    let row = row.fetch_one(&mut *connection).await?;
    if digest(&row.content_digest)? == content {
        return Ok(StudyId(row.study_id));
    }
    let cells = sqlx::query!(
        "SELECT sj.name, j.key FROM study_jobs sj JOIN jobs j USING (job_id) WHERE sj.study_id = $1",
        row.study_id,
    );
    let cells = cells.fetch_all(connection).await?;
    let stored = cells.into_iter().map(|cell| Ok((cell.name, job_key(&cell.key)?)));
    let stored = stored.collect::<Result<BTreeMap<_, _>, StoreError>>()?;
    Err(StoreError::StudyConflict {
        study: study.name.to_string(),
        difference: difference(&stored, &study.cells),
    })
}

/// What differs, in a sentence: `2 networks are new (random-0/A3B, …), 1 has another recipe (…)`.
fn difference(stored: &BTreeMap<String, JobKey>, cells: &[Cell]) -> String {
    let given: BTreeMap<&str, JobKey> = cells.iter().map(|cell| (cell.name.as_str(), cell.key)).collect();
    let new = given.keys().copied().filter(|name| !stored.contains_key(*name)).collect::<Vec<_>>();
    let missing = stored.keys().map(String::as_str).filter(|name| !given.contains_key(name)).collect();
    let changed = given.iter().filter(|(name, key)| stored.get(**name).is_some_and(|known| known != *key));
    let changed = changed.map(|(name, _)| *name).collect();
    let parts = [("new", new), ("missing", missing), ("changed", changed)];
    let told: Vec<String> = parts.iter().filter_map(|(what, names)| tell(what, names)).collect();
    told.join(", ")
}

fn tell(what: &str, names: &[&str]) -> Option<String> {
    let shown = names.get(..names.len().min(DIFFERENCES_NAMED_MAX))?.join(", ");
    let more = if names.len() > DIFFERENCES_NAMED_MAX { ", …" } else { "" };
    match names.len() {
        0 => None,
        1 => Some(format!("1 network is {what} ({shown})")),
        count => Some(format!("{count} networks are {what} ({shown}{more})")),
    }
}

/// The study's networks, in its order, and a note in each job's history.
async fn insert_cells(
    connection: &mut PgConnection,
    study_id: StudyId,
    study: &Study,
    placed: &[Placed],
) -> Result<(), StoreError> {
    for (batch, chunk) in study.cells.chunks(ROWS_PER_STATEMENT).enumerate() {
        let start = batch * ROWS_PER_STATEMENT;
        let jobs: Vec<Uuid> =
            placed[start..start + chunk.len()].iter().map(|placed| placed.job_id.0).collect();
        let names: Vec<String> = chunk.iter().map(|cell| cell.name.clone()).collect();
        let treatments: Vec<String> = chunk.iter().map(|cell| cell.treatment_name.to_owned()).collect();
        let added: Vec<bool> = chunk.iter().map(|cell| cell.added_as_source).collect();
        sqlx::query!(
            r#"WITH new AS (
                   SELECT *
                   FROM UNNEST($2::uuid[], $3::text[], $4::text[], $5::boolean[])
                       WITH ORDINALITY AS cell (job_id, name, treatment, added_as_source, number)),
               noted AS (
                   INSERT INTO events (job_id, at, what, detail)
                   SELECT job_id, clock_timestamp(), 'submitted', 'wanted by study ' || $7
                   FROM new)
               INSERT INTO study_jobs (study_id, position, job_id, name, treatment, added_as_source)
               SELECT $1, $6 + number - 1, job_id, name, treatment, added_as_source
               FROM new"#,
            study_id.0,
            &jobs,
            &names,
            &treatments,
            &added,
            start as i64,
            study.name.as_str(),
        )
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conflict_says_what_differs() {
        assert_eq!(tell("new", &[]), None);
        assert_eq!(tell("missing", &["a"]).unwrap(), "1 network is missing (a)");
        assert_eq!(tell("new", &["a", "b", "c", "d"]).unwrap(), "4 networks are new (a, b, c, …)");
    }
}
