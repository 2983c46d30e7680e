//! Studies as people write them: `grid.yaml` read, checked and expanded into cells.
//!
//! Everything wrong with a file is reported at once, with its place; only broken YAML
//! comes alone. Reading needs no pack; expansion needs its shapes and counts. Equal files
//! and packs give equal cells in equal order. Files and coordinators are the callers'
//! business: text comes in, a [`Study`] goes out.
//!
//! [`parse`] then [`expand`] is the plain way. [`read`] then [`Draft::expand`] also
//! reports what the pack contradicts when the file has other mistakes.

mod axes;
mod bounds;
mod count;
mod draft;
pub(crate) mod error;
mod exclude;
mod expand;
pub(crate) mod help;
mod known;
mod long_form;
mod names;
pub(crate) mod problem;
mod product;
mod ranges;
pub(crate) mod reader;
mod recipe;
mod render;
mod same_names;
mod schema;
mod treatment;
pub(crate) mod tree;
mod validate;
mod warnings;

#[cfg(test)]
mod tests;

use crate::ids::Name;

pub use draft::{Draft, GridFiles, files_named};
pub use error::{GridError, GridErrors};
pub use expand::{Cell, Study};
pub use known::Known;
pub use schema::schema;
pub use warnings::Warning;

/// A grid without mistakes of its own; what is known may still contradict it.
#[derive(Clone, Debug)]
pub struct Grid(Draft);

/// Reads a grid file. `file_name` is only for messages; `files` holds the texts of those
/// that [`files_named`] lists, as far as they are there.
///
/// # Errors
/// Everything in the files that is wrong whatever the pack.
pub fn parse(file_name: &str, text: &str, files: &GridFiles) -> Result<Grid, GridErrors> {
    let draft = read(file_name, text, files);
    match draft.errors() {
        Some(errors) => Err(errors),
        None => Ok(Grid(draft)),
    }
}

/// Reads a grid file as far as it can be read; see [`Draft`] and [`parse`].
#[must_use]
pub fn read(file_name: &str, text: &str, files: &GridFiles) -> Draft {
    Draft::read(file_name, text, files)
}

/// The cells of a grid on a pack: sources before the networks copied from them.
///
/// # Errors
/// Everything that the pack or imported weights contradict.
pub fn expand<'k>(grid: &Grid, known: impl Into<Known<'k>>) -> Result<Study, GridErrors> {
    grid.0.expand(known)
}

impl Grid {
    /// The study's name.
    #[must_use]
    pub fn study(&self) -> &Name {
        self.0.study.as_ref().expect("parse() refuses a grid without a study")
    }

    /// The pack that is asked for: its registered name, or its digest in hexadecimal.
    #[must_use]
    pub fn dataset(&self) -> &str {
        self.0.dataset().expect("parse() refuses a grid without a dataset")
    }

    /// The network's name.
    #[must_use]
    pub fn network(&self) -> &str {
        &self.0.network.as_ref().expect("parse() refuses a grid without a network").value.name
    }

    /// That no pack is stored under [`Self::dataset`], as an error at its place; `known`
    /// are the names there are.
    #[must_use]
    pub fn without_pack(&self, known: &[String]) -> GridErrors {
        self.0.without_pack(known)
    }
}
