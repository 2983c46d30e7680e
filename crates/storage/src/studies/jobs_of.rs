//! The jobs of a submission: found by key or made, sources before their dependants.
//!
//! Each generation is inserted and then locked, both in the order of keys, so that two
//! submissions of the same networks wait for each other instead of deadlocking, and so that
//! no source can succeed between being read and its dependants being stored.

use std::collections::{BTreeMap, BTreeSet};

use selffer_core::{
    grid::Cell,
    identity::canonical_json,
    ids::{JobId, JobKey},
    interest::Interest,
    job::{Budgets, StateKind},
    spec::{Half, ImagesPerClass},
};
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use super::ROWS_PER_STATEMENT;
use crate::{
    StoreError,
    convert::{job_key, state_kind, to_i32},
};

/// Where a cell's network is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed {
    pub(super) job_id: JobId,
    /// Another submission had brought it.
    pub(super) was_there: bool,
    pub(super) succeeded: bool,
}

/// Finds or makes every cell's job, and locks them all. In the cells' order.
pub(super) async fn place_jobs(
    connection: &mut PgConnection,
    cells: &[Cell],
    priority: i32,
) -> Result<Vec<Placed>, StoreError> {
    let sources: BTreeSet<usize> = cells.iter().filter_map(|cell| cell.source).collect();
    let mut placed: Vec<Option<Placed>> = vec![None; cells.len()];
    for generation in generations(cells) {
        for indices in generation.chunks(ROWS_PER_STATEMENT) {
            let new = Columns::of(cells, indices, &sources, &placed)?;
            let inserted = insert(connection, &new, priority).await?;
            let found = lock(connection, &new.key).await?;
            for index in indices {
                let key = cells[*index].key;
                let (job_id, succeeded) = *found.get(&key).ok_or_else(|| lacking(key))?;
                let was_there = !inserted.contains(&key);
                placed[*index] = Some(Placed { job_id, was_there, succeeded });
            }
        }
    }
    placed.into_iter().zip(cells).map(|(placed, cell)| placed.ok_or_else(|| lacking(cell.key))).collect()
}

/// Locks the jobs of these keys. With each, whether it succeeded.
async fn lock(
    connection: &mut PgConnection,
    keys: &[Vec<u8>],
) -> Result<BTreeMap<JobKey, (JobId, bool)>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT job_id, key, state
           FROM jobs
           WHERE key = ANY($1)
           ORDER BY key
           FOR NO KEY UPDATE"#,
        keys,
    );
    let rows = rows.fetch_all(connection).await?.into_iter().map(|row| {
        let succeeded = state_kind(&row.state)? == StateKind::Succeeded;
        Ok((job_key(&row.key)?, (JobId(row.job_id), succeeded)))
    });
    rows.collect()
}

fn lacking(key: JobKey) -> StoreError {
    StoreError::Corrupt { what: "a study", problem: format!("its job {key} has no row") }
}

/// Indices of cells without a source, then of those copied from these, and so on; each
/// generation in the order of keys.
fn generations(cells: &[Cell]) -> Vec<Vec<usize>> {
    let mut depths: Vec<usize> = Vec::with_capacity(cells.len());
    let mut generations: Vec<Vec<usize>> = Vec::new();
    for (index, cell) in cells.iter().enumerate() {
        let depth = cell.source.and_then(|source| depths.get(source)).map_or(0, |depth| depth + 1);
        depths.push(depth);
        if generations.len() <= depth {
            generations.resize_with(depth + 1, Vec::new);
        }
        generations[depth].push(index);
    }
    for generation in &mut generations {
        generation.sort_by_key(|index| cells[*index].key);
    }
    generations
}

/// New jobs as arrays, one for each column.
#[derive(Default)]
struct Columns {
    key: Vec<Vec<u8>>,
    spec: Vec<String>,
    source_job_id: Vec<Option<Uuid>>,
    source_ready: Vec<bool>,
    is_source: Vec<bool>,
    flops: Vec<f64>,
    split: Vec<String>,
    layers_copied: Vec<i32>,
    source_half: Vec<Option<String>>,
    target_half: Vec<String>,
    seed: Vec<i64>,
    images_per_class: Vec<Option<i32>>,
    iterations: Vec<i32>,
    batch: Vec<i32>,
}

