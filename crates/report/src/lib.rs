//! The answer of a study: results in; statistics, tables and figures out.
//!
//! [`results`] is what comes in, one row a network. [`summary`] computes everything that
//! `jobctl report -o json` prints; [`table`], [`figure2`] and [`export`] show it. All of
//! it is pure: same rows, same bytes. Where a design does not support a number there is
//! none, but the reason.
//!
//! Accuracies are fractions 0..=1; gains and drops are percentage points.

pub mod export;
pub mod figure2;
#[cfg(feature = "png")]
pub mod png;
pub mod results;
pub mod stats;
pub mod summary;
pub mod table;
