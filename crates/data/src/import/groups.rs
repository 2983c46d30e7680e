//! Groupings from a CSV file: `class,half`, a line for each class.
//!
//! A class is given by its name, its WordNet id or its index. Instead of `half` there may be
//! several columns, each of them a grouping that is called by its header; columns that hold
//! neither A nor B in any line, such as words for people, are passed over.

mod error;

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

use csv::{ReaderBuilder, StringRecord};
use selffer_core::{ids::Name, nearest::nearest, pack::Class, spec::Half};

pub use error::GroupsError;

use crate::bounded::read_at_most;

/// Ten times what a pack's most classes need.
const FILE_BYTES_MAX: u64 = 16 << 20;
const CLASS_COLUMN: &str = "class";
const HALF_COLUMN: &str = "half";

/// A file of groupings, and what is known of them.
#[derive(Clone, Copy, Debug)]
pub struct GroupsSource<'a> {
    /// The CSV file.
    pub path: &'a Path,
    /// What the grouping of the column `half` is called; without it the file's name says so.
    pub name: Option<&'a str>,
    /// The pack's name, which is cut off from the file's: `caltech101-manmade-natural.csv` of
    /// the pack `caltech101` has the grouping `manmade-natural`.
    pub pack: &'a str,
}

/// Reads the groupings of these classes: for each grouping the half of each class.
///
/// # Errors
/// A file that does not put every class into one half, with the line.
pub fn read_groups(
    source: GroupsSource<'_>,
    classes: &[Class],
) -> Result<BTreeMap<String, Vec<Half>>, GroupsError> {
    let path = source.path;
    let failed = |error| GroupsError::Read { path: path.to_path_buf(), source: error };
    let Some(text) = read_at_most(path, FILE_BYTES_MAX).map_err(failed)? else {
        return Err(GroupsError::TooLong { path: path.to_path_buf(), limit: FILE_BYTES_MAX });
    };
    // A byte order mark, as spreadsheets write it, would be taken for a part of `class`.
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
    let malformed = |source| GroupsError::Csv { path: path.to_path_buf(), source };
    let mut reader = ReaderBuilder::new().trim(csv::Trim::All).from_reader(text);
    let columns = columns(source, reader.headers().map_err(malformed)?, classes.len())?;
    let mut table = Table::of(source, classes, columns);
    for record in reader.records() {
        table.add(&record.map_err(malformed)?)?;
    }
    table.finish()
}

/// A column after the first, and what its lines say.
struct Column {
    title: String,
    /// Line and value for each class that had its line.
    values: Vec<Option<(u64, String)>>,
}

/// The columns that the header names.
fn columns(
    source: GroupsSource<'_>,
    header: &StringRecord,
    count: usize,
) -> Result<Vec<Column>, GroupsError> {
    let found: Vec<_> = header.iter().collect();
    if found.len() < 2 || found[0] != CLASS_COLUMN {
        let found = cut(&found.join(","));
        return Err(GroupsError::Header { path: source.path.to_path_buf(), found });
    }
    let column = |title: &&str| Column { title: (*title).to_owned(), values: vec![None; count] };
    Ok(found[1..].iter().map(column).collect())
}

/// What the grouping of a column is called.
fn grouping_name(source: GroupsSource<'_>, title: &str) -> Result<String, GroupsError> {
    let name = match source.name {
        Some(name) => name.to_owned(),
        None if title == HALF_COLUMN => name_of_file(source),
        None => title.to_owned(),
    };
    if is_grouping_name(&name) {
        return Ok(name);
    }
    Err(GroupsError::Name { path: source.path.to_path_buf(), name: cut(&name) })
}

/// The file's name without its ending and without the pack's name.
fn name_of_file(source: GroupsSource<'_>) -> String {
    let stem = source.path.file_stem().unwrap_or_default().to_string_lossy();
    let rest = stem.strip_prefix(source.pack).and_then(|rest| rest.strip_prefix('-'));
    rest.filter(|rest| !rest.is_empty()).unwrap_or(&stem).to_owned()
}

/// Whether a split can be called so: a name, and none that stands for another rule.
fn is_grouping_name(name: &str) -> bool {
    let is_taken = name == "whole" || name.starts_with("random-") || name.starts_with("similar-");
    name.parse::<Name>().is_ok() && !is_taken
}

/// What was read of a file.
struct Table<'a> {
    source: GroupsSource<'a>,
    classes: &'a [Class],
    /// The classes of a name.
    named: HashMap<&'a str, Vec<usize>>,
    /// The class of an id.
    with_id: HashMap<&'a str, usize>,
    columns: Vec<Column>,
    /// The line of each class.
    lines: Vec<Option<u64>>,
}

