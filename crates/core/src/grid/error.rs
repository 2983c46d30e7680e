//! Where a grid file, or a network file beside it, is wrong: located errors, collected so
//! that all come at once.
//!
//! What is wrong is said in `problem`; drawing it under the text is `render`'s business.

use std::{collections::HashSet, fmt, ops::Range, sync::Arc};

use super::problem::Problem;
use crate::limits::GRID_ERRORS_MAX;

/// Part of the file, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Span {
    /// The empty span at this byte.
    pub(crate) fn at(start: usize) -> Self {
        Self { start, end: start }
    }
}

/// A value with the place it was written at.
#[derive(Clone, Debug)]
pub(crate) struct Located<T> {
    pub(crate) value: T,
    pub(crate) span: Span,
}

/// The file's name and text, kept for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) file: Arc<str>,
    pub(crate) text: Arc<str>,
}

/// Everything that is wrong with a grid file and the files beside it, in the order of each
/// file; never empty.
#[derive(Clone, Debug)]
pub struct GridErrors {
    /// The errors; at most [`GRID_ERRORS_MAX`].
    pub errors: Vec<GridError>,
    /// How many more there are.
    pub left_out: usize,
    /// The grid file's name.
    pub(crate) file: Arc<str>,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GridError {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// What is wrong, with the value and what was expected.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// The file it is in.
    pub(crate) source: Source,
    pub(crate) span: Range<usize>,
    /// Another place that matters, and why.
    pub(crate) related: Option<(Range<usize>, &'static str)>,
}

impl GridErrors {
    /// The grid file's name as it was given.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// These, and then those of a file beside the grid file.
    pub(crate) fn followed_by(mut self, other: Self) -> Self {
        self.errors.extend(other.errors);
        self.left_out += other.left_out + self.errors.len().saturating_sub(GRID_ERRORS_MAX);
        self.errors.truncate(GRID_ERRORS_MAX);
        self
    }

    /// The same errors, of a study whose grid file has this name.
    pub(crate) fn within(self, file: &Arc<str>) -> Self {
        Self { file: Arc::clone(file), ..self }
    }
}

impl GridError {
    /// The name of the file it is in.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.source.file
    }
}

impl fmt::Display for GridErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            let line_break = if index == 0 { "" } else { "\n" };
            write!(f, "{line_break}{}:{}:{}: {}", error.file(), error.line, error.column, error.message)?;
            if let Some(help) = &error.help {
                write!(f, " ({help})")?;
            }
        }
        match self.left_out {
            0 => Ok(()),
            left_out => write!(f, "\nand {left_out} more"),
        }
    }
}

impl std::error::Error for GridErrors {}

/// Collects problems while a file is read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Problems {
    kept: Vec<(Span, Problem)>,
    /// Beyond [`KEPT_MAX`], only counted.
    left_out: usize,
}

/// A file of half a million mistakes must not cost memory for each.
const KEPT_MAX: usize = 10 * GRID_ERRORS_MAX;

impl Problems {
    pub(crate) fn push(&mut self, span: Span, problem: Problem) {
        if self.kept.len() < KEPT_MAX {
            self.kept.push((span, problem));
        } else {
            self.left_out += 1;
        }
    }

    /// The collected problems in the order of the file; none if there are none.
    pub(crate) fn errors(&self, source: &Source) -> Option<GridErrors> {
        if self.kept.is_empty() {
            return None;
        }
        let mut problems: Vec<_> = self.kept.iter().collect();
        problems.sort_by_key(|(span, _)| span.start);
        // What several entries inherit is wrong once.
        let mut told = HashSet::new();
        problems.retain(|(span, problem)| told.insert((*span, problem.to_string())));
        let left_out = self.left_out + problems.len().saturating_sub(GRID_ERRORS_MAX);
        let errors = problems.into_iter().take(GRID_ERRORS_MAX);
        let errors = errors.map(|(span, problem)| located(*span, problem, source)).collect();
        Some(GridErrors { errors, left_out, file: Arc::clone(&source.file) })
    }
}

fn located(span: Span, problem: &Problem, source: &Source) -> GridError {
    let text = &*source.text;
    let start = floor_char_boundary(text, span.start);
    let end = floor_char_boundary(text, span.end).max(start);
    let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
    GridError {
        line: 1 + text[..start].bytes().filter(|byte| *byte == b'\n').count(),
        column: 1 + text[line_start..start].chars().count(),
        message: problem.to_string(),
        help: problem.help(),
        source: source.clone(),
        span: start..end,
        related: problem.related().map(|(span, label)| (span.start..span.end, label)),
    }
}

fn floor_char_boundary(text: &str, index: usize) -> usize {
    let mut index = index.min(text.len());
    while !text.is_char_boundary(index) {
        index -= 1;
    }
    index
}
