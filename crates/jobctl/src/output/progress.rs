//! Progress of one long operation, on stderr: a bar on a terminal, a line now and then
//! into a pipe, nothing in the way of results.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Screen, human};

/// How often a pipe gets a line.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// What is being counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Bytes, shown as `MiB` and `MiB/s`.
    Bytes,
    /// Images.
    Images,
}

/// Progress of one operation whose size is known.
pub(crate) struct Progress {
    what: String,
    unit: Unit,
    bar: ProgressBar,
    started: Instant,
    total: u64,
    lines: Option<Lines>,
    /// Bytes that the images take, done and in all, where that is known.
    bytes: Option<(u64, u64)>,
    /// What was done before it started, which says nothing of the rate.
    before: u64,
}

struct Lines {
    next_at: Instant,
}

impl Progress {
    /// Starts to show it; `what` is a short phrase such as `importing images`.
    pub(crate) fn start(screen: &Screen, what: &str, unit: Unit, total: u64) -> Self {
        let started = Instant::now();
        let target = if screen.progress_on_terminal {
            ProgressDrawTarget::stderr_with_hz(8)
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(total), target).with_style(style(unit));
        bar.set_message(what.to_owned());
        let lines = (!screen.progress_on_terminal).then(|| Lines { next_at: started + LINE_INTERVAL });
        Self { what: what.to_owned(), unit, bar, started, total, lines, bytes: None, before: 0 }
    }

    /// Says how much is done; may be called as often as wanted.
    pub(crate) fn set(&mut self, done: u64) {
        self.bar.set_position(done);
        let Some(lines) = &mut self.lines else { return };
        let now = Instant::now();
        if now >= lines.next_at {
            lines.next_at = now + LINE_INTERVAL;
            let line = line(
                &self.what,
                self.unit,
                (done - self.before.min(done), self.total - self.before, self.bytes),
                now - self.started,
            );
            // Progress that cannot be shown must not end the work.
            let _ = std::io::Write::write_fmt(&mut anstream::stderr().lock(), format_args!("{line}\n"));
        }
    }

    /// The same, with the bytes that what is done and all of it take; so much was `before`.
    pub(crate) fn set_with_bytes(&mut self, done: u64, bytes: (u64, u64), before: u64) {
        (self.bytes, self.before) = (Some(bytes), before);
        let (bytes_done, bytes_total) = bytes;
        let of = format!("{} ({} of {})", self.what, human::bytes(bytes_done), human::bytes(bytes_total));
        self.bar.set_message(of);
        self.set(done);
    }

    /// Takes the bar away and answers how long it took.
    pub(crate) fn finish(self) -> Duration {
        self.bar.finish_and_clear();
        self.started.elapsed()
    }
}

fn style(unit: Unit) -> ProgressStyle {
    let numbers = match unit {
        Unit::Bytes => "{binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec}",
        Unit::Images => "{human_pos}/{human_len} images {per_sec}",
    };
    let template = format!("{{msg}} [{{bar:30}}] {{percent:>3}} % {numbers}, {{eta}} left");
    ProgressStyle::with_template(&template).expect("a literal template").progress_chars("=> ")
}

fn line(
    what: &str,
    unit: Unit,
    (done, total, bytes): (u64, u64, Option<(u64, u64)>),
    elapsed: Duration,
) -> String {
    let rate = done as f64 / elapsed.as_secs_f64().max(1e-3);
    let left_s = total.saturating_sub(done) as f64 / rate.max(1e-9);
    let numbers = match unit {
        Unit::Bytes => format!("{}, {}/s", human::bytes(done), human::bytes(rate as u64)),
        Unit::Images => {
            let bytes =
                bytes.map(|(done, total)| format!(", {} of {}", human::bytes(done), human::bytes(total)));
            let bytes = bytes.unwrap_or_default();
            format!("{} images, {}{bytes}", human::count(done), human::images_per_s(rate))
        }
    };
    let share = done as f64 / total.max(1) as f64;
    format!("{what}: {} ({numbers}), {} left", human::percent(share), human::duration(left_s))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_progress_has_share_rate_and_time_left() {
        let text = line("sending", Unit::Images, (15_000, 60_000, None), Duration::from_secs(5));
        assert_eq!(text, "sending: 25.0 % (15,000 images, 3,000 images/s), 15 s left");
    }
}
