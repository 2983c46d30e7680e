//! What the two panels show, before it is drawn.

use crate::{
    results::{NetworkRow, StudyFacts, TreatmentName},
    stats::Reason,
    summary::{Figure2Row, Summary},
};

/// The data of one panel.
pub(super) struct Panel {
    /// What is measured.
    pub(super) y_title: &'static str,
    /// One a treatment, in the order of drawing.
    pub(super) series: Vec<Series>,
    /// Horizontal lines with a word each.
    pub(super) references: Vec<Reference>,
    /// Values that make sense; the axis goes no further.
    pub(super) bounds: [f64; 2],
    /// What to know when reading it; empty for nothing.
    pub(super) note: &'static str,
}

/// One treatment in one panel.
pub(super) struct Series {
    /// The treatment.
    pub(super) treatment: TreatmentName,
    /// One a network.
    pub(super) networks: Vec<Network>,
    /// Means at each n, increasing; none where a network of that n has no result yet.
    pub(super) means: Vec<(u32, Option<Mean>)>,
}

/// One marker.
pub(super) struct Network {
    /// Layers copied.
    pub(super) n: u32,
    /// In the panel's unit.
    pub(super) y: f64,
    /// Its name and value, for the pointer.
    pub(super) title: String,
    /// What stands beside it; empty for nothing.
    pub(super) label: String,
}

/// One point of a line.
#[derive(Clone, Copy)]
pub(super) struct Mean {
    /// In the panel's unit.
    pub(super) y: f64,
    /// 95 % interval.
    pub(super) ci95: Option<[f64; 2]>,
}

/// A horizontal line.
pub(super) struct Reference {
    /// In the panel's unit.
    pub(super) y: f64,
    /// What it is.
    pub(super) words: String,
    /// Whether the axis must reach it, however far it is.
    pub(super) is_essential: bool,
}

// With more base networks than this their halves are not written beside them.
const LABELLED_BASES_MAX: usize = 2;

/// Accuracies: every network, and lines through means.
pub(super) fn accuracies(summary: &Summary, facts: &StudyFacts) -> Panel {
    let rows = summary.figure2_networks();
    let bases = rows.iter().filter(|row| row.treatment == TreatmentName::Base).count();
    let series = TreatmentName::ALL.into_iter().filter_map(|treatment| {
        let of_treatment: Vec<_> = rows.iter().filter(|row| row.treatment == treatment).collect();
        let networks = of_treatment.iter().filter_map(|row| network(row, facts, bases)).collect();
        let means =
            means(summary, &treatment, |row| row.mean.map(|mean| Mean { y: 100.0 * mean, ci95: None }));
        (!of_treatment.is_empty()).then_some(Series { treatment, networks, means })
    });
    let chance = facts.chance.map(|chance| Reference {
        y: 100.0 * chance,
        words: format!("chance {}", percent(chance)),
        is_essential: false,
    });
    Panel {
        y_title: "Top-1 accuracy (%)",
        series: series.collect(),
        references: chance.into_iter().collect(),
        bounds: [0.0, 100.0],
        note: "",
    }
}

/// Gains over the base network of the same half: means with their intervals.
pub(super) fn gains(summary: &Summary) -> Panel {
    use TreatmentName::{AnB, AnBPlus, BnB, BnBPlus};
    let treated = [BnB, BnBPlus, AnB, AnBPlus].into_iter();
    let series = treated.filter_map(|treatment| {
        let means = means(summary, &treatment, |row| {
            let estimate = &row.minus_own_base;
            estimate.value.map(|y| Mean { y, ci95: estimate.ci95 })
        });
        let has_any = means.iter().any(|(_, mean)| mean.is_some());
        has_any.then_some(Series { treatment, networks: Vec::new(), means })
    });
    let base = Reference { y: 0.0, words: "own base".to_owned(), is_essential: true };
    Panel {
        y_title: "Gain over own base (points)",
        series: series.collect(),
        references: vec![base],
        bounds: [f64::NEG_INFINITY, f64::INFINITY],
        note: interval_note(summary),
    }
}

/// What the bars are, or why there are none.
fn interval_note(summary: &Summary) -> &'static str {
    let mut estimates = summary.figure2.iter().map(|row| &row.minus_own_base).filter(|of| of.value.is_some());
    if estimates.clone().all(|estimate| estimate.ci95.is_none()) {
        "one split: no intervals"
    } else if estimates.any(|estimate| estimate.reason == Some(Reason::ThisSplitOverTrainingRuns)) {
        "bars: 95 % intervals over training runs of this split"
    } else {
        "bars: 95 % intervals over splits, where there are two or more"
    }
}

fn network(row: &NetworkRow, facts: &StudyFacts, bases: usize) -> Option<Network> {
    let accuracy = row.accuracy(facts.metric)?;
    let is_labelled = row.treatment == TreatmentName::Base && bases <= LABELLED_BASES_MAX && bases > 1;
    Some(Network {
        n: row.n,
        y: 100.0 * accuracy,
        title: format!("{}: {:.2} %", row.name, 100.0 * accuracy),
        label: if is_labelled { row.target.to_string() } else { String::new() },
    })
}

/// A treatment's means; a gap where not every network of that n has its result.
fn means(
    summary: &Summary,
    treatment: &TreatmentName,
    value: impl Fn(&Figure2Row) -> Option<Mean>,
) -> Vec<(u32, Option<Mean>)> {
    let of_treatment = summary.figure2.iter().filter(|row| row.treatment == *treatment);
    of_treatment
        .map(|row| (row.n, if row.networks == row.networks_planned { value(row) } else { None }))
        .collect()
}

/// A fraction in percent with the digits that matter.
fn percent(fraction: f64) -> String {
    let percent = format!("{:.1}", 100.0 * fraction);
    format!("{} %", percent.strip_suffix(".0").unwrap_or(&percent))
}
