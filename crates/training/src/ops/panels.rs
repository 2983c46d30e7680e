//! Packing the right operand of a product into panels of 16 columns.
//!
//! A panel holds its columns' values of one term side by side, term after term, so that the
//! innermost loop reads memory straight on. The last panel is filled up with zeros.

use rayon::prelude::*;

use super::tile::{PANEL, Right};

/// A matrix `[terms, columns]` as `[columns / 16][terms][16]`.
pub(super) struct Panels {
    values: Vec<f32>,
    terms: usize,
}

impl Panels {
    /// Packs a matrix of which `values` has row after row, each a term's columns.
    pub(super) fn of_terms(values: &[f32], columns: usize) -> Self {
        let terms = values.len() / columns.max(1);
        Self::pack(terms, columns, |first, panel| {
            pack_terms(&values[first..], columns, columns - first, panel);
        })
    }

    /// Packs a matrix of which `values` has column after column, each its terms.
    pub(super) fn of_columns(values: &[f32], terms: usize) -> Self {
        let columns = values.len() / terms.max(1);
        Self::pack(terms, columns, |first, panel| {
            let columns = values[first * terms..].chunks_exact(terms).take(PANEL);
            for (column, values) in columns.enumerate() {
                for (to, &value) in panel[column..].iter_mut().step_by(PANEL).zip(values) {
                    *to = value;
                }
            }
        })
    }

    /// Packs a matrix of which the element (term, column) lies at `index(term, column)`.
    pub(super) fn gather(
        values: &[f32],
        (terms, columns): (usize, usize),
        index: impl Fn(usize, usize) -> usize + Sync,
    ) -> Self {
        Self::pack(terms, columns, |first, panel| {
            for (term, to) in panel.chunks_exact_mut(PANEL).enumerate() {
                for (column, to) in (first..columns).zip(to) {
                    *to = values[index(term, column)];
                }
            }
        })
    }

    /// Calls `fill` for each panel with its first column and its zeros.
    fn pack(terms: usize, columns: usize, fill: impl Fn(usize, &mut [f32]) + Sync) -> Self {
        let mut values = vec![0.0; columns.div_ceil(PANEL) * terms * PANEL];
        let panels = values.par_chunks_mut((terms * PANEL).max(1)).enumerate();
        panels.for_each(|(index, panel)| fill(index * PANEL, panel));
        Self { values, terms }
    }

    /// All of it as an operand.
    pub(super) fn right(&self) -> Right<'_> {
        self.right_from(0)
    }

    /// The terms from `first` on as an operand.
    pub(super) fn right_from(&self, first: usize) -> Right<'_> {
        Right { values: &self.values[first * PANEL..], panel_step: self.terms * PANEL }
    }
}

/// Fills a panel, all its terms, with up to 16 of `columns` columns that begin at `from`,
/// rows `pitch` values apart. Columns that are not there are left as they are.
pub(super) fn pack_terms(from: &[f32], pitch: usize, columns: usize, panel: &mut [f32]) {
    let whole = columns >= PANEL;
    for (term, to) in panel.chunks_exact_mut(PANEL).enumerate() {
        let from = &from[term * pitch..];
        if whole {
            to.copy_from_slice(&from[..PANEL]);
        } else {
            to[..columns].copy_from_slice(&from[..columns]);
        }
    }
}
