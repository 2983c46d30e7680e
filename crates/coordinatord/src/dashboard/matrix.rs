//! A study at a glance: for each split, treatments down, n across.

use std::collections::{BTreeMap, BTreeSet};

use selffer_core::{job::StateKind, spec::Half};
use selffer_storage::JobSummary;

use super::text::percent;

/// The networks of one split.
#[derive(Debug, PartialEq)]
pub(super) struct Matrix {
    /// The split's name.
    pub(super) split: String,
    /// The n of the columns, increasing; base networks, which copy nothing, stand under 0.
    pub(super) depths: Vec<u8>,
    /// Base networks first, then in the order of the paper.
    pub(super) rows: Vec<Row>,
}

/// One treatment on one target half.
#[derive(Debug, PartialEq)]
pub(super) struct Row {
    /// `base`, `AnB+`.
    pub(super) treatment: String,
    /// What it is trained and tested on.
    pub(super) target: String,
    /// For each n of the columns the networks there: one for each seed and limit of images.
    pub(super) cells: Vec<Vec<Chip>>,
}

/// One network.
#[derive(Debug, PartialEq)]
pub(super) struct Chip {
    /// Its accuracy in percent, or else its state in short.
    pub(super) label: String,
    /// Its name, state and progress, for whoever points at it.
    pub(super) title: String,
    /// Classes of the style sheet.
    pub(super) class: String,
}

/// The matrices of these jobs, one for each split, in the order of the grid.
pub(super) fn matrices(jobs: &[JobSummary]) -> Vec<Matrix> {
    let mut splits: Vec<&str> = Vec::new();
    for job in jobs {
        if !splits.contains(&job.split.as_str()) {
            splits.push(&job.split);
        }
    }
    splits.into_iter().map(|split| matrix(split, jobs.iter().filter(|job| job.split == split))).collect()
}

fn matrix<'a>(split: &str, jobs: impl Iterator<Item = &'a JobSummary>) -> Matrix {
    let mut rows: BTreeMap<(usize, String, Half), Vec<&JobSummary>> = BTreeMap::new();
    let mut depths = BTreeSet::new();
    for job in jobs {
        let key = (rank(&job.treatment), job.treatment.clone(), job.target_half);
        rows.entry(key).or_default().push(job);
        depths.insert(job.layers_copied);
    }
    let depths: Vec<u8> = depths.into_iter().collect();
    let rows = rows.into_iter().map(|((_, treatment, target), jobs)| Row {
        treatment,
        target: target.to_string(),
        cells: depths.iter().map(|depth| chips(&jobs, *depth)).collect(),
    });
    Matrix { split: split.to_owned(), rows: rows.collect(), depths }
}

fn chips(jobs: &[&JobSummary], depth: u8) -> Vec<Chip> {
    jobs.iter().filter(|job| job.layers_copied == depth).map(|job| chip(job)).collect()
}

/// The paper's order: base, selffer, transfer, random.
fn rank(treatment: &str) -> usize {
    const ORDER: [&str; 6] = ["base", "BnB", "BnB+", "AnB", "AnB+", "RnB"];
    ORDER.iter().position(|known| *known == treatment).unwrap_or(ORDER.len())
}

fn chip(job: &JobSummary) -> Chip {
    let state = job.state.as_str();
    let progress = format!("{} of {} iterations", job.iteration, job.iterations);
    match (job.state, job.top1) {
        (StateKind::Succeeded, Some(top1)) => Chip {
            label: percent(top1),
            title: format!("{}: {} % right", job.name, percent(top1)),
            class: format!("succeeded tenth-{}", (top1 * 10.0).clamp(0.0, 9.0) as u8),
        },
        (StateKind::Running, _) => Chip {
            label: format!("{} %", share_percent(job)),
            title: format!("{}: running, {progress}", job.name),
            class: state.to_owned(),
        },
        _ => Chip { label: short(job.state).to_owned(), title: title(job), class: state.to_owned() },
    }
}

fn title(job: &JobSummary) -> String {
    let reason = job.reason();
    let separator = if reason.is_empty() { "" } else { ": " };
    format!("{}: {}{separator}{reason}", job.name, job.state.as_str())
}

/// Share of its iterations, in whole percent.
pub(super) fn share_percent(job: &JobSummary) -> u64 {
    u64::from(job.iteration) * 100 / u64::from(job.iterations.max(1))
}

fn short(state: StateKind) -> &'static str {
    match state {
        StateKind::Waiting => "·",
        StateKind::Ready => "ready",
        StateKind::Leased => "start",
        StateKind::Running => "run",
        StateKind::Suspect => "silent",
        StateKind::Held => "held",
        StateKind::Succeeded => "done",
        StateKind::Failed => "failed",
        StateKind::Cancelled => "off",
    }
}
