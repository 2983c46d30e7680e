//! Progress into a pipe: a line when something changes, and a summary now and then.

use std::time::{Duration, Instant};

use super::{
    board::{Board, Change},
    text,
};
use crate::output::Screen;

/// How often a summary comes while nothing changes.
const SUMMARY_INTERVAL: Duration = Duration::from_secs(15);

/// Plain lines on stdout.
pub(crate) struct Lines {
    summary_at: Instant,
}

impl Lines {
    /// Starts with a summary.
    pub(crate) fn start(screen: &Screen, board: &Board) -> anyhow::Result<Self> {
        screen.print(&format!("{}\n", text::summary_line(board)))?;
        Ok(Self { summary_at: Instant::now() + SUMMARY_INTERVAL })
    }

    /// Tells what changed.
    pub(crate) fn show(&mut self, screen: &Screen, board: &Board, changes: &[Change]) -> anyhow::Result<()> {
        for line in changes.iter().filter_map(text::change_line) {
            screen.print(&format!("{line}\n"))?;
        }
        let now = Instant::now();
        if now >= self.summary_at {
            self.summary_at = now + SUMMARY_INTERVAL;
            screen.print(&format!("{}\n", text::summary_line(board)))?;
            for job in board.running() {
                screen.print(&format!(
                    "  {}: {}/{} {}\n",
                    job.name,
                    job.iteration,
                    job.iterations,
                    text::job_line(job)
                ))?;
            }
        }
        Ok(())
    }
}
