//! What a study consists of: its networks by name and key, and the grids that it was made of.

use std::collections::BTreeMap;

use selffer_core::{
    grid::{Cell, Study},
    identity::canonical_json,
    ids::{Digest, JobKey, StudyId},
};
use sqlx::{PgConnection, types::Json};

use super::{LockedStudy, Submission};
use crate::{
    StoreError,
    convert::{digest, job_key},
};

/// How many differing networks a conflict names.
const DIFFERENCES_NAMED_MAX: usize = 3;

/// Over the names and keys of a study's cells.
pub(super) fn content_digest(study: &Study) -> Digest {
    let by_name: BTreeMap<&str, JobKey> = study.cells.iter().map(|c| (c.name.as_str(), c.key)).collect();
    Digest::of(canonical_json(&by_name).as_bytes())
}

/// A study's networks as they are stored.
pub(super) async fn networks_of(
    connection: &mut PgConnection,
    study_id: StudyId,
) -> Result<BTreeMap<String, JobKey>, StoreError> {
    let cells = sqlx::query!(
        "SELECT sj.name, j.key FROM study_jobs sj JOIN jobs j USING (job_id) WHERE sj.study_id = $1",
        study_id.0,
    );
    let cells = cells.fetch_all(connection).await?;
    cells.into_iter().map(|cell| Ok((cell.name, job_key(&cell.key)?))).collect()
}

/// Notes a grid that a study is made of.
pub(super) async fn remember(
    connection: &mut PgConnection,
    (submission, content): (&Submission<'_>, Digest),
    study_id: StudyId,
) -> Result<(), StoreError> {
    sqlx::query!(
        r#"INSERT INTO study_grids (study_id, number, content_digest, grid_yaml, files, submitted_at)
           SELECT $1, COALESCE(MAX(number) + 1, 0), $2::bytea, $3::text, $4::jsonb, clock_timestamp()
           FROM study_grids
           WHERE study_id = $1
           ON CONFLICT (study_id, content_digest) DO NOTHING"#,
        study_id.0,
        &content.0[..],
        submission.grid_yaml,
        Json(submission.files) as _,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Checks that the submitted networks are all of the study's, or those of one of its grids.
pub(super) async fn check_same(
    connection: &mut PgConnection,
    (submission, content): (&Submission<'_>, Digest),
    found: &LockedStudy,
    networks: &BTreeMap<String, JobKey>,
) -> Result<(), StoreError> {
    let cells = &submission.study.cells;
    let is_whole = cells.len() == networks.len()
        && cells.iter().all(|cell| networks.get(&cell.name).is_some_and(|key| *key == cell.key));
    if is_whole {
        return Ok(());
    }
    let grids =
        sqlx::query_scalar!("SELECT content_digest FROM study_grids WHERE study_id = $1", found.study_id.0,);
    for grid in grids.fetch_all(connection).await? {
        if digest(&grid)? == content {
            return Ok(());
        }
    }
    Err(conflict(found, difference(networks, cells)))
}

/// Notes another grid of a study, which may bring networks but changes none.
pub(super) async fn extend(
    connection: &mut PgConnection,
    (submission, content): (&Submission<'_>, Digest),
    found: &LockedStudy,
    networks: &BTreeMap<String, JobKey>,
) -> Result<(), StoreError> {
    let study = submission.study;
    if digest(&found.pack_digest)? != submission.pack {
        return Err(conflict(found, format!("it is on another pack, {}", found.dataset)));
    }
    if found.network != study.network {
        return Err(conflict(found, format!("its networks are {}", found.network)));
    }
    if let Some(changed) = tell("changed", &changed(networks, &study.cells)) {
        return Err(conflict(found, changed));
    }
    remember(connection, (submission, content), found.study_id).await
}

fn conflict(found: &LockedStudy, difference: String) -> StoreError {
    StoreError::StudyConflict { study: found.name.clone(), difference }
}

/// Names that both have, with other keys.
fn changed<'a>(stored: &BTreeMap<String, JobKey>, cells: &'a [Cell]) -> Vec<&'a str> {
    let is_changed = |cell: &&Cell| stored.get(&cell.name).is_some_and(|known| *known != cell.key);
    cells.iter().filter(is_changed).map(|cell| cell.name.as_str()).collect()
}

/// What differs, in a sentence: `2 networks are new (random-0/A3B, …), 1 is changed (…)`.
pub(super) fn difference(stored: &BTreeMap<String, JobKey>, cells: &[Cell]) -> String {
    let given: BTreeMap<&str, JobKey> = cells.iter().map(|cell| (cell.name.as_str(), cell.key)).collect();
    let new = given.keys().copied().filter(|name| !stored.contains_key(*name)).collect::<Vec<_>>();
    let missing = stored.keys().map(String::as_str).filter(|name| !given.contains_key(name)).collect();
    let parts = [("new", new), ("missing", missing), ("changed", changed(stored, cells))];
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
