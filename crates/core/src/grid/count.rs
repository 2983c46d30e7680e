//! How many cells a grid has, before any is made: a study is bounded, and so is the
//! memory that refusing one takes.

use super::{axes::Axes, error::Span};
use crate::{limits::CELLS_MAX, spec::Origin, split::SplitRule};

/// The number of listed cells when it is over the limit, and where its longest axis stands.
///
/// `exclude` does not make room: the product itself is bounded.
pub(super) fn beyond_limit(axes: &Axes) -> Option<(Span, u128)> {
    let cells = listed(axes);
    (cells > CELLS_MAX as u128).then(|| (longest(axes), cells))
}

/// Listed cells, without sources that are added.
fn listed(axes: &Axes) -> u128 {
    let whole = axes.splits.iter().any(|split| split.value == SplitRule::Whole);
    let halved = axes.splits.len() as u128 - u128::from(whole);
    let networks = |needs_halves| -> u128 {
        let counted =
            axes.treatments.iter().filter(|treatment| needs_halves || !treatment.value.needs_halves());
        let depths = |origin| if origin == Origin::None { 1 } else { axes.n.len() as u128 };
        counted.map(|treatment| depths(treatment.value.origin())).sum()
    };
    let per_replicate =
        halved * axes.directions.len() as u128 * networks(true) + u128::from(whole) * networks(false);
    per_replicate * axes.seeds.len() as u128 * axes.images_per_class.len() as u128
}

fn longest(axes: &Axes) -> Span {
    let splits = (axes.splits.len(), axes.splits.first().map(|located| located.span));
    let seeds = (axes.seeds.len(), axes.seeds.first().map(|located| located.span));
    let images = (axes.images_per_class.len(), axes.images_per_class.first().map(|located| located.span));
    [splits, seeds, images]
        .into_iter()
        .max_by_key(|(length, _)| *length)
        .and_then(|(_, span)| span)
        .unwrap_or_default()
}
