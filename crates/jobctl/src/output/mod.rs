//! What commands print, and how: tables for people, JSON and CSV for machines, bare names
//! for shells.
//!
//! Results go to stdout, everything else to stderr, so that a pipe gets results only.
//! `NO_COLOR` and pipes are respected.

pub(crate) mod csv;
pub(crate) mod human;
pub(crate) mod json;
pub(crate) mod progress;
pub(crate) mod table;

use std::io::{self, IsTerminal, Write};

use anstream::{AutoStream, ColorChoice};
use clap::ValueEnum;
use serde::Serialize;

use table::{Column, Look};

use crate::exit::{Exit, Failure};

/// What a command's result looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// For programs; versioned by its `schema` field.
    Json,
    /// For spreadsheets; the fields of the JSON.
    Csv,
    /// Only names, one a line, for shells.
    Name,
}

/// Where results go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    /// What they look like.
    pub(crate) format: Format,
    /// Whether stderr is a terminal, where progress is drawn.
    pub(crate) progress_on_terminal: bool,
    /// How tables look.
    pub(crate) look: Look,
}

/// Records that can be shown in every format.
pub(crate) struct Listing<'a, T> {
    /// Name and version of the JSON form.
    pub(crate) schema: &'a str,
    /// Under which key the records stand in JSON.
    pub(crate) key: &'a str,
    /// The records; what they serialise to is the JSON and the CSV.
    pub(crate) records: &'a [T],
    /// The table's columns.
    pub(crate) columns: &'a [Column<T>],
    /// A record's name.
    pub(crate) name: fn(&T) -> &str,
    /// What people are told instead of an empty table.
    pub(crate) when_empty: &'a str,
}

impl Screen {
    /// The screen of this process.
    pub(crate) fn detect(format: Format) -> Self {
        let stdout = io::stdout();
        let color = AutoStream::choice(&stdout) != ColorChoice::Never;
        let width = stdout.is_terminal().then(terminal_columns);
        let progress_on_terminal = io::stderr().is_terminal();
        Self { format, progress_on_terminal, look: Look { color, width } }
    }

    /// Whether results are for programs.
    pub(crate) fn is_for_machines(&self) -> bool {
        self.format != Format::Table
    }

    /// Prints text to stdout as it is.
    pub(crate) fn print(&self, text: &str) -> anyhow::Result<()> {
        let mut stdout = anstream::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()?;
        Ok(())
    }

    /// Tells people something beside the result, on stderr.
    pub(crate) fn note(&self, text: &str) -> anyhow::Result<()> {
        Ok(writeln!(anstream::stderr().lock(), "{text}")?)
    }

    /// Prints a list in the wanted format.
    pub(crate) fn list<T: Serialize>(&self, listing: &Listing<'_, T>) -> anyhow::Result<()> {
        let Listing { schema, key, records, columns, name, when_empty } = listing;
        match self.format {
            Format::Table if records.is_empty() => self.note(when_empty),
            Format::Table => self.print(&table::render(columns, records, self.look)),
            Format::Json => self.print(&json::render(&json::ListDocument { schema, key, records })?),
            Format::Csv => self.print(&csv::render(records)?),
            Format::Name => {
                self.print(&records.iter().map(|record| format!("{}\n", name(record))).collect::<String>())
            }
        }
    }

    /// Prints one thing: a text for people, a document for programs, its name for shells.
    pub(crate) fn item<T: Serialize>(&self, name: &str, document: &T, text: &str) -> anyhow::Result<()> {
        match self.format {
            Format::Table => self.print(text),
            Format::Json => self.print(&json::render(document)?),
            Format::Name => self.print(&format!("{name}\n")),
            Format::Csv => Err(no_csv().into()),
        }
    }
}

/// The failure of a command whose result is no table.
pub(crate) fn no_csv() -> Failure {
    Failure::new(Exit::Usage, "this result is no table, so it has no CSV form").hint("use -o json")
}

fn terminal_columns() -> u16 {
    comfy_table::Table::new().width().unwrap_or(100)
}
