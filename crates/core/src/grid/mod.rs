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
mod count;
mod draft;
mod error;
mod exclude;
mod expand;
mod names;
mod problem;
mod ranges;
mod reader;
mod recipe;
mod render;
mod treatment;
mod tree;
mod validate;
mod warnings;

#[cfg(test)]
mod tests;

use crate::{ids::Name, pack::PackFacts};

pub use draft::Draft;
pub use error::{GridError, GridErrors};
pub use expand::{Cell, Study};
pub use warnings::Warning;

/// A grid without mistakes of its own; a pack may still contradict it.
#[derive(Clone, Debug)]
pub struct Grid(Draft);

/// Reads a grid file. `file_name` is only for messages.
///
/// # Errors
/// Everything in the file that is wrong whatever the pack.
pub fn parse(file_name: &str, text: &str) -> Result<Grid, GridErrors> {
    let draft = read(file_name, text);
    match draft.errors() {
        Some(errors) => Err(errors),
        None => Ok(Grid(draft)),
    }
}

/// Reads a grid file as far as it can be read; see [`Draft`].
#[must_use]
pub fn read(file_name: &str, text: &str) -> Draft {
    Draft::read(file_name, text)
}

/// The cells of a grid on a pack: sources before the networks copied from them.
///
/// # Errors
/// Everything that the pack contradicts.
pub fn expand(grid: &Grid, pack: &PackFacts) -> Result<Study, GridErrors> {
    grid.0.expand(pack)
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
