//! CSV: one row a network, in the study's order, with a header.

use crate::results::NetworkRow;

/// The column names, in order.
pub const HEADER: [&str; 12] = [
    "name",
    "split",
    "treatment",
    "n",
    "source",
    "target",
    "seed",
    "top1",
    "top1_best10",
    "tests",
    "status",
    "flags",
];

/// The rows as CSV text. Accuracies are fractions; what is missing is empty; flags are
/// joined by semicolons.
#[must_use]
pub fn networks(rows: &[NetworkRow]) -> String {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    let written = writer
        .write_record(HEADER)
        .and_then(|()| rows.iter().try_for_each(|row| writer.write_record(record(row))));
    written.expect("a vector takes every write, and all rows have as many fields");
    let bytes = writer.into_inner().expect("a vector takes every write");
    String::from_utf8(bytes).expect("all fields are UTF-8")
}

fn record(row: &NetworkRow) -> [String; 12] {
    let or_empty = |accuracy: Option<f64>| accuracy.map(|accuracy| accuracy.to_string()).unwrap_or_default();
    [
        row.name.clone(),
        row.split.clone(),
        row.treatment.to_string(),
        row.n.to_string(),
        row.source.map(|half| half.to_string()).unwrap_or_default(),
        row.target.to_string(),
        row.seed.to_string(),
        or_empty(row.top1),
        or_empty(row.top1_best10),
        row.tests.to_string(),
        row.status.as_str().to_owned(),
        row.flags.iter().map(|flag| flag.as_str()).collect::<Vec<_>>().join(";"),
    ]
}
