//! The one loop that all products share: sums of products, a tile of them in registers.
//!
//! `out[row, column] = start + Σ_k left[row, k] · right[k, column]`, the terms in order, each
//! product fused with the sum before it. The order of the terms is the caller's and the
//! rounding IEEE 754's, so the result is the same bits whatever the tile, the threads and
//! the instruction set.
//!
//! The left operand is read where it lies, value by value, by offsets: a row begins at its
//! offset, a term lies at its run's offset plus a step. So a convolution needs no matrix of
//! patches: a row is a position, a run one row of the kernel. The right operand is packed
//! ([`Panels`](super::panels::Panels)): vectors of it meet single values of the left.

#![allow(unsafe_code)]

#[cfg(target_arch = "aarch64")]
use super::simd::Neon;
#[cfg(target_arch = "x86_64")]
use super::simd::{Avx2, Avx512};
use super::simd::{Level, Portable, Simd};

/// Columns of a panel of the right operand.
pub(super) const PANEL: usize = 16;
/// Columns of the widest tile.
const COLUMNS_MAX: usize = 2 * PANEL;

/// The left operand: element (row, run, term) lies at `rows[row] + runs[run] + term · step`.
#[derive(Clone, Copy)]
pub(super) struct Left<'a> {
    pub(super) values: &'a [f32],
    pub(super) rows: &'a [usize],
    pub(super) runs: &'a [usize],
    /// Terms of each run; the sum has as many terms as all runs together.
    pub(super) run_terms: usize,
    pub(super) step: usize,
}

/// The right operand: element (term, column) lies at
/// `column / 16 · panel_step + term · 16 + column % 16`.
#[derive(Clone, Copy)]
pub(super) struct Right<'a> {
    pub(super) values: &'a [f32],
    pub(super) panel_step: usize,
}

/// The result: element (row, column) lies at `rows[row] + column`.
pub(super) struct Out<'a> {
    pub(super) values: &'a mut [f32],
    /// No two of these may share elements.
    pub(super) rows: &'a [usize],
    pub(super) columns: usize,
}

/// What a sum starts from.
#[derive(Clone, Copy)]
pub(super) enum Start<'a> {
    /// 0.
    Zero,
    /// One value for each column, filled up to whole panels.
    Columns(&'a [f32]),
}

/// What is done to a whole sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finish {
    /// Nothing.
    Plain,
    /// 0 takes the place of what is below it.
    Rectified,
    /// It is added to what the result holds: long sums are cut into blocks, whose own sums
    /// add up with less rounding.
    Added,
}

/// One call of [`sum_products`].
#[derive(Clone, Copy)]
pub(super) struct Sums<'a> {
    pub(super) left: Left<'a>,
    pub(super) right: Right<'a>,
    pub(super) start: Start<'a>,
    pub(super) finish: Finish,
}

impl<'a> Sums<'a> {
    /// A block of a long sum, added to what the result holds.
    pub(super) fn added(left: Left<'a>, right: Right<'a>) -> Self {
        Self { left, right, start: Start::Zero, finish: Finish::Added }
    }
}

/// Computes `out` with the best instruction set of this machine.
///
/// # Panics
/// If an operand is smaller than its offsets say.
pub(super) fn sum_products(sums: Sums<'_>, out: &mut Out<'_>) {
    sum_products_with(Level::best(), sums, out);
}

