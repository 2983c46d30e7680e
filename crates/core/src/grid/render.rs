//! Draws grid errors beneath the lines they are about.
//!
//! Each begins `FILE:LINE:COLUMN: message`, as editors and terminals understand it. Only
//! the lines concerned are handed to the drawing library, so that a large file costs no
//! more than a small one.

use std::ops::Range;

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Renderer, Snippet, renderer::DecorStyle};

use super::error::{GridError, GridErrors};

/// Longest part of one line that is shown, in bytes.
const LINE_BYTES_SHOWN: usize = 400;
/// Longest text between two places that are shown together, in bytes.
const BOTH_BYTES_SHOWN: usize = 4_000;

impl GridErrors {
    /// All errors with their lines, underlined; `color` adds ANSI colours.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let renderer = renderer.decor_style(DecorStyle::Ascii);
        let mut drawn: Vec<_> = self.errors.iter().map(|error| render_one(error, &renderer)).collect();
        if self.left_out > 0 {
            drawn.push(format!("and {} more", self.left_out));
        }
        drawn.join("\n\n")
    }
}

fn render_one(error: &GridError, renderer: &Renderer) -> String {
    let title = format!("{}:{}:{}: {}", error.file(), error.line, error.column, error.message);
    let group = Group::with_title(Level::ERROR.no_name().primary_title(title));
    let mut group = group.elements(snippets(error));
    if let Some(help) = &error.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    renderer.render(&[group])
}

fn snippets(error: &GridError) -> Vec<Snippet<'_, Annotation<'_>>> {
    let text = &*error.source.text;
    if text.is_empty() {
        return Vec::new();
    }
    if let Some((first, label)) = &error.related
        && let Some(snippet) = both(text, first, label, &error.span)
    {
        return vec![snippet];
    }
    let (shown, span) = line_with(text, &error.span);
    let annotation = AnnotationKind::Primary.span(span);
    vec![Snippet::source(shown).line_start(error.line).annotation(annotation)]
}

/// Two places in one picture, the lines between them folded, unless they are far apart.
fn both<'t>(
    text: &'t str,
    first: &Range<usize>,
    label: &'static str,
    second: &Range<usize>,
) -> Option<Snippet<'t, Annotation<'t>>> {
    let start = text[..first.start].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[second.end..].find('\n').map_or(text.len(), |newline| second.end + newline);
    if first.end > second.start || end - start > BOTH_BYTES_SHOWN {
        return None;
    }
    let line = 1 + text[..start].bytes().filter(|byte| *byte == b'\n').count();
    let moved = |span: &Range<usize>| span.start - start..span.end - start;
    let snippet = Snippet::source(&text[start..end])
        .line_start(line)
        .annotation(AnnotationKind::Context.span(moved(first)).label(label))
        .annotation(AnnotationKind::Primary.span(moved(second)));
    Some(snippet)
}

/// The line on which the span begins, and the part of the span on it, relative to the line.
fn line_with<'t>(text: &'t str, span: &Range<usize>) -> (&'t str, Range<usize>) {
    let start = text[..span.start].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[span.start..].find('\n').map_or(text.len(), |newline| span.start + newline);
    let shown_start = boundary(text, start.max(span.start.saturating_sub(LINE_BYTES_SHOWN / 2)));
    let shown_end = boundary(text, end.min(span.start + LINE_BYTES_SHOWN / 2)).max(span.start);
    let line = text[shown_start..shown_end].trim_end();
    let from = (span.start - shown_start).min(line.len());
    let to = span.end.saturating_sub(shown_start).clamp(from, line.len());
    (line, from..to)
}

fn boundary(text: &str, mut index: usize) -> usize {
    while !text.is_char_boundary(index) {
        index -= 1;
    }
    index
}
