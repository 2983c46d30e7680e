//! Tables for people: columns two spaces apart, without frames, as wide as they need to be.
//!
//! On a terminal the last column is cut to fit; into a pipe nothing is cut, so that
//! `grep` and `awk` see all of it.

use comfy_table::{Attribute, Cell as TableCell, CellAlignment, Color, Table, presets::NOTHING};

/// Spaces between columns.
const COLUMN_GAP: usize = 2;
/// The last column is never cut to less than this many characters.
const LAST_COLUMN_MIN: usize = 12;

/// One column of a table over records of type `T`.
pub(crate) struct Column<T> {
    /// Its title.
    pub(crate) title: &'static str,
    /// Where its text stands.
    pub(crate) side: Side,
    /// What a record shows in it.
    pub(crate) cell: fn(&T) -> Cell,
}

/// Where a column's text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Texts.
    Left,
    /// Numbers.
    Right,
}

/// What stands in a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    /// Its text.
    pub(crate) text: String,
    /// Its colour.
    pub(crate) tone: Tone,
}

/// Colour by meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Nothing special.
    Plain,
    /// Beside the point.
    Faint,
    /// Done.
    Good,
    /// Under way.
    Busy,
    /// A person may want to look.
    Warning,
    /// Broken.
    Bad,
}

impl<S: Into<String>> From<S> for Cell {
    fn from(text: S) -> Self {
        Self { text: text.into(), tone: Tone::Plain }
    }
}

impl Cell {
    /// A text with a colour.
    pub(crate) fn toned(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: text.into(), tone }
    }

    /// The text, or a faint dash where there is none.
    pub(crate) fn optional(text: Option<String>) -> Self {
        text.map_or_else(|| Self::toned("–", Tone::Faint), Self::from)
    }
}

/// How wide and colourful tables may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// Whether colours are wanted.
    pub(crate) color: bool,
    /// The terminal's columns; none for pipes and files.
    pub(crate) width: Option<u16>,
}

/// The table as text, one line a record after the header.
pub(crate) fn render<T>(columns: &[Column<T>], records: &[T], look: Look) -> String {
    let mut rows: Vec<Vec<Cell>> =
        records.iter().map(|record| columns.iter().map(|column| (column.cell)(record)).collect()).collect();
    if let Some(width) = look.width {
        cut_last_column(columns, &mut rows, usize::from(width));
    }
    let mut table = Table::new();
    table.load_style(NOTHING).force_no_tty();
    if look.color {
        table.enforce_styling();
    }
    table.set_header(columns.iter().map(header_cell));
    for row in &rows {
        table.add_row(row.iter().zip(columns).map(|(cell, column)| table_cell(cell, column.side)));
    }
    space_columns(&mut table);
    let lines = table.lines();
    lines.flat_map(|line| [line.trim_end().to_owned(), "\n".to_owned()]).collect()
}

// Only the last column gives way: names and numbers must stay whole.
fn cut_last_column<T>(columns: &[Column<T>], rows: &mut [Vec<Cell>], width: usize) {
    let Some(last) = columns.len().checked_sub(1) else { return };
    let width_of = |index: usize| {
        let widest = rows.iter().map(|row| row[index].text.chars().count()).max().unwrap_or(0);
        widest.max(columns[index].title.len())
    };
    let before: usize = (0..last).map(|index| width_of(index) + COLUMN_GAP).sum();
    let left = width.saturating_sub(before).max(LAST_COLUMN_MIN);
    for row in rows {
        let cell = &mut row[last];
        if cell.text.chars().count() > left {
            cell.text = cell.text.chars().take(left - 1).chain(['…']).collect();
        }
    }
}

fn space_columns(table: &mut Table) {
    for column in table.column_iter_mut() {
        column.set_padding((0, COLUMN_GAP as u16));
    }
}

fn header_cell<T>(column: &Column<T>) -> TableCell {
    TableCell::new(column.title).add_attribute(Attribute::Bold).set_alignment(alignment(column.side))
}

fn table_cell(cell: &Cell, side: Side) -> TableCell {
    let styled = TableCell::new(&cell.text).set_alignment(alignment(side));
    match cell.tone {
        Tone::Plain => styled,
        Tone::Faint => styled.add_attribute(Attribute::Dim),
        Tone::Good => styled.fg(Color::Green),
        Tone::Busy => styled.fg(Color::Cyan),
        Tone::Warning => styled.fg(Color::Yellow),
        Tone::Bad => styled.fg(Color::Red),
    }
}

fn alignment(side: Side) -> CellAlignment {
    match side {
        Side::Left => CellAlignment::Left,
        Side::Right => CellAlignment::Right,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> [Column<(&'static str, u32)>; 2] {
        [
            Column { title: "NAME", side: Side::Left, cell: |record| record.0.into() },
            Column { title: "COUNT", side: Side::Right, cell: |record| record.1.to_string().into() },
        ]
    }

    #[test]
    fn a_table_into_a_pipe_is_plain_text_in_columns() {
        let text = render(&columns(), &[("first", 1), ("x", 1_000)], Look { color: false, width: None });
        insta::assert_snapshot!(text, @r"
        NAME   COUNT
        first      1
        x       1000
        ");
    }

    #[test]
    fn on_a_narrow_terminal_only_the_last_column_is_cut() {
        let columns: [Column<(&str, &str)>; 2] = [
            Column { title: "NAME", side: Side::Left, cell: |record| record.0.into() },
            Column { title: "REASON", side: Side::Left, cell: |record| record.1.into() },
        ];
        let records = [("random-0/baseA", "the loss is not finite at iteration 120 of 800")];
        let text = render(&columns, &records, Look { color: false, width: Some(40) });
        insta::assert_snapshot!(text, @r"
        NAME            REASON
        random-0/baseA  the loss is not finite …
        ");
    }
}
