//! How many cells a grid has, before any is made: a study is bounded, and so is the
//! memory that refusing one takes.

use super::{error::Span, product::Product};
use crate::{limits::CELLS_MAX, split::SplitRule};

/// The number of listed cells when it is over the limit, and where the longest axis of the
/// largest product stands.
///
/// Neither `exclude` nor what two products share makes room: the sum itself is bounded.
pub(super) fn beyond_limit(products: &[Product]) -> Option<(Span, u128)> {
    let cells = products.iter().map(listed).sum();
    let largest = products.iter().max_by_key(|product| listed(product))?;
    (cells > CELLS_MAX as u128).then(|| (largest.longest_axis(), cells))
}

/// Listed cells, without sources that are added.
fn listed(product: &Product) -> u128 {
    let whole = product.splits.iter().any(|split| split.value == SplitRule::Whole);
    let halved = product.splits.len() as u128 - u128::from(whole);
    let networks = |needs_halves| -> u128 {
        let counted = product.treatments.iter().filter(|rule| needs_halves || !rule.value.needs_halves());
        counted.map(|rule| if rule.value.uses_n() { product.n.len() as u128 } else { 1 }).sum()
    };
    let per_replicate =
        halved * product.directions.len() as u128 * networks(true) + u128::from(whole) * networks(false);
    per_replicate * product.seeds.len() as u128 * product.images_per_class.len() as u128
}
