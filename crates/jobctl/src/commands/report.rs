//! `jobctl report`: what came out of a study, as tables, and as files with the transfer
//! figure.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use futures_util::{StreamExt, TryStreamExt, stream};
use selffer_core::{
    job::StateKind,
    outcome::{MetricPoint, MetricValue},
    pack::PackManifest,
    split::SplitRule,
};
use selffer_report::{
    export, figure2, png,
    results::{Metric, NetworkRow, StudyFacts, TreatmentName},
    summary::Summary,
    table,
};

use crate::{
    args::ReportArgs,
    client::{Client, ImportSelector, JobView, Results, StudyView},
    exit::Exit,
    output::{Format, Screen, human, json},
};

/// Pixels of the PNG for each of the SVG's, enough for a printed page.
const PNG_SCALE: f32 = 2.0;
/// How many learning curves are asked for at a time.
const CURVES_AT_A_TIME: usize = 8;

/// Shows the results, and writes files if a folder is given.
pub(crate) async fn run(client: &Client, screen: &Screen, args: &ReportArgs) -> anyhow::Result<Exit> {
    let study = client.study(&args.study).await?;
    let jobs = client.jobs(&study.name, Results::With).await?;
    let manifest = client.pack(&ImportSelector::Digest(study.pack_digest)).await?;
    let facts = facts(&study, &jobs, manifest.as_ref());
    let rows = rows(client, &study.name, &jobs).await?;
    let summary = Summary::of(&facts, rows);
    print(screen, &facts, &summary)?;
    if let Some(folder) = &args.out {
        for path in write(folder, &facts, &summary)? {
            screen.note(&format!("wrote {}", path.display()))?;
        }
    }
    Ok(Exit::Ok)
}

fn facts(study: &StudyView, jobs: &[JobView], manifest: Option<&PackManifest>) -> StudyFacts {
    StudyFacts {
        study: study.name.clone(),
        dataset: study.dataset.clone(),
        network: study.network.clone(),
        chance: manifest.and_then(|manifest| chance(jobs, manifest)),
        metric: Metric::Final,
    }
}

/// The accuracy of a guess, if all halves have equally many classes.
fn chance(jobs: &[JobView], manifest: &PackManifest) -> Option<f64> {
    let mut counts: Vec<usize> = Vec::new();
    for job in jobs {
        let rule: SplitRule = job.split.parse().ok()?;
        let halves = rule.halves(manifest.classes.len() as u32, &manifest.groupings).ok()?;
        counts.push(halves.classes(job.target).indices.len());
    }
    counts.sort_unstable();
    counts.dedup();
    match counts[..] {
        [classes] if classes > 0 => Some(1.0 / classes as f64),
        _ => None,
    }
}

/// One row a network; base networks also with how much they still gained at the end, which
/// says whether they were trained long enough.
async fn rows(client: &Client, study: &str, jobs: &[JobView]) -> anyhow::Result<Vec<NetworkRow>> {
    let bases = jobs.iter().filter(|job| job.treatment == "base" && job.state == StateKind::Succeeded);
    let gains: BTreeMap<String, Option<f64>> = stream::iter(bases.cloned().collect::<Vec<_>>())
        .map(|job| async move {
            let detail = client.job(&format!("{study}:{}", job.name)).await?;
            anyhow::Ok((job.name, gain_last_quarter(&detail.metrics, job.iterations)))
        })
        .buffer_unordered(CURVES_AT_A_TIME)
        .try_collect()
        .await?;
    Ok(jobs.iter().map(|job| row(job, gains.get(&job.name).copied().flatten())).collect())
}

fn row(job: &JobView, gain_last_quarter: Option<f64>) -> NetworkRow {
    let Ok(treatment) = job.treatment.parse::<TreatmentName>();
    let row = NetworkRow {
        name: job.name.clone(),
        split: job.split.clone(),
        treatment,
        n: job.layers_copied,
        source: job.source,
        target: job.target,
        seed: job.seed,
        top1: None,
        top1_best10: None,
        tests: 0,
        status: job.state,
        flags: Vec::new(),
        images_per_class: job.images_per_class,
        gain_last_quarter,
        device_kind: None,
    };
    match &job.result {
        Some(result) => row.with_result(result),
        None => row,
    }
}

/// Percentage points between the last test of the first three quarters and the last test.
fn gain_last_quarter(metrics: &[MetricPoint], iterations: u32) -> Option<f64> {
    let tests = metrics.iter().filter_map(|point| match &point.value {
        MetricValue::Test(test) => Some((point.iteration, test.top1())),
        MetricValue::TrainingLoss(_) => None,
    });
    let tests: Vec<(u32, f64)> = tests.collect();
    let before = tests.iter().rfind(|(at, _)| u64::from(*at) * 4 <= u64::from(iterations) * 3)?;
    let last = tests.last()?;
    (last.0 == iterations).then_some((last.1 - before.1) * 100.0)
}

fn print(screen: &Screen, facts: &StudyFacts, summary: &Summary) -> anyhow::Result<()> {
    match screen.format {
        Format::Json => screen.print(&json::render(summary)?),
        Format::Csv => screen.print(&export::csv::networks(&summary.networks)),
        Format::Name => {
            let names = summary.networks.iter().map(|row| format!("{}\n", row.name));
            screen.print(&names.collect::<String>())
        }
        Format::Table => screen.print(&text(facts, summary)),
    }
}

fn text(facts: &StudyFacts, summary: &Summary) -> String {
    let trained = summary.networks.iter().filter(|row| row.status == StateKind::Succeeded).count();
    let mut text = format!(
        "{}: {} on {}, {trained} of {} trained\n\n{}\nMeans of each treatment and n, and points gained\n\n{}\nWhat the treatments do\n\n{}",
        facts.study,
        facts.network,
        facts.dataset,
        human::counted(summary.networks.len() as u64, "network"),
        table::networks(summary),
        table::means(summary),
        table::effects(summary),
    );
    for warning in &summary.warnings {
        text.push_str(&format!("\nwarning: {}", warning.message));
    }
    if !summary.warnings.is_empty() {
        text.push('\n');
    }
    text
}

fn write(folder: &Path, facts: &StudyFacts, summary: &Summary) -> anyhow::Result<Vec<PathBuf>> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let svg = figure2::svg(facts, summary);
    let files = [
        ("report.json", json::render(summary)?.into_bytes()),
        ("networks.csv", export::csv::networks(&summary.networks).into_bytes()),
        ("transfer.png", png::png(&svg, PNG_SCALE)?),
        ("transfer.svg", svg.into_bytes()),
    ];
    let mut written = Vec::new();
    for (name, bytes) in files {
        let path = folder.join(name);
        fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
        written.push(path);
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use selffer_core::outcome::TestResult;

    use super::*;

    fn test(iteration: u32, top1_correct: u64) -> MetricPoint {
        let test = TestResult { images: 1_000, top1_correct, top5_correct: 1_000, loss: 0.5 };
        MetricPoint { sequence: iteration, iteration, value: MetricValue::Test(test) }
    }

    #[test]
    fn the_last_quarter_begins_at_the_last_test_before_it() {
        let curve = [test(200, 700), test(400, 800), test(600, 850), test(800, 860)];
        let gain = gain_last_quarter(&curve, 800).unwrap();
        assert!((gain - 1.0).abs() < 1e-9, "{gain}");
    }

    #[test]
    fn a_curve_that_is_cut_off_has_no_last_quarter() {
        assert_eq!(gain_last_quarter(&[test(200, 700), test(400, 800)], 800), None);
    }
}
