//! Drawing one panel: axes, reference lines, lines, markers, labels.

use super::{
    axis::{Axis, padded_range},
    content::{Mean, Panel, Series},
    document::{Anchor, Document, Stroke, Text},
    labels::spread,
    style::{AXIS, GRID, MUTED, Style},
};

/// Where a panel is, in pixels, and how far its n go.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    /// The left end of the x axis.
    pub(super) left: f64,
    /// The right end.
    pub(super) right: f64,
    /// The upper end of the y axis.
    pub(super) top: f64,
    /// The lower end.
    pub(super) bottom: f64,
    /// The largest n.
    pub(super) n_max: u32,
}

const MARKER_RADIUS: f64 = 4.2;
const LABEL_GAP: f64 = 17.0;
// Pixels of one n that the treatments' shifts are made for.
const SLOT: f64 = 70.0;

/// Draws the panel into the frame.
pub(super) fn panel(document: &mut Document, panel: &Panel, frame: &Frame) {
    let y_axis = Axis::new(y_range(panel), [frame.bottom, frame.top]);
    // Half an n of room on both sides for markers that stand side by side.
    let x_axis = Axis::new([-0.5, f64::from(frame.n_max) + 0.5], [frame.left, frame.right]);
    axes(document, panel, frame, &x_axis, &y_axis);
    references(document, panel, frame, &y_axis);
    let plot = Plot { x_axis, y_axis, frame: *frame };
    for series in &panel.series {
        plot.lines(document, series);
    }
    for series in &panel.series {
        plot.markers(document, series);
    }
    plot.labels(document, panel);
    let at = [frame.left + 6.0, frame.bottom - 7.0];
    document.text(&Text { at, text: panel.note, ..small_print() });
}

/// The range of everything that is drawn. A reference line that would squeeze the data
/// into less than two thirds of the panel is left out.
fn y_range(panel: &Panel) -> [f64; 2] {
    let means = panel.series.iter().flat_map(|series| series.means.iter().filter_map(|(_, mean)| *mean));
    let mut values: Vec<f64> =
        means.flat_map(|mean| [mean.y].into_iter().chain(mean.ci95.into_iter().flatten())).collect();
    values.extend(panel.series.iter().flat_map(|series| series.networks.iter().map(|network| network.y)));
    values.extend(panel.references.iter().filter(|line| line.is_essential).map(|line| line.y));
    let Some([low, high]) = padded_range(values.iter().copied(), 1.0) else { return [0.0, 100.0] };
    let [least, greatest] = panel.bounds;
    let is_near = |y: f64| (low - y).max(y - high) < (high - low) / 2.0;
    values.extend(panel.references.iter().map(|line| line.y).filter(|y| is_near(*y)));
    let [low, high] = padded_range(values, 1.0).unwrap_or([low, high]);
    [low.max(least), high.min(greatest)]
}

fn axes(document: &mut Document, panel: &Panel, frame: &Frame, x_axis: &Axis, y_axis: &Axis) {
    let (ticks, decimals) = y_axis.ticks();
    let grid = Stroke { color: GRID, width: 1.0, dashes: "" };
    for tick in ticks {
        let y = y_axis.at(tick);
        document.line(&[[frame.left, y], [frame.right, y]], &grid);
        let text = format!("{tick:.decimals$}").replace('-', "−");
        let at = [frame.left - 8.0, y + 4.0];
        document.text(&Text { at, text: &text, anchor: Anchor::End, ..Text::default() });
    }
    let axis = Stroke { color: AXIS, width: 1.0, dashes: "" };
    document.line(&[[frame.left, frame.top], [frame.left, frame.bottom], [frame.right, frame.bottom]], &axis);
    for n in 0..=frame.n_max {
        let x = x_axis.at(f64::from(n));
        document.line(&[[x, frame.bottom], [x, frame.bottom + 5.0]], &axis);
        let text = if n == 0 { "base".to_owned() } else { n.to_string() };
        let at = [x, frame.bottom + 19.0];
        document.text(&Text { at, text: &text, anchor: Anchor::Middle, ..Text::default() });
    }
    let at = [frame.left - 46.0, (frame.top + frame.bottom) / 2.0];
    let title = Text { at, text: panel.y_title, size: 13.0, anchor: Anchor::Middle, ..Text::default() };
    document.turned_text(&title, -90);
}

fn references(document: &mut Document, panel: &Panel, frame: &Frame, y_axis: &Axis) {
    for line in &panel.references {
        if y_axis.contains(line.y) {
            let y = y_axis.at(line.y);
            let stroke = Stroke { color: AXIS, width: 1.2, dashes: "1 3" };
            document.line(&[[frame.left, y], [frame.right, y]], &stroke);
            document.text(&Text { at: [frame.left + 6.0, y - 5.0], text: &line.words, ..small_print() });
        } else {
            let text = format!("{}, below the axis", line.words);
            document.text(&Text { at: [frame.left + 6.0, frame.bottom - 7.0], text: &text, ..small_print() });
        }
    }
}

