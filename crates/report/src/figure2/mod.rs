//! The transfer figure: Yosinski et al. 2014, figure 2, for any study.
//!
//! Above, every network is a marker over n and lines join the means; below, the gain over
//! the base network of the same half, with 95 % intervals where the design supports them.
//! Halves are seldom equally hard, so the lower panel is the one to compare treatments in;
//! random features, which lose so much that nothing else could be read, are left above.
//! Colours are the paper's; each treatment has a shape of its own and a label at its end.

mod axis;
mod content;
mod document;
mod draw;
mod labels;
mod style;

use std::collections::BTreeSet;

use self::{
    document::{Anchor, Document, Text},
    draw::Frame,
    style::{MUTED, TEXT},
};
use crate::{
    results::{Metric, NetworkRow, StudyFacts},
    summary::Summary,
};

const WIDTH: f64 = 900.0;
const LEFT: f64 = 78.0;
const RIGHT: f64 = 676.0;
const TOP: f64 = 92.0;
const ACCURACIES_HEIGHT: f64 = 330.0;
const GAINS_HEIGHT: f64 = 230.0;
const BETWEEN: f64 = 58.0;
const BELOW: f64 = 62.0;

/// The figure as SVG, 900 pixels wide. Same rows, same bytes.
#[must_use]
pub fn svg(facts: &StudyFacts, summary: &Summary) -> String {
    let accuracies = content::accuracies(summary, facts);
    let gains = content::gains(summary);
    let has_gains = !gains.series.is_empty();
    let rows = summary.figure2_networks();
    let n_max = rows.iter().map(|row| row.n).max().unwrap_or(0).max(1);
    let bottom = TOP + ACCURACIES_HEIGHT;
    let upper = Frame { left: LEFT, right: RIGHT, top: TOP, bottom, n_max };
    let lower = Frame { top: bottom + BETWEEN, bottom: bottom + BETWEEN + GAINS_HEIGHT, ..upper };
    let last = if has_gains { lower } else { upper };

    let mut document = Document::new(WIDTH, last.bottom + BELOW);
    let title = format!("How transferable are the features of {} on {}?", facts.network, facts.dataset);
    let subtitle = subtitle(facts, &rows);
    heading(&mut document, &title, &subtitle);
    draw::panel(&mut document, &accuracies, &upper);
    if has_gains {
        draw::panel(&mut document, &gains, &lower);
    }
    let at = [(LEFT + RIGHT) / 2.0, last.bottom + 44.0];
    let text = "n: number of layers copied";
    document.text(&Text { at, text, size: 13.0, anchor: Anchor::Middle, ..Text::default() });
    document.finish(&title, &subtitle)
}

fn heading(document: &mut Document, title: &str, subtitle: &str) {
    let fitted = |text: &str, size: f64, width_of_size: f64| {
        // Long names make the letters smaller, never run out of the figure.
        size.min((WIDTH - 48.0) / (width_of_size * text.chars().count().max(1) as f64))
    };
    let size = fitted(title, 18.0, 0.66);
    document.text(&Text {
        at: [24.0, 34.0],
        text: title,
        size,
        color: TEXT,
        is_bold: true,
        ..Text::default()
    });
    let size = fitted(subtitle, 12.0, 0.58);
    document.text(&Text { at: [24.0, 58.0], text: subtitle, size, color: MUTED, ..Text::default() });
}

fn subtitle(facts: &StudyFacts, rows: &[&NetworkRow]) -> String {
    let trained = rows.iter().filter(|row| row.accuracy(facts.metric).is_some()).count();
    let splits: BTreeSet<&str> = rows.iter().map(|row| row.split.as_str()).collect();
    let split = match splits.first() {
        Some(split) if splits.len() == 1 => format!("split {split}"),
        _ => format!("{} splits", splits.len()),
    };
    let metric = match facts.metric {
        Metric::Final => "final test",
        Metric::Best10 => "mean of the ten best tests",
    };
    let count =
        if trained == rows.len() { trained.to_string() } else { format!("{trained} of {}", rows.len()) };
    format!(
        "Study {}, {split}: {count} networks, one marker each; lines join means. Accuracy: {metric}.",
        facts.study
    )
}