impl Columns {
    fn of(
        cells: &[Cell],
        indices: &[usize],
        sources: &BTreeSet<usize>,
        placed: &[Option<Placed>],
    ) -> Result<Self, StoreError> {
        let mut columns = Self::default();
        for index in indices {
            let source = cells[*index].source.and_then(|source| placed[source]);
            columns.push(&cells[*index], source)?;
            columns.is_source.push(sources.contains(index));
        }
        Ok(columns)
    }

    fn push(&mut self, cell: &Cell, source: Option<Placed>) -> Result<(), StoreError> {
        let spec = &cell.spec;
        let half = |half: Half| half.to_string();
        let images_per_class = match spec.images_per_class {
            ImagesPerClass::All => None,
            ImagesPerClass::First(count) => Some(to_i32("images per class", count)?),
        };
        self.key.push(cell.key.0.to_vec());
        self.spec.push(canonical_json(spec));
        self.source_job_id.push(source.map(|source| source.job_id.0));
        self.source_ready.push(source.is_none_or(|source| source.succeeded));
        self.flops.push(cell.flops);
        self.split.push(spec.split.clone());
        self.layers_copied.push(i32::from(spec.treatment.layers_copied));
        self.source_half.push(spec.source.as_ref().map(|source| half(source.classes.half)));
        self.target_half.push(half(spec.target.half));
        self.seed.push(spec.seed.cast_signed());
        self.images_per_class.push(images_per_class);
        self.iterations.push(to_i32("iterations", spec.recipe.iterations)?);
        self.batch.push(to_i32("batch", spec.recipe.batch)?);
        Ok(())
    }
}

/// Inserts what is not there yet; returns the keys that were not. A job that exists learns
/// that others now copy from it.
async fn insert(
    connection: &mut PgConnection,
    new: &Columns,
    priority: i32,
) -> Result<BTreeSet<JobKey>, StoreError> {
    let inserted = sqlx::query_scalar!(
        r#"INSERT INTO jobs (key, spec, source_job_id, state, not_before, is_source, flops, split,
               layers_copied, source_half, target_half, seed, images_per_class, iterations, batch, budgets,
               interest, priority)
           SELECT key, spec, source_job_id,
               CASE WHEN source_ready THEN 'ready' ELSE 'waiting' END,
               CASE WHEN source_ready THEN clock_timestamp() END,
               is_source, flops, split, layers_copied, source_half, target_half, seed,
               images_per_class, iterations, batch, $15, $16, $17
           FROM UNNEST($1::bytea[], $2::text[], $3::uuid[], $4::boolean[], $5::boolean[],
                   $6::double precision[], $7::text[], $8::integer[], $9::text[], $10::text[],
                   $11::bigint[], $12::integer[], $13::integer[], $14::integer[])
               AS new (key, spec, source_job_id, source_ready, is_source, flops, split, layers_copied,
                   source_half, target_half, seed, images_per_class, iterations, batch)
           ORDER BY key
           ON CONFLICT (key) DO NOTHING
           RETURNING key"#,
        &new.key,
        &new.spec,
        &new.source_job_id as _,
        &new.source_ready,
        &new.is_source,
        &new.flops,
        &new.split,
        &new.layers_copied,
        &new.source_half as _,
        &new.target_half,
        &new.seed,
        &new.images_per_class as _,
        &new.iterations,
        &new.batch,
        Json(Budgets::default()) as _,
        Interest::Active.as_str(),
        priority,
    );
    let inserted = inserted.fetch_all(&mut *connection).await?;
    sqlx::query!(
        r#"UPDATE jobs
           SET is_source = true
           FROM UNNEST($1::bytea[], $2::boolean[]) AS new (key, is_source)
           WHERE jobs.key = new.key
             AND new.is_source
             AND NOT jobs.is_source"#,
        &new.key,
        &new.is_source,
    )
    .execute(connection)
    .await?;
    inserted.iter().map(|key| job_key(key)).collect()
}