impl<'a> Table<'a> {
    fn of(source: GroupsSource<'a>, classes: &'a [Class], columns: Vec<Column>) -> Self {
        let mut named: HashMap<_, Vec<_>> = HashMap::new();
        for (index, class) in classes.iter().enumerate() {
            named.entry(class.name.as_str()).or_default().push(index);
        }
        let with_id = classes.iter().enumerate();
        let with_id = with_id.filter_map(|(index, class)| Some((class.wnid.as_deref()?, index))).collect();
        Self { source, classes, named, with_id, columns, lines: vec![None; classes.len()] }
    }

    fn path(&self) -> PathBuf {
        self.source.path.to_path_buf()
    }

    fn add(&mut self, record: &StringRecord) -> Result<(), GroupsError> {
        let line = record.position().map_or(0, csv::Position::line);
        let class = self.class_index(&record[0], line)?;
        if let Some(first) = self.lines[class].replace(line) {
            return Err(GroupsError::ClassTwice { path: self.path(), line, class: cut(&record[0]), first });
        }
        for (column, given) in self.columns.iter_mut().zip(record.iter().skip(1)) {
            column.values[class] = Some((line, given.to_owned()));
        }
        Ok(())
    }

    /// The class that is meant: by name before id, by id before index.
    fn class_index(&self, given: &str, line: u64) -> Result<usize, GroupsError> {
        match self.named.get(given).map(Vec::as_slice) {
            Some([only]) => return Ok(*only),
            Some(several) => {
                let (path, class, count) = (self.path(), cut(given), several.len());
                return Err(GroupsError::Ambiguous { path, line, class, count });
            }
            None => {}
        }
        if let Some(index) = self.with_id.get(given) {
            return Ok(*index);
        }
        match given.parse::<usize>() {
            Ok(index) if index < self.classes.len() => Ok(index),
            _ => {
                let known = self.classes.iter().map(|class| class.name.as_str());
                let nearest = nearest(given, known).map(str::to_owned);
                Err(GroupsError::UnknownClass { path: self.path(), line, class: cut(given), nearest })
            }
        }
    }

    fn finish(self) -> Result<BTreeMap<String, Vec<Half>>, GroupsError> {
        let path = self.path();
        let lines = self.classes.iter().zip(&self.lines);
        let missing: Vec<_> = lines.filter(|(_, line)| line.is_none()).map(|(class, _)| class).collect();
        if let [first, ..] = missing.as_slice() {
            return Err(GroupsError::Missing { path, class: first.name.clone(), count: missing.len() });
        }
        let columns: Vec<_> = self.columns.into_iter().filter(Column::is_grouping).collect();
        if columns.is_empty() {
            return Err(GroupsError::NoGrouping { path });
        }
        if self.source.name.is_some() && columns.len() > 1 {
            return Err(GroupsError::NameOfSeveral { path, columns: columns.len() });
        }
        let mut groupings = BTreeMap::new();
        for column in columns {
            let name = grouping_name(self.source, &column.title)?;
            let halves = column.halves(&path)?;
            if groupings.insert(name.clone(), halves).is_some() {
                return Err(GroupsError::NameTwice { path, name });
            }
        }
        Ok(groupings)
    }
}

impl Column {
    /// Whether it divides classes: it is called so, or has an A or a B.
    fn is_grouping(&self) -> bool {
        let mut values = self.values.iter().flatten();
        self.title == HALF_COLUMN || values.any(|(_, value)| matches!(value.as_str(), "A" | "B"))
    }

    /// The half of each class, all of which have a line.
    fn halves(self, path: &Path) -> Result<Vec<Half>, GroupsError> {
        let mut halves = Vec::with_capacity(self.values.len());
        for (line, given) in self.values.into_iter().flatten() {
            halves.push(match given.as_str() {
                "A" => Half::A,
                "B" => Half::B,
                _ => {
                    let (path, column, given) = (path.to_path_buf(), self.title, cut(&given));
                    return Err(GroupsError::Half { path, line, column, given });
                }
            });
        }
        for half in [Half::A, Half::B] {
            if !halves.contains(&half) {
                return Err(GroupsError::EmptyHalf { path: path.to_path_buf(), column: self.title, half });
            }
        }
        Ok(halves)
    }
}

/// As much of a text as a message shows.
fn cut(text: &str) -> String {
    text.chars().take(64).collect()
}
