//! Progress on a terminal: one bar for each job on a worker, one for the study below them,
//! and a line above for every job that ended.

use std::collections::{BTreeMap, BTreeSet};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use selffer_core::job::StateKind;

use super::{
    board::{Board, Change},
    text,
};
use crate::client::JobView;

/// How many running jobs get a bar; a large fleet would fill the screen.
const BARS_MAX: usize = 16;

/// The bars of a watched study.
pub(crate) struct Bars {
    all: MultiProgress,
    of_study: ProgressBar,
    of_jobs: BTreeMap<String, ProgressBar>,
}

impl Bars {
    /// Draws the study as it is.
    pub(crate) fn start(board: &Board) -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(8));
        let of_study = all.add(ProgressBar::new(1_000).with_style(study_style()));
        let mut bars = Self { all, of_study, of_jobs: BTreeMap::new() };
        bars.redraw(board);
        bars
    }

    /// Draws what changed.
    pub(crate) fn show(&mut self, board: &Board, changes: &[Change]) -> anyhow::Result<()> {
        // A job that starts gets a bar, which says more than a line.
        let told = changes.iter().filter(|change| change.job.state != StateKind::Running);
        for line in told.filter_map(text::change_line) {
            self.all.println(line)?;
        }
        self.redraw(board);
        Ok(())
    }

    /// Says something above the bars.
    pub(crate) fn say(&self, line: &str) -> anyhow::Result<()> {
        Ok(self.all.println(line)?)
    }

    /// Takes all bars away.
    pub(crate) fn finish(self) -> anyhow::Result<()> {
        for bar in self.of_jobs.values() {
            bar.finish_and_clear();
        }
        self.of_study.finish_and_clear();
        Ok(self.all.clear()?)
    }

    fn redraw(&mut self, board: &Board) {
        let shown: Vec<&JobView> = board.running().take(BARS_MAX).collect();
        let names: BTreeSet<&str> = shown.iter().map(|job| job.name.as_str()).collect();
        let gone: Vec<String> =
            self.of_jobs.keys().filter(|name| !names.contains(name.as_str())).cloned().collect();
        for name in gone {
            if let Some(bar) = self.of_jobs.remove(&name) {
                bar.finish_and_clear();
                self.all.remove(&bar);
            }
        }
        let name_width = shown.iter().map(|job| job.name.len()).max().unwrap_or(0);
        for job in shown {
            let bar = self.of_jobs.entry(job.name.clone()).or_insert_with(|| {
                let bar = ProgressBar::new(job.iterations.into()).with_style(job_style());
                self.all.insert_before(&self.of_study, bar)
            });
            bar.set_prefix(format!("{:name_width$}", job.name));
            bar.set_position(job.iteration.into());
            bar.set_message(text::job_line(job));
        }
        self.of_study.set_position((board.study().share_done() * 1_000.0) as u64);
        self.of_study.set_message(text::summary_line(board));
    }
}

fn job_style() -> ProgressStyle {
    style("  {prefix:.cyan} [{bar:20}] {pos:>6}/{len} {wide_msg}")
}

fn study_style() -> ProgressStyle {
    style("[{bar:30.green}] {wide_msg}")
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("a literal template").progress_chars("=> ")
}