fn sum_products_with(level: Level, sums: Sums<'_>, out: &mut Out<'_>) {
    if out.rows.is_empty() || out.columns == 0 {
        return;
    }
    check(sums, out);
    // SAFETY: the level is one of this machine's, and `check` has shown that every element
    // that the offsets name lies within its slice.
    unsafe {
        match level {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => all_columns_avx512(sums, out),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => all_columns_avx2(sums, out),
            #[cfg(target_arch = "aarch64")]
            Level::Neon => all_columns::<Neon, 6, 4, 2>(sums, out),
            Level::Portable => all_columns::<Portable, 2, 4, 2>(sums, out),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn all_columns_avx512(sums: Sums<'_>, out: &mut Out<'_>) {
    // SAFETY: passed on.
    unsafe { all_columns::<Avx512, 8, 2, 1>(sums, out) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn all_columns_avx2(sums: Sums<'_>, out: &mut Out<'_>) {
    // SAFETY: passed on.
    unsafe { all_columns::<Avx2, 6, 2, 1>(sums, out) }
}

/// Panics unless all elements lie within their slices. Costs a look at every offset, of
/// which there is one for many products.
fn check(sums: Sums<'_>, out: &Out<'_>) {
    let Sums { left, right, start, .. } = sums;
    let largest = |offsets: &[usize]| offsets.iter().copied().max().unwrap_or(0);
    // Saturated, so that no offset is so wrong that it looks right.
    let element = |offsets: &[usize]| offsets.iter().fold(0_usize, |sum, &offset| sum.saturating_add(offset));
    let terms = left.runs.len().saturating_mul(left.run_terms);
    let panels = out.columns.div_ceil(PANEL);
    assert_eq!(left.rows.len(), out.rows.len(), "rows of the operand and of the result");
    if terms > 0 {
        let in_run = (left.run_terms - 1).saturating_mul(left.step);
        let last = element(&[largest(left.rows), largest(left.runs), in_run]);
        assert!(last < left.values.len(), "the left operand has no element {last}");
    }
    let end = element(&[(panels - 1).saturating_mul(right.panel_step), terms.saturating_mul(PANEL)]);
    assert!(end <= right.values.len(), "the right operand has no element {end}");
    let end = element(&[largest(out.rows), out.columns]);
    assert!(end <= out.values.len(), "the result has no element {end}");
    if let Start::Columns(values) = start {
        assert!(values.len() >= panels * PANEL, "a start for every column of {panels} panels");
    }
}

/// Tiles of `ROWS` rows and `MANY` vectors, `FEW` at the end: as many as have their sums,
/// the vectors of a term and a single value in registers.
///
/// # Safety
/// The machine has the set; [`check`] has passed.
#[inline(always)]
unsafe fn all_columns<S: Simd, const ROWS: usize, const MANY: usize, const FEW: usize>(
    sums: Sums<'_>,
    out: &mut Out<'_>,
) {
    let mut first = 0;
    while first < out.columns {
        // SAFETY: passed on.
        unsafe {
            if out.columns - first <= FEW * S::WIDTH {
                return all_rows::<S, ROWS, FEW>(sums, out, first);
            }
            all_rows::<S, ROWS, MANY>(sums, out, first);
        }
        first += MANY * S::WIDTH;
    }
}

/// Columns `first` to `first + VECTORS · WIDTH` of all rows.
///
/// # Safety
/// As [`all_columns`]; `first` is the first column of a panel.
#[inline(always)]
unsafe fn all_rows<S: Simd, const ROWS: usize, const VECTORS: usize>(
    sums: Sums<'_>,
    out: &mut Out<'_>,
    first: usize,
) {
    let columns = (out.columns - first).min(VECTORS * S::WIDTH);
    for (rows, out_rows) in sums.left.rows.chunks(ROWS).zip(out.rows.chunks(ROWS)) {
        // Rows that are missing at the end are computed like the first, and left alone.
        let mut offsets = [rows[0]; ROWS];
        offsets[..rows.len()].copy_from_slice(rows);
        // SAFETY: every row and column that is read or written was checked.
        unsafe {
            let mut tile = [[S::zero(); VECTORS]; ROWS];
            match sums.start {
                Start::Zero => {}
                Start::Columns(values) => {
                    let values = values.as_ptr().add(first);
                    tile = [vectors::<S, VECTORS>(values); ROWS];
                }
            }
            let right = sums.right.values.as_ptr().add(first / PANEL * sums.right.panel_step);
            add_terms::<S, ROWS, VECTORS>(sums, &offsets, right, &mut tile);
            for (tile, &row) in tile.iter_mut().zip(out_rows) {
                let to = out.values.as_mut_ptr().add(row + first);
                match sums.finish {
                    Finish::Plain => {}
                    Finish::Rectified => {
                        for vector in tile.iter_mut() {
                            *vector = S::rectified(*vector);
                        }
                    }
                    Finish::Added => {
                        for (vector, there) in tile.iter_mut().zip(load_row::<S, VECTORS>(to, columns)) {
                            *vector = S::add(there, *vector);
                        }
                    }
                }
                store_row::<S, VECTORS>(to, tile, columns);
            }
        }
    }
}

/// # Safety
/// The machine has the set, and `VECTORS` vectors lie there.
#[inline(always)]
unsafe fn vectors<S: Simd, const VECTORS: usize>(from: *const f32) -> [S::Vector; VECTORS] {
    // SAFETY: passed on.
    unsafe {
        let mut vectors = [S::zero(); VECTORS];
        for (index, vector) in vectors.iter_mut().enumerate() {
            *vector = S::load(from.add(index * S::WIDTH));
        }
        vectors
    }
}

/// # Safety
/// The machine has the set, and `columns` values lie there.
#[inline(always)]
unsafe fn load_row<S: Simd, const VECTORS: usize>(from: *const f32, columns: usize) -> [S::Vector; VECTORS] {
    // SAFETY: what is not there is not read.
    unsafe {
        if columns == VECTORS * S::WIDTH {
            return vectors::<S, VECTORS>(from);
        }
        let mut whole = [0.0_f32; COLUMNS_MAX];
        from.copy_to_nonoverlapping(whole.as_mut_ptr(), columns);
        vectors::<S, VECTORS>(whole.as_ptr())
    }
}

/// # Safety
/// The machine has the set, and there is room for `columns` values.
#[inline(always)]
unsafe fn store_row<S: Simd, const VECTORS: usize>(
    to: *mut f32,
    tile: &[S::Vector; VECTORS],
    columns: usize,
) {
    // SAFETY: what has no room is not written.
    unsafe {
        if columns == VECTORS * S::WIDTH {
            for (index, &vector) in tile.iter().enumerate() {
                S::store(to.add(index * S::WIDTH), vector);
            }
            return;
        }
        let mut whole = [0.0_f32; COLUMNS_MAX];
        for (index, &vector) in tile.iter().enumerate() {
            S::store(whole.as_mut_ptr().add(index * S::WIDTH), vector);
        }
        to.copy_from_nonoverlapping(whole.as_ptr(), columns);
    }
}

/// The innermost loop: every term, one value of each row times the vectors of the right.
///
/// # Safety
/// As [`all_columns`]; `right` is where the columns' panel begins.
#[inline(always)]
unsafe fn add_terms<S: Simd, const ROWS: usize, const VECTORS: usize>(
    sums: Sums<'_>,
    rows: &[usize; ROWS],
    mut right: *const f32,
    tile: &mut [[S::Vector; VECTORS]; ROWS],
) {
    let Left { values, runs, run_terms, step, .. } = sums.left;
    let vectors_per_panel = PANEL / S::WIDTH;
    // SAFETY: checked for the last row, run, term and panel.
    unsafe {
        let mut totals = *tile;
        for &run in runs {
            let mut left = values.as_ptr().wrapping_add(run);
            for _ in 0..run_terms {
                let mut vectors = [S::zero(); VECTORS];
                for (index, vector) in vectors.iter_mut().enumerate() {
                    let panel = index / vectors_per_panel * sums.right.panel_step;
                    *vector = S::load(right.add(panel + index % vectors_per_panel * S::WIDTH));
                }
                for (totals, &row) in totals.iter_mut().zip(rows) {
                    let value = S::splat(left.add(row));
                    for (total, &vector) in totals.iter_mut().zip(&vectors) {
                        *total = S::mul_add(value, vector, *total);
                    }
                }
                left = left.wrapping_add(step);
                right = right.wrapping_add(PANEL);
            }
        }
        *tile = totals;
    }
}

#[cfg(test)]
mod tests;
