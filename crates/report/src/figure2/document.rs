//! Just enough SVG: elements, numbers, escaped text.
//!
//! We write SVG ourselves: a figure must have a view box, tell screen readers what it
//! shows, name every network under the pointer, put labels where lines end, and be the
//! same bytes each time. No plotting library at hand does all of that.

use std::fmt::Write as _;

use super::style::{BACKGROUND, FONTS, Shape, Style, TEXT};

/// An SVG document in the making.
pub(super) struct Document {
    body: String,
    width: f64,
    height: f64,
}

/// Where a text's position is in it.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// Text to draw; `y` is its base line.
pub(super) struct Text<'a> {
    pub(super) at: [f64; 2],
    pub(super) text: &'a str,
    pub(super) size: f64,
    pub(super) color: &'a str,
    pub(super) anchor: Anchor,
    pub(super) is_bold: bool,
    /// Whether lines behind it are kept away from it.
    pub(super) has_halo: bool,
}

impl Default for Text<'_> {
    fn default() -> Self {
        Self {
            at: [0.0; 2],
            text: "",
            size: 12.0,
            color: TEXT,
            anchor: Anchor::Start,
            is_bold: false,
            has_halo: false,
        }
    }
}

/// How a line is drawn.
pub(super) struct Stroke<'a> {
    pub(super) color: &'a str,
    pub(super) width: f64,
    pub(super) dashes: &'a str,
}

impl Document {
    /// An empty figure of this size in pixels.
    pub(super) fn new(width: f64, height: f64) -> Self {
        Self { body: String::new(), width, height }
    }

    /// A straight line or a chain of them.
    pub(super) fn line(&mut self, points: &[[f64; 2]], stroke: &Stroke<'_>) {
        let _ = write!(self.body, "<polyline points=\"");
        for (index, [x, y]) in points.iter().enumerate() {
            let separator = if index == 0 { "" } else { " " };
            let _ = write!(self.body, "{separator}{},{}", Pixels(*x), Pixels(*y));
        }
        let _ = write!(
            self.body,
            "\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\"",
            stroke.color, stroke.width
        );
        if !stroke.dashes.is_empty() {
            let _ = write!(self.body, " stroke-dasharray=\"{}\"", stroke.dashes);
        }
        self.body.push_str(" stroke-linejoin=\"round\"/>\n");
    }

    /// A text.
    pub(super) fn text(&mut self, text: &Text<'_>) {
        self.turned_text(text, 0);
    }

    /// A text, turned around its position by so many degrees clockwise.
    pub(super) fn turned_text(&mut self, text: &Text<'_>, degrees: i32) {
        let [x, y] = text.at.map(Pixels);
        let anchor = match text.anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let weight = if text.is_bold { " font-weight=\"bold\"" } else { "" };
        let _ = write!(
            self.body,
            "<text x=\"{x}\" y=\"{y}\" font-size=\"{}\" fill=\"{}\" text-anchor=\"{anchor}\"{weight}",
            Pixels(text.size),
            text.color,
        );
        if text.has_halo {
            let _ = write!(self.body, " stroke=\"{BACKGROUND}\" stroke-width=\"4\" paint-order=\"stroke\"");
        }
        if degrees != 0 {
            let _ = write!(self.body, " transform=\"rotate({degrees} {x} {y})\"");
        }
        let _ = writeln!(self.body, ">{}</text>", Escaped(text.text));
    }

    /// A marker of about `2 radius` pixels; `title` is shown under the pointer.
    pub(super) fn marker(&mut self, style: &Style, at: [f64; 2], radius: f64, title: &str) {
        let (element, geometry) = geometry(style.shape, at, radius);
        // A cross has no inside.
        let (fill, width) = if style.shape == Shape::Cross { ("none", 2.0) } else { (style.fill, 1.2) };
        let _ = write!(
            self.body,
            "<{element} {geometry} fill=\"{fill}\" stroke=\"{}\" stroke-width=\"{width}\"",
            style.stroke
        );
        let _ = if title.is_empty() {
            writeln!(self.body, "/>")
        } else {
            writeln!(self.body, "><title>{}</title></{element}>", Escaped(title))
        };
    }

    /// The whole document; `title` and `description` are for those who cannot see it.
    pub(super) fn finish(self, title: &str, description: &str) -> String {
        let (width, height) = (Pixels(self.width), Pixels(self.height));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" role=\"img\" font-family=\"{FONTS}\">\n\
             <title>{}</title>\n<desc>{}</desc>\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"{BACKGROUND}\"/>\n{}</svg>\n",
            Escaped(title),
            Escaped(description),
            self.body,
        )
    }
}

/// The element that draws a shape, and its attributes.
fn geometry(shape: Shape, [x, y]: [f64; 2], radius: f64) -> (&'static str, String) {
    let corners: &[[f64; 2]] = match shape {
        Shape::Circle => {
            let geometry = format!("cx=\"{}\" cy=\"{}\" r=\"{}\"", Pixels(x), Pixels(y), Pixels(radius));
            return ("circle", geometry);
        }
        Shape::Cross => {
            let [left, right] = [Pixels(x - 0.9 * radius), Pixels(x + 0.9 * radius)];
            let [top, bottom] = [Pixels(y - 0.9 * radius), Pixels(y + 0.9 * radius)];
            return (
                "path",
                format!("d=\"M{left},{top} L{right},{bottom} M{left},{bottom} L{right},{top}\""),
            );
        }
        // Sizes for which the shapes look equally large.
        Shape::Square => &[[-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]],
        Shape::Diamond => &[[0.0, -1.25], [1.1, 0.0], [0.0, 1.25], [-1.1, 0.0]],
        Shape::Triangle => &[[0.0, -1.2], [1.15, 0.85], [-1.15, 0.85]],
    };
    let corner = |[dx, dy]: &[f64; 2]| format!("{},{}", Pixels(x + radius * dx), Pixels(y + radius * dy));
    let points = corners.iter().map(corner).collect::<Vec<_>>().join(" ");
    ("polygon", format!("points=\"{points}\""))
}

/// A length with at most two decimals, always written the same way.
struct Pixels(f64);

impl std::fmt::Display for Pixels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = format!("{:.2}", self.0);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// Text that may hold anything.
struct Escaped<'a>(&'a str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                // Characters that XML cannot hold at all.
                control if control.is_control() => f.write_str(" ")?,
                character => f.write_char(character)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_stays_text() {
        let mut document = Document::new(10.0, 10.0);
        document.text(&Text { text: "</text><script>\0\"&", ..Text::default() });
        let svg = document.finish("<t>", "d");
        assert!(svg.contains(">&lt;/text&gt;&lt;script&gt; &quot;&amp;</text>"), "{svg}");
        assert!(svg.contains("<title>&lt;t&gt;</title>"), "{svg}");
    }

    #[test]
    fn lengths_are_written_shortly() {
        let written = [1.0, 0.5, 100.0, 2.0 / 3.0].map(|length| Pixels(length).to_string());
        assert_eq!(written, ["1", "0.5", "100", "0.67"]);
    }
}
