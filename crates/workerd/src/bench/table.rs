//! The result of a measurement as a table for people.

use std::fmt::Write;

use super::Report;

/// Everything of the report, a line for each operator.
pub(super) fn text(report: &Report) -> String {
    let Report { network, device, precision, threads, batch, frozen, .. } = report;
    let mut text = String::new();
    let mut line = |line: String| writeln!(text, "{line}").expect("a string takes everything");
    let frozen = if *frozen == 0 { String::new() } else { format!(", {frozen} layers frozen") };
    line(format!("{network}, batch {batch}{frozen}, on {device} with {threads} threads, {precision}"));
    let times = &report.ms_per_iteration;
    line(format!(
        "{:.0} images/s; an iteration takes {:.2} ms ({:.2} to {:.2})",
        report.images_per_s, times.median, times.min, times.max
    ));
    line(format!(
        "{:.1} of {:.1} GFLOP/s that this machine reaches at most ({:.0} %)",
        report.gflops_per_s,
        report.peak_gflops_per_s,
        100.0 * report.peak_share
    ));
    line(String::new());
    line(format!(
        "{:24} {:>10} {:>11} {:>7} {:>8}",
        "operator", "forward ms", "backward ms", "share", "of peak"
    ));
    for operator in &report.by_op {
        let peak =
            operator.peak_share.map_or_else(|| "-".to_owned(), |share| format!("{:.0} %", 100.0 * share));
        line(format!(
            "{:24} {:>10.3} {:>11.3} {:>5.1} % {:>8}",
            operator.op,
            operator.forward_ms,
            operator.backward_ms,
            100.0 * operator.share,
            peak
        ));
    }
    text
}
