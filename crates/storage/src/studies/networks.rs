//! A study's networks: which job each of its names stands for, in the order of its grids.

use std::collections::{BTreeMap, BTreeSet};

use selffer_core::{
    grid::Cell,
    ids::{JobKey, StudyId},
};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{ROWS_PER_STATEMENT, Submission, jobs_of::Placed};
use crate::StoreError;

/// Stores the networks that the study does not have yet, and a note in each one's history.
/// Returns how many. One that it has under another name keeps that.
pub(super) async fn insert_new(
    connection: &mut PgConnection,
    submission: &Submission<'_>,
    study_id: StudyId,
    known: Option<&BTreeMap<String, JobKey>>,
    placed: &[Placed],
) -> Result<u32, StoreError> {
    let has: BTreeSet<&JobKey> = known.into_iter().flat_map(BTreeMap::values).collect();
    let cells = submission.study.cells.iter().zip(placed);
    let new: Vec<(&Cell, &Placed)> = cells.filter(|(cell, _)| !has.contains(&cell.key)).collect();
    for (batch, chunk) in new.chunks(ROWS_PER_STATEMENT).enumerate() {
        let position = has.len() + batch * ROWS_PER_STATEMENT;
        insert(connection, submission, (study_id, position as i64), chunk).await?;
    }
    if known.is_some() {
        note_listed(connection, study_id, submission.study.cells.iter().zip(placed)).await?;
    }
    Ok(new.len() as u32)
}

/// At this place of this study and after it.
async fn insert(
    connection: &mut PgConnection,
    submission: &Submission<'_>,
    (study_id, position): (StudyId, i64),
    new: &[(&Cell, &Placed)],
) -> Result<(), StoreError> {
    let jobs: Vec<Uuid> = new.iter().map(|(_, placed)| placed.job_id.0).collect();
    let names: Vec<String> = new.iter().map(|(cell, _)| cell.name.clone()).collect();
    let treatments: Vec<String> = new.iter().map(|(cell, _)| cell.treatment_name.to_string()).collect();
    let added: Vec<bool> = new.iter().map(|(cell, _)| cell.added_as_source).collect();
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
        position,
        submission.study.name.as_str(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// A network that was only a source before, and that a grid now lists, is one of its own.
async fn note_listed<'a>(
    connection: &mut PgConnection,
    study_id: StudyId,
    cells: impl Iterator<Item = (&'a Cell, &'a Placed)>,
) -> Result<(), StoreError> {
    let listed: Vec<Uuid> =
        cells.filter(|(cell, _)| !cell.added_as_source).map(|(_, placed)| placed.job_id.0).collect();
    sqlx::query!(
        r#"UPDATE study_jobs
           SET added_as_source = false
           WHERE study_id = $1
             AND job_id = ANY($2)
             AND added_as_source"#,
        study_id.0,
        &listed,
    )
    .execute(connection)
    .await?;
    Ok(())
}
