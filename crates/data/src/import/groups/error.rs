//! What can be wrong with a file of groupings, and where. Lines are counted from 1.

use std::{io, path::PathBuf};

use selffer_core::spec::Half;

/// Why a file gives no groupings.
#[derive(Debug, thiserror::Error)]
pub enum GroupsError {
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Longer than any class table.
    #[error("{path} has more than {limit} bytes")]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The longest allowed.
        limit: u64,
    },
    /// No CSV; the source names the line.
    #[error("{path} is no CSV file of one line for each class")]
    Csv {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: csv::Error,
    },
    /// Other columns than expected.
    #[error(
        "{path}, line 1: the columns are {found:?}, expected class,half or class and one or more groupings"
    )]
    Header {
        /// The file.
        path: PathBuf,
        /// As given.
        found: String,
    },
    /// No column divides the classes.
    #[error("{path} has no column of halves, expected A or B in each line of one")]
    NoGrouping {
        /// The file.
        path: PathBuf,
    },
    /// One name for several groupings.
    #[error(
        "{path}, line 1: {columns} groupings, but one name was given; let the columns' headers name them"
    )]
    NameOfSeveral {
        /// The file.
        path: PathBuf,
        /// How many.
        columns: usize,
    },
    /// A grouping cannot be called so.
    #[error(
        "{path}: {name:?} cannot name a grouping, expected 1 to 128 of A-Z a-z 0-9 . _ - and neither whole nor random-* nor similar-*"
    )]
    Name {
        /// The file.
        path: PathBuf,
        /// As given.
        name: String,
    },
    /// Two groupings of one name.
    #[error("{path}, line 1: two groupings are called {name}")]
    NameTwice {
        /// The file.
        path: PathBuf,
        /// The name.
        name: String,
    },
    /// A class that there is not.
    #[error("{path}, line {line}: there is no class {class:?}{}", did_you_mean(.nearest))]
    UnknownClass {
        /// The file.
        path: PathBuf,
        /// The line.
        line: u64,
        /// As given.
        class: String,
        /// What was probably meant.
        nearest: Option<String>,
    },
    /// A name that several classes have.
    #[error("{path}, line {line}: {count} classes are called {class:?}; name it by its id or its index")]
    Ambiguous {
        /// The file.
        path: PathBuf,
        /// The line.
        line: u64,
        /// As given.
        class: String,
        /// How many have that name.
        count: usize,
    },
    /// A class with two lines.
    #[error("{path}, line {line}: class {class} has line {first} already")]
    ClassTwice {
        /// The file.
        path: PathBuf,
        /// The second line.
        line: u64,
        /// As given there.
        class: String,
        /// The first line.
        first: u64,
    },
    /// Neither of the halves.
    #[error("{path}, line {line}: {column} is {given:?}, expected A or B")]
    Half {
        /// The file.
        path: PathBuf,
        /// The line.
        line: u64,
        /// The grouping.
        column: String,
        /// As given.
        given: String,
    },
    /// Classes without a line.
    #[error("{path} has no line for class {class}{}", and_more(*.count))]
    Missing {
        /// The file.
        path: PathBuf,
        /// The first of them.
        class: String,
        /// How many there are.
        count: usize,
    },
    /// A half without a class.
    #[error("{path}: {column} puts no class into half {half}")]
    EmptyHalf {
        /// The file.
        path: PathBuf,
        /// The grouping.
        column: String,
        /// The half.
        half: Half,
    },
}

fn did_you_mean(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|name| format!("; did you mean {name:?}?")).unwrap_or_default()
}

fn and_more(count: usize) -> String {
    if count > 1 { format!(" and {} more", count - 1) } else { String::new() }
}
