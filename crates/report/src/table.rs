//! Tables as rows of text; drawing borders or colours is the program's business.

use std::fmt;

use crate::{
    results::{Metric, NetworkRow},
    stats::{Estimate, Reason},
    summary::Summary,
};

/// A table of text, ready to print.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Column titles.
    pub header: Vec<&'static str>,
    /// Rows, each as long as the header.
    pub rows: Vec<Vec<String>>,
}

/// Every network with its accuracy; what is missing says why.
#[must_use]
pub fn networks(summary: &Summary) -> Table {
    let best10 = summary.networks.iter().any(|row| row.top1_best10.is_some());
    let mut header = vec!["network", "treatment", "n", "source", "target", "seed", "top-1 %"];
    if best10 {
        header.push("ten best %");
    }
    header.extend(["status", "notes"]);
    let rows = summary.networks.iter().map(|row| network_row(row, best10)).collect();
    Table { header, rows }
}

/// Means for each treatment and n, with what they are over the base networks.
#[must_use]
pub fn means(summary: &Summary) -> Table {
    let header =
        vec!["treatment", "n", "networks", "mean %", "minus mean of bases", "minus own base", "95 %"];
    let rows = summary.figure2.iter().map(|row| {
        let networks = if row.networks == row.networks_planned {
            row.networks.to_string()
        } else {
            format!("{} of {}", row.networks, row.networks_planned)
        };
        let mut cells = vec![
            row.treatment.to_string(),
            row.n.to_string(),
            networks,
            percent(row.mean),
            row.minus_base_mean.map_or_else(missing, signed),
        ];
        cells.extend(estimate(&row.minus_own_base));
        cells
    });
    Table { header, rows: rows.collect() }
}

/// What the treatments do, in words and points.
#[must_use]
pub fn effects(summary: &Summary) -> Table {
    let rows = summary.effects.iter().map(|row| {
        let mut cells = vec![row.effect.title().to_owned(), row.n.to_string()];
        cells.extend(estimate(&row.estimate));
        cells
    });
    Table { header: vec!["effect", "n", "points", "95 %"], rows: rows.collect() }
}

fn network_row(row: &NetworkRow, best10: bool) -> Vec<String> {
    let mut cells = vec![
        row.name.clone(),
        row.treatment.to_string(),
        row.n.to_string(),
        row.source.map_or_else(missing, |half| half.to_string()),
        row.target.to_string(),
        row.seed.to_string(),
        percent(row.accuracy(Metric::Final)),
    ];
    if best10 {
        cells.push(percent(row.accuracy(Metric::Best10)));
    }
    let notes: Vec<_> =
        row.flags.iter().filter(|flag| flag.is_remarkable()).map(|flag| flag.as_str()).collect();
    cells.extend([row.status.as_str().to_owned(), notes.join(", ")]);
    cells
}

/// Value and interval; in place of an interval, why there is none.
fn estimate(estimate: &Estimate) -> [String; 2] {
    let value = estimate.value.map_or_else(missing, signed);
    let why = estimate.reason.map_or("", Reason::as_words);
    let interval = match estimate.ci95 {
        Some([low, high]) if why.is_empty() => format!("{} to {}", signed(low), signed(high)),
        Some([low, high]) => format!("{} to {} ({why})", signed(low), signed(high)),
        None => why.to_owned(),
    };
    [value, interval]
}

/// Points with their sign; what rounds to nothing has none.
fn signed(points: f64) -> String {
    let text = format!("{points:+.2}");
    if matches!(text.as_str(), "+0.00" | "-0.00") { "0.00".to_owned() } else { text }
}

fn percent(accuracy: Option<f64>) -> String {
    accuracy.map_or_else(missing, |accuracy| format!("{:.2}", 100.0 * accuracy))
}

fn missing() -> String {
    "-".to_owned()
}

impl fmt::Display for Table {
    /// Columns aligned by spaces, numbers to the right, no trailing spaces.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = 0..self.header.len();
        let cell_width = |column: usize| {
            let of_rows = self.rows.iter().map(|row| row[column].chars().count());
            of_rows.max().unwrap_or(0).max(self.header[column].chars().count())
        };
        let is_number = |text: &str| text == "-" || text.parse::<f64>().is_ok();
        let widths: Vec<_> = columns.clone().map(cell_width).collect();
        let to_right: Vec<_> =
            columns.map(|column| self.rows.iter().all(|row| is_number(&row[column]))).collect();
        let header = self.header.iter().map(ToString::to_string).collect();
        for row in std::iter::once(&header).chain(&self.rows) {
            let cells = row.iter().enumerate().map(|(column, text)| {
                let width = widths[column];
                if to_right[column] { format!("{text:>width$}") } else { format!("{text:<width$}") }
            });
            writeln!(f, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        Ok(())
    }
}
