//! Studies: submitted in one transaction, once, however often the request is repeated.
//!
//! A study is the same as another if its networks have the same names and keys; comments and
//! the order of keys in the file do not count. A study that was extended is the same as each
//! grid that it was made of. Its jobs are shared with every study that wants the same
//! networks. What had failed, been cancelled or held is opened again: a submission is an
//! explicit act, and makes the study active, whatever had been done to it.

mod content;
mod interest;
mod jobs_of;
mod networks;
mod reopen;
mod requests;

use std::collections::BTreeMap;

use selffer_core::{
    grid::Study,
    ids::{Digest, JobKey, StudyId},
    interest::Interest,
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Store, StoreError, again::again};
pub use reopen::Reopen;

pub(crate) use interest::{
    LockedStudy, let_go_on, lock_jobs_of, lock_study, note, set_interest, set_priority, settle, unwanted,
    want_again,
};

/// Rows that one statement writes.
pub(crate) const ROWS_PER_STATEMENT: usize = 5_000;

/// A study that somebody submits.
#[derive(Clone, Copy, Debug)]
pub struct Submission<'a> {
    /// Minted by the client; a repeat carries the same.
    pub request_id: Uuid,
    /// Expanded on the pack's real facts, under the name that it is to have.
    pub study: &'a Study,
    /// The pack's digest.
    pub pack: Digest,
    /// As the person wrote it.
    pub grid_yaml: &'a str,
    /// What it names beside itself, by path as written.
    pub files: &'a BTreeMap<String, String>,
    /// What to do if the study is there with other networks.
    pub onto: Onto,
    /// More is sooner; none keeps a study's own, and is 0 for a new one.
    pub priority: Option<i32>,
    /// Who submits.
    pub actor: &'a str,
}

/// What a submission is put onto.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Onto {
    /// A new study, or the same one.
    Same,
    /// A study that is there, and gets the networks that are new.
    Extended,
}

/// What a submission came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// The study's name.
    pub study: String,
    /// All these networks were in the study.
    pub existed: bool,
    /// Networks of the study now.
    pub jobs: u32,
    /// Of those submitted, jobs that were there before.
    pub shared: u32,
    /// Of those submitted, trained already.
    pub succeeded: u32,
    /// Networks that an extension brought to the study.
    pub added: u32,
    /// Jobs that had failed, been cancelled or held, and start anew.
    pub reopened: u32,
}

/// The study of a submission.
struct Target {
    study_id: StudyId,
    /// Its interest and its networks before; none of a new study.
    before: Option<(Interest, BTreeMap<String, JobKey>)>,
    /// Its priority from now on.
    priority: i32,
}

impl Store {
    /// Stores a study and its jobs, or finds or extends it. Wake the dispatcher afterwards.
    ///
    /// # Errors
    /// The name belongs to a study with other networks, the request id to another request, or
    /// there is no study to extend.
    pub async fn submit(&self, submission: &Submission<'_>) -> Result<Submitted, StoreError> {
        let content = content::content_digest(submission.study);
        again(|| self.try_submit(submission, content)).await
    }

    async fn try_submit(
        &self,
        submission: &Submission<'_>,
        content: Digest,
    ) -> Result<Submitted, StoreError> {
        let study = submission.study;
        let body = requests::body_digest(submission, content);
        let mut tx = self.main.begin().await?;
        if !requests::take(&mut tx, submission.request_id, body).await? {
            return requests::answer_again(&mut tx, submission, body).await;
        }
        let target = find_or_insert(&mut tx, submission, content).await?;
        let placed = jobs_of::place_jobs(&mut tx, &study.cells, target.priority).await?;
        let known = target.before.as_ref().map(|(_, networks)| networks);
        let added = networks::insert_new(&mut tx, submission, target.study_id, known, &placed).await?;
        let submitted: Vec<Uuid> = placed.iter().map(|placed| placed.job_id.0).collect();
        let reopened = self.revive(&mut tx, submission, &target, submitted).await?;
        let submitted = Submitted {
            study: study.name.to_string(),
            existed: known.is_some() && added == 0,
            jobs: added + known.map_or(0, |networks| networks.len() as u32),
            shared: placed.iter().filter(|placed| placed.was_there).count() as u32,
            succeeded: placed.iter().filter(|placed| placed.succeeded).count() as u32,
            added: if known.is_some() { added } else { 0 },
            reopened,
        };
        requests::keep_answer(&mut tx, submission.request_id, target.study_id, &submitted).await?;
        tx.commit().await?;
        Ok(submitted)
    }