fn small_print() -> Text<'static> {
    Text { size: 11.0, color: MUTED, has_halo: true, ..Text::default() }
}

/// A panel with its axes fixed.
struct Plot {
    x_axis: Axis,
    y_axis: Axis,
    frame: Frame,
}

impl Plot {
    fn at(&self, style: &Style, n: u32, y: f64) -> [f64; 2] {
        let x = self.x_axis.at(f64::from(n));
        // Markers of one n stay closer to it than to the next, however many n there are.
        let slot = self.x_axis.at(f64::from(n) + 1.0) - x;
        [x + style.shift * (slot / SLOT).min(1.0), self.y_axis.at(y)]
    }

    /// Lines through neighbouring means, and intervals; a gap where a mean is missing.
    fn lines(&self, document: &mut Document, series: &Series) {
        let Some(style) = Style::of(&series.treatment) else { return };
        let stroke = Stroke { color: style.stroke, width: 1.8, dashes: style.dashes };
        let points: Vec<Option<[f64; 2]>> =
            series.means.iter().map(|(n, mean)| mean.map(|mean| self.at(&style, *n, mean.y))).collect();
        for piece in points.split(Option::is_none) {
            let piece: Vec<_> = piece.iter().copied().flatten().collect();
            match piece.as_slice() {
                [] => {}
                // A mean without neighbours is a dash.
                [[x, y]] => document.line(&[[x - 12.0, *y], [x + 12.0, *y]], &stroke),
                piece => document.line(piece, &stroke),
            }
        }
        for (n, mean) in &series.means {
            if let Some(Mean { ci95: Some([low, high]), .. }) = mean {
                let ends = [self.at(&style, *n, *low), self.at(&style, *n, *high)];
                document.line(&ends, &Stroke { color: style.stroke, width: 1.2, dashes: "" });
            }
        }
    }

    fn markers(&self, document: &mut Document, series: &Series) {
        let Some(style) = Style::of(&series.treatment) else { return };
        for network in &series.networks {
            let [x, y] = self.at(&style, network.n, network.y);
            document.marker(&style, [x, y], MARKER_RADIUS, &network.title);
            if !network.label.is_empty() {
                let at = [x + 9.0, y + 4.0];
                document.text(&Text { at, text: &network.label, size: 11.0, ..Text::default() });
            }
        }
        if series.networks.is_empty() {
            for (n, mean) in &series.means {
                if let Some(mean) = mean {
                    let title = format!("{} at n = {n}: {:+.2} points", series.treatment, mean.y);
                    document.marker(&style, self.at(&style, *n, mean.y), MARKER_RADIUS, &title);
                }
            }
        }
    }

    /// A label for each treatment, beside the end of its line.
    fn labels(&self, document: &mut Document, panel: &Panel) {
        let labelled: Vec<_> = panel
            .series
            .iter()
            .filter_map(|series| Some((series, Style::of(&series.treatment)?, self.end_of(series)?)))
            .collect();
        let wanted: Vec<_> = labelled.iter().map(|(.., end)| end[1]).collect();
        let heights = spread(&wanted, LABEL_GAP, [self.frame.top + 4.0, self.frame.bottom - 4.0]);
        for ((series, style, end), y) in labelled.into_iter().zip(heights) {
            let x = self.frame.right + 22.0;
            let leader = Stroke { color: style.stroke, width: 0.7, dashes: "" };
            // Across the panel it would look like data.
            if end[0] > self.x_axis.at(f64::from(self.frame.n_max) - 0.5) {
                document.line(&[[end[0] + 7.0, end[1]], [x - 8.0, y]], &leader);
            }
            document.marker(&style, [x, y], MARKER_RADIUS, "");
            let at = [x + 11.0, y + 4.0];
            let name = series.treatment.as_str();
            document.text(&Text { at, text: name, color: style.stroke, is_bold: true, ..Text::default() });
            let at = [x + 56.0, y + 4.0];
            document.text(&Text { at, text: style.words, color: MUTED, ..Text::default() });
        }
    }

    /// The last point of a treatment: of its line, else of its networks.
    fn end_of(&self, series: &Series) -> Option<[f64; 2]> {
        let style = Style::of(&series.treatment)?;
        let of_line = series.means.iter().rev().find_map(|(n, mean)| Some((*n, (*mean)?.y)));
        let of_networks = || series.networks.last().map(|network| (network.n, network.y));
        let (n, y) = of_line.or_else(of_networks)?;
        Some(self.at(&style, n, y))
    }
}