    /// Makes the study active, and opens again what was submitted; all of a study that was
    /// given up. Returns how many jobs start anew.
    async fn revive(
        &self,
        connection: &mut PgConnection,
        submission: &Submission<'_>,
        target: &Target,
        submitted: Vec<Uuid>,
    ) -> Result<u32, StoreError> {
        let study_id = target.study_id;
        let was = target.before.as_ref().map(|(interest, _)| *interest);
        if was.is_some_and(|was| was != Interest::Active) {
            set_interest(connection, study_id, Interest::Active, "").await?;
        }
        if was.is_some() {
            set_priority(connection, study_id, target.priority).await?;
        }
        let given_up = was.is_some_and(|was| !was.keeps_jobs());
        // Also the study's other jobs have its interest and priority.
        let all = if was.is_some() { lock_jobs_of(connection, study_id).await? } else { submitted.clone() };
        settle(connection, &all).await?;
        let wanted = if given_up { all } else { submitted };
        want_again(connection, &wanted).await?;
        let_go_on(connection, &wanted).await?;
        let reopened = self.reopen(connection, &wanted, Reopen::Everything).await?;
        let what = match (was, submission.onto) {
            (None, _) => "submitted",
            (Some(_), Onto::Same) => "submitted again",
            (Some(_), Onto::Extended) => "extended",
        };
        let detail = format!("{} networks, {reopened} start anew", submission.study.cells.len());
        note(connection, study_id, submission.actor, (what, &detail)).await?;
        Ok(reopened)
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

/// A row for the new study, or the row that is there, locked and found to be fitting.
async fn find_or_insert(
    connection: &mut PgConnection,
    submission: &Submission<'_>,
    content: Digest,
) -> Result<Target, StoreError> {
    if submission.onto == Onto::Same
        && let Some(study_id) = insert(connection, submission, content).await?
    {
        let priority = submission.priority.unwrap_or(0);
        return Ok(Target { study_id, before: None, priority });
    }
    let found = lock_study_named(connection, submission.study.name.as_str()).await?;
    let networks = content::networks_of(connection, found.study_id).await?;
    match submission.onto {
        Onto::Same => content::check_same(connection, (submission, content), &found, &networks).await?,
        Onto::Extended => content::extend(connection, (submission, content), &found, &networks).await?,
    }
    Ok(Target {
        study_id: found.study_id,
        before: Some((found.interest, networks)),
        priority: submission.priority.unwrap_or(found.priority),
    })
}

// A study may be called `last`; here that is only its name.
async fn lock_study_named(connection: &mut PgConnection, name: &str) -> Result<LockedStudy, StoreError> {
    let found = lock_study(connection, name).await?;
    if found.name == name {
        return Ok(found);
    }
    Err(StoreError::NotFound { what: "study", name: name.to_owned() })
}

/// The new study's row and its grid; `None` if its name is taken.
async fn insert(
    connection: &mut PgConnection,
    submission: &Submission<'_>,
    content: Digest,
) -> Result<Option<StudyId>, StoreError> {
    let study = submission.study;
    let id = sqlx::query_scalar!(
        r#"INSERT INTO studies (name, dataset, pack_digest, network, priority, created_at, interest_since)
           VALUES ($1, $2, $3, $4, $5, clock_timestamp(), clock_timestamp())
           ON CONFLICT (name) DO NOTHING
           RETURNING study_id"#,
        study.name.as_str(),
        study.dataset,
        &submission.pack.0[..],
        study.network,
        submission.priority.unwrap_or(0),
    );
    let Some(study_id) = id.fetch_optional(&mut *connection).await?.map(StudyId) else { return Ok(None) };
    content::remember(connection, (submission, content), study_id).await?;
    Ok(Some(study_id))
}
